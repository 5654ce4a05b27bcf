package command_test

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

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert := writeCertificate(t, dir)
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	writeCertificate(t, other)

	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	s := startServer(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: roots, ClientAuth: tls.VerifyClientCertIfGiven,
	})))
	strict := startServer(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
	})))
	ca := " --cacert=" + dir + "/cert.pem"
	pair := " --cert=" + dir + "/cert.pem --key=" + dir + "/key.pem"
	const late = "Error: context deadline exceeded\n"
	for _, c := range []struct {
		server *server
		scheme string
		flags  string
		code   int
		stderr string
	}{
		{server: s, scheme: "https://", flags: ca},
		{server: s, flags: ca},
		{server: s, flags: " --insecure-skip-tls-verify"},
		{server: s, scheme: "https://", flags: " --insecure-skip-tls-verify --insecure-transport=false"},
		{server: strict, flags: ca + pair},
		{server: strict, flags: ca, code: 1, stderr: late},
		{server: s, flags: " --cacert=" + other + "/cert.pem", code: 1, stderr: late},
		{server: s, flags: " --insecure-transport=false", code: 1, stderr: late},
		{server: s, scheme: "https://", code: 1, stderr: late},
		{server: s, scheme: "http://", code: 1, stderr: late},
		{
			server: s, flags: " --cacert=" + dir + "/key.pem", code: 128,
			stderr: "Error: " + dir + "/key.pem holds no certificate in PEM form\n",
		},
	} {
		line := "get k --endpoints=" + c.scheme + c.server.address + c.flags
		if c.code == 1 {
			line += " --command-timeout=300ms"
		}
		r := runWith(nil, "", strings.Fields(line)...)
		if r.code != c.code || r.stderr != c.stderr || r.code == 0 && r.stdout != "k\nv\n" {
			t.Errorf("%s: %+v", line, r)
		}
	}
}

// writeCertificate makes a certificate that is its own authority and good for servers and clients on 127.0.0.1.
func writeCertificate(t *testing.T, dir string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "EC PRIVATE KEY", keyDER)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
