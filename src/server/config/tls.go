package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// maxSelfSignedYears keeps the end of a certificate within what its format can say.
const maxSelfSignedYears = 1000

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
	if low == tls.VersionTLS13 && len(s.CipherSuites) > 0 {
		return errors.New("cipher suites cannot be configured when only TLS1.3 is enabled")
	}
	if _, err := s.cipherSuites(); err != nil {
		return err
	}
	if (s.ClientTLS.Auto || s.PeerTLS.Auto) && (s.SelfSignedCertValidity == 0 || s.SelfSignedCertValidity > maxSelfSignedYears) {
		return fmt.Errorf("--self-signed-cert-validity must be between 1 and %d years (set to %d)", maxSelfSignedYears, s.SelfSignedCertValidity)
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

// TLSBase has what the settings say about versions and cipher suites.
func (s Security) TLSBase() (*tls.Config, error) {
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
