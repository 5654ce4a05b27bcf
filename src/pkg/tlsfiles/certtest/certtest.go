// Package certtest makes certificate authorities, certificates and revocation lists for tests, and writes them to files.
package certtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// T is the part of a test that is needed here. It is small so that a program that tests something can play it, too; its Fatal must
// not return.
type T interface {
	Helper()
	TempDir() string
	Fatal(...any)
}

// Authority signs certificates and keeps their files in a directory.
type Authority struct {
	Dir  string
	Cert *x509.Certificate

	t   T
	key crypto.Signer
}

// Leaf is a certificate with the files that hold it and its key.
type Leaf struct {
	Cert, Key string // PEM files
	*x509.Certificate
}

// Option changes a certificate before it is signed.
type Option func(*spec)

type spec struct {
	template x509.Certificate
	newKey   func() (crypto.Signer, error)
}

// RSA, ECDSA and Ed25519 choose the kind of key; without any it is ECDSA.
var (
	RSA     = key(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	ECDSA   = key(func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
	Ed25519 = key(func() (crypto.Signer, error) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	})
)

func key(generate func() (crypto.Signer, error)) Option {
	return func(s *spec) { s.newKey = generate }
}

// Hosts replaces the names of a certificate, which are localhost and 127.0.0.1 otherwise, by host names and addresses.
func Hosts(hosts ...string) Option {
	return func(s *spec) {
		s.template.DNSNames, s.template.IPAddresses = nil, nil
		for _, host := range hosts {
			if ip := net.ParseIP(host); ip != nil {
				s.template.IPAddresses = append(s.template.IPAddresses, ip)
			} else {
				s.template.DNSNames = append(s.template.DNSNames, host)
			}
		}
	}
}

// Usage replaces the extended usages, which are those of servers and clients otherwise.
func Usage(usages ...x509.ExtKeyUsage) Option {
	return func(s *spec) { s.template.ExtKeyUsage = usages }
}

// Valid sets when a certificate begins and ends to be valid; without it that is from an hour ago to a day from now.
func Valid(from, to time.Time) Option {
	return func(s *spec) { s.template.NotBefore, s.template.NotAfter = from, to }
}

// Serial sets the serial number, which is random otherwise.
func Serial(n int64) Option {
	return func(s *spec) { s.template.SerialNumber = big.NewInt(n) }
}

// New makes an authority whose certificate, DIR/ca.crt, is signed by itself. It calls itself name.
func New(t T, name string, options ...Option) *Authority {
	t.Helper()
	return newAuthority(t, nil, t.TempDir(), name, options)
}

// Intermediate makes an authority that a signs, with a directory of its own.
func (a *Authority) Intermediate(name string, options ...Option) *Authority {
	a.t.Helper()
	return newAuthority(a.t, a, a.t.TempDir(), name, options)
}

func newAuthority(t T, parent *Authority, dir, name string, options []Option) *Authority {
	t.Helper()
	a := &Authority{Dir: dir, t: t}
	isCA := func(s *spec) {
		s.template.IsCA, s.template.BasicConstraintsValid = true, true
		s.template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		s.template.DNSNames, s.template.IPAddresses, s.template.ExtKeyUsage = nil, nil, nil
	}
	a.Cert, a.key = sign(t, parent, name, append([]Option{isCA}, options...))
	a.write("ca.crt", block("CERTIFICATE", a.Cert.Raw))
	return a
}

// CA is the file of the authority's certificate.
func (a *Authority) CA() string { return a.Path("ca.crt") }

// Path is that of a file in the authority's directory.
func (a *Authority) Path(name string) string { return filepath.Join(a.Dir, name) }

// Issue signs a certificate for a common name and writes DIR/NAME.crt and DIR/NAME.key, over those that were there.
func (a *Authority) Issue(name string, options ...Option) Leaf {
	a.t.Helper()
	cert, private := sign(a.t, a, name, options)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	must(a.t, err)
	leaf := Leaf{Cert: a.Path(name + ".crt"), Key: a.Path(name + ".key"), Certificate: cert}
	a.write(name+".crt", block("CERTIFICATE", cert.Raw))
	a.write(name+".key", block("PRIVATE KEY", der))
	return leaf
}

// Revoke writes DIR/crl.pem, a list of the given certificates that has to be renewed an hour from now.
func (a *Authority) Revoke(leaves ...Leaf) string {
	a.t.Helper()
	a.write("crl.pem", block("X509 CRL", a.RevocationList(time.Now().Add(time.Hour), leaves...)))
	return a.Path("crl.pem")
}

// RevocationList signs a list of the given certificates, in DER form, that has to be renewed at next.
func (a *Authority) RevocationList(next time.Time, leaves ...Leaf) []byte {
	a.t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: next.Add(-24 * time.Hour), NextUpdate: next}
	for _, leaf := range leaves {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: leaf.SerialNumber, RevocationTime: time.Now().Add(-time.Minute),
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.Cert, a.key)
	must(a.t, err)
	return der
}

// Bundle writes the certificates of several authorities into one file.
func Bundle(t T, file string, authorities ...*Authority) string {
	t.Helper()
	var all []byte
	for _, a := range authorities {
		all = append(all, block("CERTIFICATE", a.Cert.Raw)...)
	}
	Replace(t, file, all)
	return file
}

// Replace puts a file with this content in the place of another in one step, as careful operators do.
func Replace(t T, file string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(file+".new", content, 0o600))
	must(t, os.Rename(file+".new", file))
}

func (a *Authority) write(name string, content []byte) {
	a.t.Helper()
	Replace(a.t, a.Path(name), content)
}

// sign makes a certificate and its key; without a parent it signs itself.
func sign(t T, parent *Authority, name string, options []Option) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	must(t, err)
	s := spec{template: x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}}
	ECDSA(&s)
	Hosts("localhost", "127.0.0.1")(&s)
	for _, option := range options {
		option(&s)
	}
	private, err := s.newKey()
	must(t, err)
	signer, issuer := private, &s.template
	if parent != nil {
		signer, issuer = parent.key, parent.Cert
	}
	der, err := x509.CreateCertificate(rand.Reader, &s.template, issuer, private.Public(), signer)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert, private
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func must(t T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
