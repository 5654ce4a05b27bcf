package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// trust is who vouches for the other side, and which of the certificates they have taken back.
type trust struct {
	pool        *x509.CertPool // nil: that of the system
	authorities []*x509.Certificate
	lists       []*revocations
}

// revocations is a list with its serial numbers at hand.
type revocations struct {
	*x509.RevocationList
	serials map[string]bool
}

// RevokedError refuses a certificate that is on a revocation list.
type RevokedError struct{ Serial *big.Int }

func (e *RevokedError) Error() string {
	return fmt.Sprintf("certificate serial %x revoked", e.Serial.Bytes())
}

func parsePair(names []string, contents [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", among(names), err)
	}
	return &pair, nil
}

func parseTrust(names []string, contents [][]byte) (*trust, error) {
	t := &trust{}
	if names[0] != "" {
		var err error
		if t.authorities, err = parseCertificates(contents[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", names[0], err)
		}
		t.pool = x509.NewCertPool()
		for _, ca := range t.authorities {
			t.pool.AddCert(ca)
		}
	}
	if names[1] != "" {
		lists, err := parseLists(contents[1])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", names[1], err)
		}
		for _, list := range lists {
			if err := t.add(list); err != nil {
				return nil, fmt.Errorf("%s: %w", names[1], err)
			}
		}
	}
	return t, nil
}

func parseCertificates(content []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate in PEM form")
	}
	return all, nil
}

// parseLists takes what tools write: one list in DER, or any number of them in PEM.
func parseLists(content []byte) ([]*x509.RevocationList, error) {
	block, rest := pem.Decode(content)
	if block == nil {
		list, err := x509.ParseRevocationList(content)
		return []*x509.RevocationList{list}, err
	}
	var lists []*x509.RevocationList
	for ; block != nil; block, rest = pem.Decode(rest) {
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
	}
	return lists, nil
}

// add takes a list in. Its signature must be that of the authority that it names; where only an intermediate authority
// below the trusted ones can have signed it, whose certificate is not at hand, it is taken as it is: it can only refuse.
func (t *trust) add(list *x509.RevocationList) error {
	var wrong error
	for _, ca := range t.authorities {
		if !bytes.Equal(ca.RawSubject, list.RawIssuer) || !sameKey(ca.SubjectKeyId, list.AuthorityKeyId) {
			continue
		}
		if wrong = list.CheckSignatureFrom(ca); wrong == nil {
			break
		}
	}
	if wrong != nil {
		return fmt.Errorf("the revocation list of %s is not signed by it: %w", list.Issuer, wrong)
	}
	r := &revocations{list, make(map[string]bool, len(list.RevokedCertificateEntries))}
	for _, entry := range list.RevokedCertificateEntries {
		r.serials[string(entry.SerialNumber.Bytes())] = true
	}
	t.lists = append(t.lists, r)
	return nil
}

// sameKey compares two key identifiers, as far as both are there.
func sameKey(a, b []byte) bool { return len(a) == 0 || len(b) == 0 || bytes.Equal(a, b) }

// check wants one chain without a revoked certificate. A list whose time is over counts as well as any other.
func (t *trust) check(chains [][]*x509.Certificate) error {
	var refused error
	for _, chain := range chains {
		if refused = t.checkChain(chain); refused == nil {
			return nil
		}
	}
	return refused
}

func (t *trust) checkChain(chain []*x509.Certificate) error {
	for _, cert := range chain {
		for _, list := range t.lists {
			if list.names(cert) {
				return &RevokedError{cert.SerialNumber}
			}
		}
	}
	return nil
}

// names reports whether the list is that of the certificate's issuer, and has its number.
func (r *revocations) names(cert *x509.Certificate) bool {
	return r.serials[string(cert.SerialNumber.Bytes())] && bytes.Equal(r.RawIssuer, cert.RawIssuer) && sameKey(r.AuthorityKeyId, cert.AuthorityKeyId)
}
