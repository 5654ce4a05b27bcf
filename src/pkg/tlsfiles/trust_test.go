package tlsfiles

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"testing"

	"quoin.dev/pkg/tlsfiles/certtest"
)

// FuzzTrust: files of authorities and revocation lists are refused, or judge a chain. No list but the one of its authority revokes.
func FuzzTrust(f *testing.F) {
	read := func(file string) []byte {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		return content
	}
	ca, other := certtest.New(f, "ca"), certtest.New(f, "other")
	leaf := ca.Issue("leaf")
	authority := read(ca.CA())
	for _, lists := range []string{ca.Revoke(leaf), ca.Revoke(), other.Revoke(leaf)} {
		f.Add(authority, read(lists))
	}
	if block, _ := pem.Decode(read(ca.Revoke(leaf))); block != nil {
		f.Add(authority, block.Bytes)
	}
	f.Add(authority, authority)
	f.Add(read(certtest.Bundle(f, ca.Path("both.crt"), ca, other)), []byte("none"))
	f.Fuzz(func(t *testing.T, authorities, lists []byte) {
		found, err := parseTrust([]string{"ca", "crl"}, [][]byte{authorities, lists})
		if err != nil {
			return
		}
		if len(found.authorities) == 0 || len(found.lists) == 0 {
			t.Fatalf("%d authorities and %d lists, and no error", len(found.authorities), len(found.lists))
		}
		var revoked *RevokedError
		err = found.check([][]*x509.Certificate{{leaf.Certificate}})
		if err != nil && (!errors.As(err, &revoked) || revoked.Serial.Cmp(leaf.Certificate.SerialNumber) != 0) {
			t.Errorf("refused with %v", err)
		}
	})
}

// FuzzPair: a certificate and a key are refused, or belong together.
func FuzzPair(f *testing.F) {
	ca := certtest.New(f, "ca")
	for _, name := range []string{"a", "b"} {
		leaf := ca.Issue(name)
		cert, err := os.ReadFile(leaf.Cert)
		if err != nil {
			f.Fatal(err)
		}
		key, err := os.ReadFile(leaf.Key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(cert, key)
		f.Add(key, cert)
	}
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		pair, err := parsePair([]string{"cert", "key"}, [][]byte{cert, key})
		if err == nil && (pair.Leaf == nil || pair.PrivateKey == nil || pair.Leaf.NotAfter.IsZero()) {
			t.Errorf("a pair without its parts: %+v", pair)
		}
	})
}
