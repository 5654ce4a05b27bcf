package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority makes certificates for one test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", true, nil)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) issue(cn string, isCA bool, hosts []string) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn}, DNSNames: hosts,
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        isCA, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	parent, signer := a.cert, a.key
	if isCA {
		template.KeyUsage |= x509.KeyUsageCertSign
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	rawKey, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(cn+".crt", "CERTIFICATE", der)
	a.write(cn+".key", "EC PRIVATE KEY", rawKey)
	return cert, key
}

func (a *authority) write(name, kind string, der []byte) {
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) files(cn string) TLSFiles {
	return TLSFiles{CertFile: a.path(cn + ".crt"), KeyFile: a.path(cn + ".key"), TrustedCAFile: a.path("ca.crt")}
}

// handshake connects a client to a server and returns the server's verdict.
func handshake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go func() {
		c := tls.Client(b, client)
		if c.Handshake() == nil {
			c.Read(make([]byte, 1)) //nolint:errcheck // waits for the verdict
		}
		b.Close()
	}()
	a.SetDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // a pipe has deadlines
	return tls.Server(a, server).Handshake()
}

func TestTLSHandshakes(t *testing.T) {
	ca := newAuthority(t)
	ca.issue("alice", false, []string{"alice.example"})
	ca.issue("server", false, nil)
	stranger := newAuthority(t)
	stranger.issue("alice", false, nil)
	server := ca.files("server")
	none := server
	none.TrustedCAFile = ""
	for _, tt := range []struct {
		name     string
		listener func(*TLSFiles)
		client   TLSFiles
		ok       bool
	}{
		{"a member of the same authority", func(*TLSFiles) {}, ca.files("alice"), true},
		{"a stranger", func(*TLSFiles) {}, func() TLSFiles { f := stranger.files("alice"); f.TrustedCAFile = ca.path("ca.crt"); return f }(), false},
		{"no certificate", func(*TLSFiles) {}, TLSFiles{TrustedCAFile: ca.path("ca.crt")}, false},
		{"no certificate wanted", func(f *TLSFiles) { *f = none }, TLSFiles{TrustedCAFile: ca.path("ca.crt")}, true},
		{"an allowed common name", func(f *TLSFiles) { f.AllowedCNs = []string{"bob", "alice"} }, ca.files("alice"), true},
		{"another common name", func(f *TLSFiles) { f.AllowedCNs = []string{"bob"} }, ca.files("alice"), false},
		{"an allowed host name", func(f *TLSFiles) { f.AllowedHostnames = []string{"alice.example"} }, ca.files("alice"), true},
		{"another host name", func(f *TLSFiles) { f.AllowedHostnames = []string{"bob.example"} }, ca.files("alice"), false},
		{"only one of two rules", func(f *TLSFiles) { f.AllowedCNs, f.AllowedHostnames = []string{"alice"}, []string{"b.example"} }, ca.files("alice"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := server
			tt.listener(&files)
			listener, err := Security{PeerTLS: files}.PeerListener()
			if err != nil {
				t.Fatal(err)
			}
			dialer, err := Security{PeerTLS: tt.client}.PeerDialer()
			if err != nil {
				t.Fatal(err)
			}
			dialer.ServerName = "127.0.0.1"
			if err := handshake(t, listener, dialer); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRenewedCertificatesNeedNoRestart(t *testing.T) {
	ca := newAuthority(t)
	ca.issue("server", false, nil)
	listener, err := Security{ClientTLS: ca.files("server")}.ClientListener()
	if err != nil {
		t.Fatal(err)
	}
	before, err := listener.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	ca.issue("server", false, nil)
	after, err := listener.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if before.Leaf.SerialNumber.Cmp(after.Leaf.SerialNumber) == 0 {
		t.Error("the old certificate is still served")
	}
	if listener.MinVersion != tls.VersionTLS12 {
		t.Errorf("min version %x", listener.MinVersion)
	}
}

func TestTLSFilesThatCanNotBeUsed(t *testing.T) {
	ca := newAuthority(t)
	ca.issue("server", false, nil)
	if err := os.WriteFile(ca.path("empty"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing, broken := ca.files("nobody"), ca.files("server")
	broken.TrustedCAFile = ca.path("empty")
	for want, files := range map[string]TLSFiles{"no such file": missing, "holds no PEM certificate": broken} {
		if _, err := (Security{ClientTLS: files}).ClientListener(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("listener: got %v, want %q", err, want)
		}
		if _, err := (Security{PeerTLS: files}).PeerDialer(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("dialer: got %v, want %q", err, want)
		}
	}
	if c, err := (Security{}).ClientListener(); c != nil || err != nil {
		t.Errorf("without certificates: %v, %v", c, err)
	}
	if c, err := (Security{}).PeerDialer(); c != nil || err != nil {
		t.Errorf("without certificates: %v, %v", c, err)
	}
	if _, err := (Security{ClientTLS: ca.files("server"), CipherSuites: []string{"tls_ecdhe_rsa_with_aes_128_gcm_sha256"}}).ClientListener(); err != nil {
		t.Error(err)
	}
}
