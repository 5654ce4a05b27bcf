package tlsfiles_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"quoin.dev/pkg/tlsfiles"
	"quoin.dev/pkg/tlsfiles/certtest"
)

// world is two sides of one authority, and what their stores complained about.
type world struct {
	*testing.T
	ca             *certtest.Authority
	server, client certtest.Leaf
	at, from       tlsfiles.Options

	mu       sync.Mutex
	troubles []string
}

func newWorld(t *testing.T, options ...certtest.Option) *world {
	t.Helper()
	w := &world{T: t, ca: certtest.New(t, "ca", options...)}
	w.server, w.client = w.ca.Issue("server", options...), w.ca.Issue("client", options...)
	w.at.Files = tlsfiles.Files{Cert: w.server.Cert, Key: w.server.Key, CA: w.ca.CA()}
	w.at.Base = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert}
	w.at.Trouble = func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.troubles = append(w.troubles, err.Error())
	}
	w.from.Files = tlsfiles.Files{Cert: w.client.Cert, Key: w.client.Key, CA: w.ca.CA()}
	w.from.Trouble = w.at.Trouble
	return w
}

func (w *world) open(o tlsfiles.Options) *tlsfiles.Store {
	w.Helper()
	s, err := tlsfiles.Open(o)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// meet makes one connection, and returns what either side says against it.
func (w *world) meet(server *tls.Config, client *tls.Config) (tls.ConnectionState, error) {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			accepted <- err
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		secure := tls.Server(conn, server)
		err = secure.Handshake()
		if err == nil {
			_, err = secure.Write([]byte("x"))
		}
		accepted <- err
	}()
	client = client.Clone()
	client.ServerName = "127.0.0.1"
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 30 * time.Second}, "tcp", l.Addr().String(), client)
	if err != nil {
		return tls.ConnectionState{}, errors.Join(err, <-accepted)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, err = io.ReadFull(conn, make([]byte, 1))
	return conn.ConnectionState(), errors.Join(err, <-accepted)
}

// accepted and refused look at one connection; because is a part of the reason.
func (w *world) accepted(why string, at, from *tlsfiles.Store) tls.ConnectionState {
	w.Helper()
	state, err := w.meet(at.Server(), from.Client())
	if err != nil {
		w.Errorf("%s: refused: %v", why, err)
	}
	return state
}

func (w *world) refused(because string, at, from *tlsfiles.Store) {
	w.Helper()
	if _, err := w.meet(at.Server(), from.Client()); err == nil || !strings.Contains(err.Error(), because) {
		w.Errorf("want %q, got %v", because, err)
	}
}

func (w *world) complained(times int, about string) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.troubles) != times || times > 0 && !strings.Contains(w.troubles[times-1], about) {
		w.Errorf("want %d troubles, the last about %q, got %q", times, about, w.troubles)
	}
}

func overwrite(t *testing.T, file, with string) {
	t.Helper()
	content, err := os.ReadFile(with)
	if err != nil {
		t.Fatal(err)
	}
	certtest.Replace(t, file, content)
}

func TestKindsOfKeys(t *testing.T) {
	for name, kind := range map[string]certtest.Option{"RSA": certtest.RSA, "ECDSA": certtest.ECDSA, "Ed25519": certtest.Ed25519} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind)
			w.accepted(name, w.open(w.at), w.open(w.from))
		})
	}
}

// Certificate and key are replaced one after the other: until both are there, the old pair is shown.
func TestPairIsFollowed(t *testing.T) {
	w := newWorld(t)
	at, from := w.open(w.at), w.open(w.from)
	serial := func() string { return w.accepted("", at, from).PeerCertificates[0].SerialNumber.String() }
	if serial() != w.server.SerialNumber.String() {
		t.Error("not the certificate of the file")
	}
	next := w.ca.Issue("next")
	overwrite(t, w.server.Cert, next.Cert)
	for range 3 {
		if serial() != w.server.SerialNumber.String() {
			t.Error("a certificate is shown whose key is not there yet")
		}
	}
	w.complained(1, "private key does not match public key")
	overwrite(t, w.server.Key, next.Key)
	if serial() != next.SerialNumber.String() {
		t.Error("the new pair is not shown")
	}
	if err := os.Remove(w.server.Key); err != nil {
		t.Fatal(err)
	}
	if serial() != next.SerialNumber.String() {
		t.Error("nothing is shown because a file is missing")
	}
	w.complained(2, "no such file")
	w.client = w.ca.Issue("client") // over the files of the former one
	if w.accepted("a client with a new certificate", at, from); from.Expiries()[0].At != w.client.NotAfter.UTC() {
		t.Error("the client still shows its old certificate")
	}
}

// A change of equal length within the resolution of file times is seen, too.
func TestChangeThatLooksLikeNone(t *testing.T) {
	w := newWorld(t)
	ca := certtest.New(t, "ca", certtest.Ed25519)
	file := ca.Path("list")
	one, two := ca.Issue("one", certtest.Serial(1)), ca.Issue("two", certtest.Serial(2))
	lists := [][]byte{ca.RevocationList(time.Now().Add(time.Hour), one), ca.RevocationList(time.Now().Add(time.Hour), two)}
	if len(lists[0]) != len(lists[1]) {
		t.Fatal("the lists differ in length")
	}
	now := time.Now()
	write := func(list []byte) {
		if err := errors.Join(os.WriteFile(file, list, 0o600), os.Chtimes(file, now, now)); err != nil {
			t.Fatal(err)
		}
	}
	write(lists[0])
	w.at.CA, w.at.CRL = ca.CA(), file
	at := w.open(w.at)
	from := map[*certtest.Leaf]*tlsfiles.Store{}
	for _, leaf := range []*certtest.Leaf{&one, &two} {
		w.from.Cert, w.from.Key = leaf.Cert, leaf.Key
		from[leaf] = w.open(w.from)
	}
	for i := range 4 {
		write(lists[i%2])
		revoked, good := &one, &two
		if i%2 == 1 {
			revoked, good = good, revoked
		}
		w.refused("revoked", at, from[revoked])
		w.accepted("not on the list", at, from[good])
	}
}

// The authority is replaced by way of a bundle of both, and the old one is not trusted in the end.
func TestAuthorityIsFollowed(t *testing.T) {
	w := newWorld(t)
	at, old := w.open(w.at), w.open(w.from)
	other := certtest.New(t, "other")
	leaf := other.Issue("client")
	w.from.Cert, w.from.Key = leaf.Cert, leaf.Key
	changed := w.open(w.from)
	w.refused("unknown authority", at, changed)
	certtest.Bundle(t, w.ca.CA(), w.ca, other)
	w.accepted("old", at, old)
	w.accepted("new", at, changed)
	certtest.Replace(t, w.ca.CA(), []byte("half a fi"))
	w.accepted("old, from before the broken file", at, old)
	w.complained(2, "no certificate in PEM form") // one of either side
	certtest.Bundle(t, w.ca.CA(), other)
	if _, err := w.meet(at.Server(), old.Client()); err == nil {
		t.Error("the old authority is still trusted")
	}
}

// GHSA-3wh4-j44w-pg92: who is on the list is refused from then on; so is one that has been served before and could resume its session.
func TestRevocation(t *testing.T) {
	w := newWorld(t)
	w.at.CRL = w.ca.Revoke()
	at, from := w.open(w.at), w.open(w.from)
	resuming := from.Client()
	resuming.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 {
		if _, err := w.meet(at.Server(), resuming); err != nil {
			t.Error(err)
		}
	}
	w.ca.Revoke(w.client)
	w.refused("certificate serial", at, from)
	if _, err := w.meet(at.Server(), resuming); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a session that could be resumed: %v", err)
	}
	certtest.Replace(t, w.at.CRL, nil)
	w.refused("revoked", at, from)
	w.complained(1, "malformed crl")
	if err := os.Remove(w.at.CRL); err != nil {
		t.Fatal(err)
	}
	w.refused("revoked", at, from)
	w.complained(2, "no such file")
	certtest.Replace(t, w.at.CRL, w.ca.RevocationList(time.Now().Add(-time.Minute), w.client))
	w.refused("revoked", at, from) // a list that is late counts, as in etcd
	if list := at.Expiries()[2]; list.Kind != tlsfiles.KindRevocationList || time.Until(list.At) > 0 {
		t.Errorf("the list is late, and it is said: %v", list)
	}
	w.ca.Revoke()
	w.accepted("on no list any more", at, from)
}

func TestClientRefusesARevokedServer(t *testing.T) {
	w := newWorld(t)
	w.from.CRL = w.ca.Revoke(w.server)
	w.refused("revoked", w.open(w.at), w.open(w.from))
}

// A number counts together with the authority that gave it.
func TestRevocationsOfSeveralAuthorities(t *testing.T) {
	w := newWorld(t)
	other := certtest.New(t, "other")
	below := w.ca.Intermediate("below")
	clients := map[string]certtest.Leaf{
		"ca":    w.ca.Issue("c1", certtest.Serial(7)),
		"other": other.Issue("c2", certtest.Serial(7)),
		"below": below.Issue("c3", certtest.Serial(7)),
	}
	chain, err := os.ReadFile(clients["below"].Cert)
	if err != nil {
		t.Fatal(err)
	}
	overwriteWith := func(file string, parts ...[]byte) {
		var all []byte
		for _, part := range parts {
			all = append(all, part...)
		}
		certtest.Replace(t, file, all)
	}
	intermediate, err := os.ReadFile(below.CA())
	if err != nil {
		t.Fatal(err)
	}
	overwriteWith(clients["below"].Cert, chain, intermediate)
	w.at.CA = certtest.Bundle(t, w.ca.Path("both.crt"), w.ca, other)
	for by, list := range map[string]string{"ca": w.ca.Revoke(clients["ca"]), "other": other.Revoke(clients["other"]), "below": below.Revoke(clients["below"])} {
		w.at.CRL = list
		at := w.open(w.at)
		for of, client := range clients {
			w.from.Cert, w.from.Key = client.Cert, client.Key
			if of == by {
				w.refused("certificate serial 07 revoked", at, w.open(w.from))
			} else {
				w.accepted("number 7 of "+of+", revoked by "+by, at, w.open(w.from))
			}
		}
	}
	// An authority that is taken back takes along what it signed.
	w.at.CRL = w.ca.Revoke(certtest.Leaf{Certificate: below.Cert})
	w.from.Cert, w.from.Key = clients["below"].Cert, clients["below"].Key
	w.refused("revoked", w.open(w.at), w.open(w.from))
}

func TestFilesThatCanNotBeUsed(t *testing.T) {
	w := newWorld(t)
	garbage := w.ca.Path("garbage")
	certtest.Replace(t, garbage, []byte("garbage"))
	forged := w.ca.RevocationList(time.Now().Add(time.Hour))
	forged[len(forged)-1] ^= 1
	certtest.Replace(t, w.ca.Path("forged"), forged)
	for name, c := range map[string]struct {
		files tlsfiles.Files
		want  string
	}{
		"no certificate there":     {tlsfiles.Files{Cert: "nowhere", Key: w.server.Key}, "no such file"},
		"key of another":           {tlsfiles.Files{Cert: w.server.Cert, Key: w.client.Key}, "does not match"},
		"certificate alone":        {tlsfiles.Files{Cert: w.server.Cert}, "needs its key"},
		"no authority":             {tlsfiles.Files{CA: garbage}, "no certificate in PEM form"},
		"no list":                  {tlsfiles.Files{CA: w.ca.CA(), CRL: garbage}, "malformed crl"},
		"a certificate for a list": {tlsfiles.Files{CA: w.ca.CA(), CRL: w.server.Cert}, "x509"},
		"a list of nobody":         {tlsfiles.Files{CA: w.ca.CA(), CRL: w.ca.Path("forged")}, "is not signed by it"},
	} {
		if _, err := tlsfiles.Open(tlsfiles.Options{Files: c.files}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", name, c.want, err)
		}
	}
	// The list of a namesake names another key, so it is not about the certificates of this authority.
	w.at.CRL = certtest.New(t, "ca").Revoke(w.client)
	w.accepted("the list of a namesake", w.open(w.at), w.open(w.from))
}

func TestManyAtATime(t *testing.T) {
	w := newWorld(t)
	w.at.CRL = w.ca.Revoke()
	at, from := w.open(w.at), w.open(w.from)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				if _, err := w.meet(at.Server(), from.Client()); err != nil {
					t.Error(err)
				}
				_ = at.Expiries()
			}
		})
	}
	for range 20 {
		next := w.ca.Issue("next")
		overwrite(t, w.server.Cert, next.Cert)
		overwrite(t, w.server.Key, next.Key)
		w.ca.Revoke()
	}
	all.Wait()
}
