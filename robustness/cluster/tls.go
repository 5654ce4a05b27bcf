package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"quoin.dev/pkg/tlsfiles/certtest"
)

// certificates are those of one cluster: an authority, a certificate for each member, and one for clients.
type certificates struct {
	dir       string
	authority *certtest.Authority
	client    *tls.Config
}

// valid lets certificates hold for longer than any clock is put forward or back by a fault.
var valid = certtest.Valid(time.Now().AddDate(-20, 0, 0), time.Now().AddDate(20, 0, 0))

// newCertificates makes an authority and the certificate of clients in a directory.
func newCertificates(dir string) (*certificates, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	c := &certificates{dir: dir}
	err := attempt(func() {
		t := trial{dir}
		c.authority = certtest.New(t, "quoin-lab", valid)
		leaf := c.authority.Issue("client", valid)
		pair, err := tls.LoadX509KeyPair(leaf.Cert, leaf.Key)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(c.authority.Cert)
		c.client = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS12}
	})
	return c, err
}

// issue makes the certificate of a member.
func (c *certificates) issue(name string, addr netip.Addr) error {
	return attempt(func() {
		c.authority.Issue(name, valid, certtest.Hosts(name, "localhost", "127.0.0.1", addr.String()))
	})
}

// flags are those of a member. Clients and members have to show certificates.
func (c *certificates) flags(name string) []string {
	cert, key, ca := filepath.Join(c.dir, name+".crt"), filepath.Join(c.dir, name+".key"), c.authority.CA()
	return []string{
		"--cert-file=" + cert, "--key-file=" + key, "--trusted-ca-file=" + ca, "--client-cert-auth",
		"--peer-cert-file=" + cert, "--peer-key-file=" + key, "--peer-trusted-ca-file=" + ca, "--peer-client-cert-auth",
	}
}

// trial stands in for a test where certificates are made outside of one: what would fail the test is the error of attempt.
type trial struct{ dir string }

// failure is what a trial panics with.
type failure struct{ error }

func (t trial) Helper()         {}
func (t trial) TempDir() string { return t.dir }
func (t trial) Fatal(a ...any)  { panic(failure{fmt.Errorf("certificates: %s", fmt.Sprint(a...))}) }

// attempt calls f and returns what it failed with.
func attempt(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			failed, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = failed.error
		}
	}()
	f()
	return nil
}
