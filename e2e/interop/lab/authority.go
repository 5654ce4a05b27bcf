package lab

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
	"testing"
	"time"
)

// Authority signs the certificates of the members and clients of a test.
type Authority struct {
	CAFile string
	dir    string
	pool   *x509.CertPool
	ca     *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

// Certificate is a key pair, as files and in memory.
type Certificate struct {
	CertFile, KeyFile string
	tls               tls.Certificate
}

// NewAuthority makes one, whose files end with the test.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{dir: t.TempDir(), pool: x509.NewCertPool()}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	c := a.issue(t, template)
	a.CAFile, a.ca, a.key = c.CertFile, c.tls.Leaf, c.tls.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.ca)
	return a
}

// Issue makes a certificate for a server on the loopback interface or a client with this common name.
func (a *Authority) Issue(t testing.TB, commonName string) Certificate {
	t.Helper()
	return a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: commonName}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	})
}

// issue completes and signs a certificate, itself for the first one.
func (a *Authority) issue(t testing.TB, template *x509.Certificate) Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent, signer := a.ca, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	name := filepath.Join(a.dir, big.NewInt(a.serial).String())
	c := Certificate{CertFile: name + ".crt", KeyFile: name + ".key"}
	c.tls = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	must(t, os.WriteFile(c.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(c.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600))
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// PrepareSecureCluster is PrepareCluster with TLS for clients and members. What the lab itself asks the members it asks with the
// certificate of root.
func PrepareSecureCluster(t testing.TB, a *Authority, members int, flags ...string) *Cluster {
	t.Helper()
	server, root := a.Issue(t, "server"), a.Issue(t, "root")
	return prepareCluster(t, members, a, Identity{Certificate: &root}, append([]string{
		"--cert-file=" + server.CertFile, "--key-file=" + server.KeyFile, "--trusted-ca-file=" + a.CAFile,
		"--peer-cert-file=" + server.CertFile, "--peer-key-file=" + server.KeyFile, "--peer-trusted-ca-file=" + a.CAFile,
		"--peer-client-cert-auth",
	}, flags...))
}
