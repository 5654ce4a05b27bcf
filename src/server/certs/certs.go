// Package certs has the certificates of a member: those that it is given and those that it makes itself, the rules about who
// may connect with which, and when they end.
package certs

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"

	"go.uber.org/zap"

	"quoin.dev/pkg/tlsfiles"

	"quoin.dev/server/config"
)

// Certs are the TLS settings of one member. They follow the files they are made from.
type Certs struct {
	log          *zap.Logger
	client, peer *side           // nil: no certificate, no TLS
	dialer       *tlsfiles.Store // nil: other members are called with Go's defaults
	own          []*selfSigned   // what this member made itself
}

// side is a kind of port.
type side struct {
	files config.TLSFiles
	store *tlsfiles.Store
}

// Open reads the files of a configuration that is valid, and makes those that it asks for.
func Open(cfg *config.Config, logger *zap.Logger) (*Certs, error) {
	c := &Certs{log: logger}
	s := cfg.Security
	if err := c.open(cfg, &c.peer, "peer", s.PeerTLS, cfg.ListenPeerURLs, cfg.Cluster.InitialAdvertisePeerURLs); err != nil {
		return nil, fmt.Errorf("certificates of the peer port: %w", err)
	}
	clientURLs := slices.Concat(cfg.ListenClientURLs, cfg.ListenClientHTTPURLs, cfg.ListenMetricsURLs)
	if err := c.open(cfg, &c.client, "client", s.ClientTLS, clientURLs, cfg.Cluster.AdvertiseClientURLs); err != nil {
		return nil, fmt.Errorf("certificates of the client port: %w", err)
	}
	if err := c.openDialer(s); err != nil {
		return nil, fmt.Errorf("certificates shown to other members: %w", err)
	}
	return c, nil
}

// open reads the certificates of the port that is called name, which listens on and is found at these URLs.
func (c *Certs) open(cfg *config.Config, to **side, name string, f config.TLSFiles, listen, advertised []url.URL) error {
	if f.Auto && !f.Empty() {
		c.log.Warn("ignoring " + name + " auto TLS since certs given")
	}
	if f.Auto && f.Empty() {
		years := cfg.Security.SelfSignedCertValidity
		own := newSelfSigned(filepath.Join(cfg.DataDir, "fixtures", name), slices.Concat(listen, advertised), years, c.log)
		if err := own.keep(); err != nil {
			return err
		}
		c.own = append(c.own, own)
		f.CertFile, f.KeyFile = own.cert(), own.key()
	}
	c.noteIgnored(name, f, listen)
	if f.Empty() {
		return nil
	}
	o, err := portOptions(cfg.Security, name, f)
	if err != nil {
		return err
	}
	o.Trouble = c.trouble(name + " port")
	store, err := tlsfiles.Open(o)
	if err != nil {
		return err
	}
	c.log.Info("starting with "+name+" TLS", zap.String("tls-info", info(f)), zap.Strings("cipher-suites", cfg.Security.CipherSuites))
	c.noteReadable(f.KeyFile)
	*to = &side{f, store}
	return nil
}

// openDialer reads what this member shows to others, and who vouches for them.
func (c *Certs) openDialer(s config.Security) error {
	f := s.PeerTLS
	made := c.peer != nil && f.Empty()
	if made {
		f.CertFile, f.KeyFile = c.peer.files.CertFile, c.peer.files.KeyFile
	}
	if f.Empty() && f.ClientCertFile == "" && f.TrustedCAFile == "" {
		return nil
	}
	o, err := dialerOptions(s, f)
	if err != nil {
		return err
	}
	// Nobody vouches for certificates that members make themselves: they keep out who only listens, as with etcd.
	o.Base.InsecureSkipVerify = made && f.TrustedCAFile == ""
	o.Trouble = c.trouble("calls to other members")
	if f.ClientKeyFile != "" {
		c.noteReadable(f.ClientKeyFile)
	}
	c.dialer, err = tlsfiles.Open(o)
	return err
}

// Check opens the files of a configuration that is valid, and makes none. It returns what is wrong with those of either port.
func Check(s config.Security) (client, peer error) {
	attempt := func(o tlsfiles.Options, err error) error {
		if err == nil {
			_, err = tlsfiles.Open(o)
		}
		return err
	}
	if !s.ClientTLS.Empty() {
		client = attempt(portOptions(s, "client", s.ClientTLS))
	}
	if !s.PeerTLS.Empty() {
		peer = attempt(portOptions(s, "peer", s.PeerTLS))
	}
	if peer == nil {
		peer = attempt(dialerOptions(s, s.PeerTLS))
	}
	return client, peer
}

// portOptions says how a port is secured with the certificates of f.
func portOptions(s config.Security, name string, f config.TLSFiles) (tlsfiles.Options, error) {
	base, err := s.TLSBase()
	if err != nil {
		return tlsfiles.Options{}, err
	}
	base.NextProtos = []string{"http/1.1"}
	if name == "client" {
		base.NextProtos = []string{"h2", "http/1.1"}
	}
	if f.TrustedCAFile != "" || f.ClientCertAuth || len(f.AllowedCNs) > 0 || len(f.AllowedHostnames) > 0 {
		base.ClientAuth = tls.RequireAndVerifyClientCert
	}
	base.VerifyConnection = namesAllowed(f)
	o := tlsfiles.Options{
		Files: tlsfiles.Files{Cert: f.CertFile, Key: f.KeyFile, CA: f.TrustedCAFile, CRL: f.CRLFile},
		Base:  base,
	}
	if name == "peer" && !f.SkipClientSANVerify {
		o.VerifyAddress = addressCheck{net.DefaultResolver}.verify
	}
	return o, nil
}

// dialerOptions says what is shown to other members.
func dialerOptions(s config.Security, f config.TLSFiles) (tlsfiles.Options, error) {
	base, err := s.TLSBase()
	if err != nil {
		return tlsfiles.Options{}, err
	}
	o := tlsfiles.Options{
		Files: tlsfiles.Files{Cert: f.ClientCertFile, Key: f.ClientKeyFile, CA: f.TrustedCAFile, CRL: f.CRLFile},
		Base:  base,
	}
	if o.Cert == "" {
		o.Cert, o.Key = f.CertFile, f.KeyFile
	}
	return o, nil
}

// trouble logs that files of a use could not be followed.
func (c *Certs) trouble(use string) func(error) {
	return func(err error) {
		c.log.Warn("the new TLS files can not be used, the former ones stay in force", zap.String("use", use), zap.Error(err))
	}
}

// Client is the TLS of the ports for clients; nil without a certificate.
func (c *Certs) Client() *tls.Config { return c.client.settings() }

// Peer is the TLS of the port for other members; nil without a certificate.
func (c *Certs) Peer() *tls.Config { return c.peer.settings() }

func (s *side) settings() *tls.Config {
	if s == nil {
		return nil
	}
	return s.store.Server()
}

// Dialer returns the settings of a connection to another member that is about to be made; nil for Go's defaults.
func (c *Certs) Dialer() *tls.Config {
	if c.dialer == nil {
		return nil
	}
	return c.dialer.Client()
}

// Expiry is the end of something that one or more ports use.
type Expiry struct {
	tlsfiles.Expiry
	Use string // client or peer
}

// Expiries lists everything that ends; what the peer port shows and what other members are shown may be one file.
func (c *Certs) Expiries() []Expiry {
	var all []Expiry
	add := func(use string, store *tlsfiles.Store) {
		for _, e := range store.Expiries() {
			if next := (Expiry{e, use}); !slices.Contains(all, next) {
				all = append(all, next)
			}
		}
	}
	if c.client != nil {
		add("client", c.client.store)
	}
	if c.peer != nil {
		add("peer", c.peer.store)
	}
	if c.dialer != nil {
		add("peer", c.dialer)
	}
	return all
}
