package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
)

// TLSFiles are the certificates of one port and the rules about those who connect to it.
type TLSFiles struct {
	CertFile, KeyFile             string
	ClientCertFile, ClientKeyFile string // shown when this member connects; empty: CertFile and KeyFile
	TrustedCAFile                 string
	CRLFile                       string
	AllowedCNs                    []string
	AllowedHostnames              []string
	ClientCertAuth                bool
	SkipClientSANVerify           bool
	Auto                          bool
}

// Empty tells whether no certificate is configured.
func (f TLSFiles) Empty() bool { return f.CertFile == "" && f.KeyFile == "" }

func (f TLSFiles) check(certFlag, keyFlag string) error {
	if (f.CertFile == "") != (f.KeyFile == "") {
		return fmt.Errorf("--%s and --%s must both be given [key: %s, cert: %s]", keyFlag, certFlag, f.KeyFile, f.CertFile)
	}
	if (f.ClientCertFile == "") != (f.ClientKeyFile == "") {
		return fmt.Errorf("client certificate and key must both be given [key: %s, cert: %s]", f.ClientKeyFile, f.ClientCertFile)
	}
	return nil
}

func (s Security) validate() error {
	low, err := tlsVersion(s.TLSMinVersion)
	if err != nil {
		return err
	}
	high, err := tlsVersion(s.TLSMaxVersion)
	if err != nil {
		return err
	}
	if high != 0 && low > high {
		return fmt.Errorf("min version (%s) is greater than max version (%s)", s.TLSMinVersion, s.TLSMaxVersion)
	}
	if _, err := s.cipherSuites(); err != nil {
		return err
	}
	if err := s.ClientTLS.check("cert-file", "key-file"); err != nil {
		return err
	}
	return s.PeerTLS.check("peer-cert-file", "peer-key-file")
}

// validateTLSNeeded wants a certificate for every URL that promises TLS.
func (c *Config) validateTLSNeeded() error {
	for _, p := range []struct {
		urls  []url.URL
		tls   TLSFiles
		flags string
		what  string
	}{
		{c.ListenClientURLs, c.Security.ClientTLS, "--cert-file, --key-file", "client url"},
		{c.ListenClientHTTPURLs, c.Security.ClientTLS, "--cert-file, --key-file", "client url"},
		{c.ListenMetricsURLs, c.Security.ClientTLS, "--cert-file, --key-file", "metrics url"},
		{c.ListenPeerURLs, c.Security.PeerTLS, "--peer-cert-file, --peer-key-file", "peer url"},
	} {
		for _, u := range p.urls {
			if secure(u) && p.tls.Empty() && !p.tls.Auto {
				return fmt.Errorf("TLS key/cert (%s) must be provided for %s %s with HTTPS scheme", p.flags, p.what, u.String())
			}
		}
	}
	return nil
}

func secure(u url.URL) bool { return u.Scheme == "https" || u.Scheme == "unixs" }

// ClientListener is the TLS of the client port; nil without a certificate.
func (s Security) ClientListener() (*tls.Config, error) {
	return s.listener(s.ClientTLS, []string{"h2", "http/1.1"})
}

// PeerListener is the TLS of the peer port; nil without a certificate.
func (s Security) PeerListener() (*tls.Config, error) {
	return s.listener(s.PeerTLS, []string{"http/1.1"})
}

// PeerDialer is the TLS with which this member connects to other members; nil when nothing about it is configured.
func (s Security) PeerDialer() (*tls.Config, error) {
	f := s.PeerTLS
	if f.Empty() && f.ClientCertFile == "" && f.TrustedCAFile == "" {
		return nil, nil
	}
	return s.dialer(f)
}

func (s Security) base() (*tls.Config, error) {
	low, err := tlsVersion(s.TLSMinVersion)
	if err != nil {
		return nil, err
	}
	if low == 0 {
		low = tls.VersionTLS12
	}
	high, err := tlsVersion(s.TLSMaxVersion)
	if err != nil {
		return nil, err
	}
	suites, err := s.cipherSuites()
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: low, MaxVersion: high, CipherSuites: suites}, nil
}

func (s Security) listener(f TLSFiles, protocols []string) (*tls.Config, error) {
	if f.Empty() {
		return nil, nil
	}
	c, err := s.base()
	if err != nil {
		return nil, err
	}
	if _, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile); err != nil {
		return nil, err
	}
	// The files are read again at every handshake, so that renewed certificates need no restart.
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		return &pair, err
	}
	c.NextProtos = protocols
	if f.TrustedCAFile != "" {
		if c.ClientCAs, err = loadCAs(f.TrustedCAFile); err != nil {
			return nil, err
		}
	}
	if f.TrustedCAFile != "" || f.ClientCertAuth {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if len(f.AllowedCNs) > 0 || len(f.AllowedHostnames) > 0 {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.VerifyConnection = f.verifyName
	}
	return c, nil
}

func (s Security) dialer(f TLSFiles) (*tls.Config, error) {
	c, err := s.base()
	if err != nil {
		return nil, err
	}
	cert, key := f.ClientCertFile, f.ClientKeyFile
	if cert == "" {
		cert, key = f.CertFile, f.KeyFile
	}
	if cert != "" {
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cert, key)
			return &pair, err
		}
	}
	if f.TrustedCAFile != "" {
		if c.RootCAs, err = loadCAs(f.TrustedCAFile); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// verifyName lets a verified certificate pass when it carries one of the allowed names. Both lists at once: the
// certificate must satisfy each.
func (f TLSFiles) verifyName(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("client authentication failed: no certificate")
	}
	leaf := state.PeerCertificates[0]
	if len(f.AllowedCNs) > 0 && !slices.Contains(f.AllowedCNs, leaf.Subject.CommonName) {
		return errors.New("client certificate authentication failed: common name is not allowed")
	}
	if len(f.AllowedHostnames) > 0 {
		carries := func(name string) bool { return leaf.VerifyHostname(name) == nil }
		if !slices.ContainsFunc(f.AllowedHostnames, carries) {
			return errors.New("client certificate authentication failed: host name is not allowed")
		}
	}
	return nil
}

func loadCAs(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return pool, nil
}

func tlsVersion(s string) (uint16, error) {
	switch s {
	case "":
		return 0, nil
	case "TLS1.2":
		return tls.VersionTLS12, nil
	case "TLS1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("unexpected TLS version %q (must be one of: TLS1.2, TLS1.3)", s)
}

// cipherSuites looks the names up among Go's secure suites. The others are refused: there is no reason left to speak
// them (GHSA-5x4g-q5rc-36jp).
func (s Security) cipherSuites() ([]uint16, error) {
	var ids []uint16
	for _, name := range s.CipherSuites {
		i := slices.IndexFunc(tls.CipherSuites(), func(c *tls.CipherSuite) bool { return strings.EqualFold(c.Name, name) })
		if i >= 0 {
			ids = append(ids, tls.CipherSuites()[i].ID)
			continue
		}
		if slices.ContainsFunc(tls.InsecureCipherSuites(), func(c *tls.CipherSuite) bool { return strings.EqualFold(c.Name, name) }) {
			return nil, fmt.Errorf("TLS cipher suite %q is insecure and not offered", name)
		}
		return nil, fmt.Errorf("unexpected TLS cipher suite %q", name)
	}
	return ids, nil
}
