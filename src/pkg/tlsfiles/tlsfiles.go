// Package tlsfiles makes TLS settings from files, and follows the files when they are replaced.
//
// Every new connection looks at the files first, so that no restart and no signal is needed. A file that can not be used,
// such as a key that does not belong to the certificate yet, is reported, and what was there before stays in force.
package tlsfiles

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Files are the paths of one side of connections. Each may be empty.
type Files struct {
	// Cert and Key are what this side shows: a chain, its own certificate first, and the key to that, both PEM.
	Cert, Key string
	// CA are the certificates of those who vouch for the other side, PEM. Empty: those that the system trusts.
	CA string
	// CRL are lists of revoked certificates of the other side: PEM, or a single one in DER.
	CRL string
}

// Options of a Store. All may be left out.
type Options struct {
	Files
	// Base has the settings that are not from files. Its VerifyConnection is called when all else is in order.
	Base *tls.Config
	// VerifyAddress, if set, judges a verified client by where it comes from; ctx ends with the handshake.
	VerifyAddress func(ctx context.Context, from net.Addr, state tls.ConnectionState) error
	// Trouble is told of each change of the files that could not be followed, once.
	Trouble func(error)
}

// Store holds what the files said when they were last looked at. All methods may be called from many goroutines.
type Store struct {
	o     Options
	leaf  *followed[*tls.Certificate] // nil: none
	trust *followed[*trust]
}

// Open reads the files, all of which must be in order.
func Open(o Options) (*Store, error) {
	if (o.Cert == "") != (o.Key == "") {
		return nil, fmt.Errorf("tlsfiles: a certificate needs its key, and a key its certificate (certificate: %q, key: %q)", o.Cert, o.Key)
	}
	if o.Base == nil {
		o.Base = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if o.Trouble == nil {
		o.Trouble = func(error) {}
	}
	s := &Store{o: o}
	if o.Cert != "" {
		s.leaf = follow([]string{o.Cert, o.Key}, parsePair, o.Trouble)
		if err := s.leaf.first(); err != nil {
			return nil, err
		}
	}
	s.trust = follow([]string{o.CA, o.CRL}, parseTrust, o.Trouble)
	return s, s.trust.first()
}

// Server returns settings for listeners, which look at the files with each handshake. There are no session tickets: a client
// that resumes a session would not show its certificate again.
func (s *Store) Server() *tls.Config {
	c := s.o.Base.Clone()
	c.SessionTicketsDisabled = true
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if s.leaf == nil {
			return nil, errors.New("tlsfiles: no certificate to show")
		}
		trust := s.trust.get()
		c := s.o.Base.Clone()
		c.SessionTicketsDisabled = true
		c.Certificates = []tls.Certificate{*s.leaf.get()}
		c.ClientCAs = trust.pool
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if err := s.verify(trust, state); err != nil {
				return err
			}
			if s.o.VerifyAddress != nil && len(state.VerifiedChains) > 0 {
				return s.o.VerifyAddress(hello.Context(), hello.Conn.RemoteAddr(), state)
			}
			return nil
		}
		return c, nil
	}
	return c
}

// Client returns settings for one connection that is about to be made, as the files are now. The caller sets ServerName.
func (s *Store) Client() *tls.Config {
	c := s.o.Base.Clone()
	if s.leaf != nil {
		leaf := s.leaf.get()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return leaf, nil }
	}
	trust := s.trust.get()
	c.RootCAs = trust.pool
	c.VerifyConnection = func(state tls.ConnectionState) error { return s.verify(trust, state) }
	return c
}

func (s *Store) verify(t *trust, state tls.ConnectionState) error {
	if err := t.check(state.VerifiedChains); err != nil {
		return err
	}
	if s.o.Base.VerifyConnection != nil {
		return s.o.Base.VerifyConnection(state)
	}
	return nil
}

// Kinds of what has an end.
const (
	KindCertificate    = "certificate"
	KindAuthority      = "authority"
	KindRevocationList = "revocation-list"
)

// Expiry is when something in a file ends to be valid, or, for a revocation list, when the next one is due.
type Expiry struct {
	File    string
	Kind    string // one of the constants above
	Subject string // of the certificate, or the issuer of the list
	At      time.Time
}

// Expiries lists all that was read, in the order of the files.
func (s *Store) Expiries() []Expiry {
	var all []Expiry
	if s.leaf != nil {
		leaf := s.leaf.get().Leaf
		all = append(all, Expiry{s.o.Cert, KindCertificate, leaf.Subject.String(), leaf.NotAfter})
	}
	trust := s.trust.get()
	for _, ca := range trust.authorities {
		all = append(all, Expiry{s.o.CA, KindAuthority, ca.Subject.String(), ca.NotAfter})
	}
	for _, list := range trust.lists {
		if !list.NextUpdate.IsZero() {
			all = append(all, Expiry{s.o.CRL, KindRevocationList, list.Issuer.String(), list.NextUpdate})
		}
	}
	return all
}
