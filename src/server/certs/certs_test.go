package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"quoin.dev/pkg/tlsfiles/certtest"

	"quoin.dev/server/config"
	"quoin.dev/server/gate"
)

func watched() (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.InfoLevel)
	return zap.New(core), logs
}

// of are the files of a certificate and who is to be trusted.
func of(leaf certtest.Leaf, ca *certtest.Authority) config.TLSFiles {
	f := config.TLSFiles{CertFile: leaf.Cert, KeyFile: leaf.Key}
	if ca != nil {
		f.TrustedCAFile = ca.CA()
	}
	return f
}

func open(t *testing.T, s config.Security) *Certs {
	t.Helper()
	cfg := config.Default()
	cfg.Security, cfg.DataDir = s, t.TempDir()
	c, err := Open(cfg, zap.NewNop())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

// call connects to a gate with the given settings and returns what stands against it on either side.
func call(t *testing.T, server *tls.Config, client *tls.Config) (state tls.ConnectionState, refusal string) {
	t.Helper()
	w := NewWithT(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.Expect(err).NotTo(HaveOccurred())
	logger, logs := watched()
	g := gate.New(l, gate.Options{Endpoint: "peer", TLS: server, Logger: logger})
	defer g.Close()
	accepted := make(chan tls.ConnectionState, 1)
	go func() {
		conn, err := g.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("x"))
		accepted <- conn.(*tls.Conn).ConnectionState()
	}()
	if client.ServerName == "" {
		client.ServerName = "127.0.0.1"
	}
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err == nil {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	if err == nil {
		return <-accepted, ""
	}
	rejected := func() []observer.LoggedEntry { return logs.FilterMessage("rejected connection on peer endpoint").All() }
	w.Eventually(rejected, "20s").Should(HaveLen(1), "the client says %v", err)
	return state, fmt.Sprint(rejected()[0].ContextMap()["error"], "; ", err)
}

func TestWhoMayConnect(t *testing.T) {
	ca, other := certtest.New(t, "ca"), certtest.New(t, "other")
	server := ca.Issue("server")
	alice := ca.Issue("alice", certtest.Hosts("alice.example", "127.0.0.1"))
	stranger := other.Issue("alice")
	stranger.Certificate = nil
	none := certtest.Leaf{}
	ended := ca.Issue("ended", certtest.Valid(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)))
	forServers := ca.Issue("forservers", certtest.Usage(x509.ExtKeyUsageServerAuth))
	forClients := ca.Issue("forclients", certtest.Usage(x509.ExtKeyUsageClientAuth))
	forAnything := ca.Issue("foranything", certtest.Usage())
	elsewhere := ca.Issue("elsewhere", certtest.Hosts("10.0.0.1"))
	below := ca.Intermediate("below")
	for _, c := range []struct {
		name    string
		rules   func(*config.TLSFiles)
		who     certtest.Leaf
		refused string // empty: welcome
	}{
		{"of the same authority", nil, alice, ""},
		{"a stranger", nil, stranger, "unknown authority"},
		{"without a certificate", nil, none, "client didn't provide a certificate"},
		{"without a certificate where none is asked for", func(f *config.TLSFiles) { f.TrustedCAFile = "" }, none, ""},
		{"without a certificate where those of the system are", func(f *config.TLSFiles) { f.TrustedCAFile, f.ClientCertAuth = "", true }, none, "client didn't provide a certificate"},
		{"whose time is over", nil, ended, "expired"},
		{"with a certificate for servers", nil, forServers, "incompatible key usage"},
		{"with a certificate for clients", nil, forClients, ""},
		{"with a certificate for anything", nil, forAnything, ""},
		{"an allowed common name", func(f *config.TLSFiles) { f.AllowedCNs = []string{"bob", "alice"} }, alice, ""},
		{"another common name", func(f *config.TLSFiles) { f.AllowedCNs = []string{"bob"} }, alice, "client certificate authentication failed"},
		{"an allowed host name", func(f *config.TLSFiles) { f.AllowedHostnames = []string{"alice.example"} }, alice, ""},
		{"another host name", func(f *config.TLSFiles) { f.AllowedHostnames = []string{"bob.example"} }, alice, "client certificate authentication failed"},
		{"only one of two rules", func(f *config.TLSFiles) { f.AllowedCNs, f.AllowedHostnames = []string{"alice"}, []string{"b.example"} }, alice, "client certificate authentication failed"},
		{"rules without an authority", func(f *config.TLSFiles) { f.TrustedCAFile, f.AllowedCNs = "", []string{"alice"} }, none, "client didn't provide a certificate"},
		{"from another address", nil, elsewhere, "certificate is valid for 10.0.0.1, not 127.0.0.1"},
		{"from another address, which is not looked at", func(f *config.TLSFiles) { f.SkipClientSANVerify = true }, elsewhere, ""},
		{"revoked", func(f *config.TLSFiles) { f.CRLFile = ca.Revoke(alice) }, alice, "revoked; remote error: tls: bad certificate"},
		{"below a trusted authority, without the chain", nil, below.Issue("x"), "unknown authority"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := NewWithT(t)
			files := of(server, ca)
			if c.rules != nil {
				c.rules(&files)
			}
			dialer := of(c.who, ca)
			_, refusal := call(t, open(t, config.Security{PeerTLS: files}).Peer(), open(t, config.Security{PeerTLS: dialer}).Dialer())
			if c.refused == "" {
				w.Expect(refusal).To(BeEmpty())
			} else {
				w.Expect(refusal).To(ContainSubstring(c.refused))
			}
		})
	}
}

// A member that is called must be who it is taken for.
func TestWhoIsCalled(t *testing.T) {
	ca := certtest.New(t, "ca")
	dialer := open(t, config.Security{PeerTLS: of(ca.Issue("me"), ca)})
	for name, c := range map[string]struct {
		server  certtest.Leaf
		refused string
	}{
		"for clients": {ca.Issue("forclients", certtest.Usage(x509.ExtKeyUsageClientAuth)), "incompatible key usage"},
		"elsewhere":   {ca.Issue("elsewhere", certtest.Hosts("10.0.0.1")), "not 127.0.0.1"},
		"stranger":    {certtest.New(t, "other").Issue("stranger"), "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			_, refusal := call(t, open(t, config.Security{PeerTLS: of(c.server, nil)}).Peer(), dialer.Dialer())
			NewWithT(t).Expect(refusal).To(And(ContainSubstring(c.refused), ContainSubstring("remote error: tls: ")))
		})
	}
}

// The client port does not compare addresses, as in etcd, and offers HTTP/2.
func TestClientPort(t *testing.T) {
	w := NewWithT(t)
	ca := certtest.New(t, "ca")
	c := open(t, config.Security{ClientTLS: of(ca.Issue("server"), ca), PeerTLS: of(ca.Issue("elsewhere", certtest.Hosts("10.0.0.1")), ca)})
	settings := c.Dialer()
	settings.NextProtos = []string{"h2"}
	state, refusal := call(t, c.Client(), settings)
	w.Expect(refusal).To(BeEmpty())
	w.Expect(state.NegotiatedProtocol).To(Equal("h2"))
	w.Expect(state.VerifiedChains[0][0].Subject.CommonName).To(Equal("elsewhere"))
}

func TestVersionsAndSuites(t *testing.T) {
	w := NewWithT(t)
	ca := certtest.New(t, "ca", certtest.RSA)
	files := of(ca.Issue("server", certtest.RSA), nil)
	c := open(t, config.Security{PeerTLS: files, TLSMaxVersion: "TLS1.2", CipherSuites: []string{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"}})
	client := open(t, config.Security{PeerTLS: config.TLSFiles{TrustedCAFile: ca.CA()}}).Dialer()
	state, refusal := call(t, c.Peer(), client.Clone())
	w.Expect(refusal).To(BeEmpty())
	w.Expect(state.Version).To(BeEquivalentTo(tls.VersionTLS12))
	w.Expect(tls.CipherSuiteName(state.CipherSuite)).To(Equal("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"))
	c = open(t, config.Security{PeerTLS: files, TLSMinVersion: "TLS1.3"})
	client.MaxVersion = tls.VersionTLS12
	_, refusal = call(t, c.Peer(), client)
	w.Expect(refusal).To(ContainSubstring("protocol version not supported"))
}

// dns is a table instead of the DNS.
type dns struct{ hosts, addresses map[string][]string }

func (d dns) LookupHost(_ context.Context, host string) ([]string, error) {
	return d.hosts[host], notFound(d.hosts, host)
}

func (d dns) LookupAddr(_ context.Context, address string) ([]string, error) {
	return d.addresses[address], notFound(d.addresses, address)
}

func notFound(table map[string][]string, key string) error {
	if table[key] == nil {
		return &net.DNSError{Err: "no such host", Name: key, IsNotFound: true}
	}
	return nil
}

func TestAddressOfMembers(t *testing.T) {
	ca := certtest.New(t, "ca")
	check := addressCheck{dns{
		map[string][]string{"m1.example": {"10.0.0.7", "10.0.0.1"}, "m2.example": {"10.0.0.2"}},
		map[string][]string{"10.0.0.1": {"m1.example."}, "10.0.0.2": {"m2.elsewhere."}},
	}}
	from := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}
	for names, ok := range map[string]bool{
		"": true, "10.0.0.1": true, "10.0.0.2": false, "10.0.0.2,10.0.0.1": true, "10.0.0.2,m1.example": true,
		"m1.example": true, "m2.example": false, "m2.example,m1.example": true, "unknown.example": false, "*.example": true, "*.elsewhere": false,
	} {
		t.Run(names, func(t *testing.T) {
			w := NewWithT(t)
			leaf := ca.Issue("member", certtest.Hosts(strings.FieldsFunc(names, func(r rune) bool { return r == ',' })...))
			state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf.Certificate}}
			err := check.verify(t.Context(), from, state)
			w.Expect(err == nil).To(Equal(ok), "%v", err)
			w.Expect(check.verify(t.Context(), &net.UnixAddr{}, state)).To(Succeed())
		})
	}
}

func urls(list ...string) (all []url.URL) {
	for _, s := range list {
		u, err := url.Parse(s)
		if err != nil {
			panic(err)
		}
		all = append(all, *u)
	}
	return all
}

// selfMade are the settings of a member that makes its certificates itself.
func selfMade(t *testing.T) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.ListenPeerURLs, cfg.ListenClientURLs = urls("https://127.0.0.1:1", "https://[::1]:1"), urls("https://127.0.0.1:2")
	cfg.Cluster.AdvertiseClientURLs = urls("https://m1.example:2")
	cfg.Security.ClientTLS.Auto, cfg.Security.PeerTLS.Auto = true, true
	return cfg
}

func TestSelfSignedCertificates(t *testing.T) {
	w := NewWithT(t)
	cfg := selfMade(t)
	logger, logs := watched()
	c, err := Open(cfg, logger)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(logs.FilterMessage("automatically generate certificates").Len()).To(Equal(2))
	for _, name := range []string{"client", "peer"} {
		for _, file := range []string{"cert.pem", "key.pem"} {
			stat, err := os.Stat(filepath.Join(cfg.DataDir, "fixtures", name, file))
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(stat.Mode().Perm()).To(BeEquivalentTo(0o600))
		}
		stat, err := os.Stat(filepath.Join(cfg.DataDir, "fixtures", name))
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(stat.Mode().Perm()).To(BeEquivalentTo(0o700))
	}
	_, refusal := call(t, c.Peer(), c.Dialer())
	w.Expect(refusal).To(BeEmpty(), "members take each other's")
	// A client may trust the file, and then takes only the names that the member has.
	for host, ok := range map[string]bool{"127.0.0.1": true, "m1.example": true, "m2.example": false} {
		client := open(t, config.Security{PeerTLS: config.TLSFiles{TrustedCAFile: cfg.DataDir + "/fixtures/client/cert.pem"}}).Dialer()
		client.ServerName = host
		_, refusal := call(t, c.Client(), client)
		w.Expect(refusal == "").To(Equal(ok), refusal)
	}
	before := c.Expiries()
	w.Expect(before).To(HaveLen(2))
	w.Expect(before[0].At).To(BeTemporally("~", time.Now().AddDate(1, 0, 0), time.Hour))

	again, err := Open(cfg, logger)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(again.Expiries()).To(Equal(before), "they are used again")
	certtest.Replace(t, cfg.DataDir+"/fixtures/client/key.pem", nil)
	cfg.Security.SelfSignedCertValidity = 3
	again, err = Open(cfg, logger)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(again.Expiries()[0].At).To(BeTemporally("~", time.Now().AddDate(3, 0, 0), time.Hour), "a new one, since the old one was broken")
	w.Expect(again.Expiries()[1]).To(Equal(before[1]))
}

// What a member has made itself is replaced a month before its end, while the member runs.
func TestSelfSignedCertificatesAreRenewed(t *testing.T) {
	cfg := selfMade(t)
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		logger, logs := watched()
		c, err := Open(cfg, logger)
		w.Expect(err).NotTo(HaveOccurred())
		first := c.Expiries()[0].At
		stop := make(chan struct{})
		go c.Watch(stop)
		time.Sleep(330 * 24 * time.Hour)
		synctest.Wait()
		w.Expect(c.Expiries()[0].At).To(Equal(first))
		time.Sleep(10 * 24 * time.Hour)
		synctest.Wait()
		w.Expect(c.Expiries()[0].At).To(BeTemporally(">", first.AddDate(0, 10, 0)))
		w.Expect(logs.FilterMessageSnippet("is about to end, making another one").Len()).To(Equal(2))
		close(stop)
	})
}

func TestEndsAreWrittenAbout(t *testing.T) {
	ca := certtest.New(t, "ca", certtest.Valid(time.Unix(0, 0), time.Now().AddDate(200, 0, 0)))
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		year := time.Now().Add(365 * 24 * time.Hour)
		server := ca.Issue("server", certtest.Valid(time.Now(), year))
		cfg := config.Default()
		cfg.Security.ClientTLS = of(server, ca)
		cfg.Security.PeerTLS = of(server, ca)
		logger, logs := watched()
		c, err := Open(cfg, logger)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(c.Expiries()).To(HaveLen(4), "of either port the certificate and the authority")
		stop := make(chan struct{})
		go c.Watch(stop)
		time.Sleep(330 * 24 * time.Hour)
		synctest.Wait()
		about := func() *observer.ObservedLogs { return logs.FilterMessageSnippet("a certificate") }
		w.Expect(about().Len()).To(BeZero())
		time.Sleep(34 * 24 * time.Hour)
		synctest.Wait()
		w.Expect(about().FilterMessageSnippet("is about to end").Len()).To(Equal(2*30), "every day, for either port")
		time.Sleep(2 * 24 * time.Hour)
		synctest.Wait()
		last := about().All()[about().Len()-1]
		w.Expect(last.Message).To(Equal("a certificate has ended"))
		w.Expect(last.ContextMap()).To(And(HaveKeyWithValue("path", server.Cert), HaveKeyWithValue("subject", "CN=server")))
		close(stop)
	})
}

func TestNotes(t *testing.T) {
	w := NewWithT(t)
	ca := certtest.New(t, "ca")
	server := ca.Issue("server")
	w.Expect(os.Chmod(server.Key, 0o644)).To(Succeed())
	cfg := config.Default()
	cfg.DataDir = t.TempDir()
	cfg.ListenPeerURLs, cfg.ListenClientURLs = urls("https://127.0.0.1:1"), urls("http://127.0.0.1:2")
	cfg.Security.ClientTLS = of(server, nil)
	cfg.Security.ClientTLS.Auto = true
	cfg.Security.ClientTLS.CRLFile = ca.Revoke()
	cfg.Security.PeerTLS = of(server, ca)
	cfg.Security.PeerTLS.ClientCertAuth = true
	logger, logs := watched()
	_, err := Open(cfg, logger)
	w.Expect(err).NotTo(HaveOccurred())
	count := func(message string) int { return logs.FilterMessageSnippet(message).Len() }
	w.Expect(count("ignoring client auto TLS since certs given")).To(Equal(1))
	w.Expect(count("ignoring key and cert files")).To(Equal(1))
	w.Expect(count("ignoring client cert auth")).To(BeZero())
	w.Expect(count("revoked certificates are not looked for")).To(Equal(1))
	w.Expect(count("other users can read or change the key")).To(Equal(2), "CVE-2020-15113")
	w.Expect(logs.FilterMessage("starting with peer TLS").All()[0].ContextMap()["tls-info"]).To(
		Equal("cert = " + server.Cert + ", key = " + server.Key + ", client-cert=, client-key=, trusted-ca = " + ca.CA() + ", client-cert-auth = true, crl-file = "))
}
