package command

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// tlsConfig returns nil when no flag asks for TLS; endpoints with the scheme https use it all the same, with the roots
// of the system.
func (f *globalFlags) tlsConfig() (*tls.Config, error) {
	if (f.certFile == "") != (f.keyFile == "") {
		return nil, fmt.Errorf("KeyFile and CertFile must both be present[key: %s, cert: %s]", f.keyFile, f.certFile)
	}
	if f.insecureTransport && f.caFile == "" && f.certFile == "" && !f.insecureSkipTLSVerify {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.insecureSkipTLSVerify}
	if f.discoverySRV != "" {
		// The certificates of a discovered cluster vouch for its domain, not for the hosts that DNS answered with.
		cfg.ServerName = f.discoverySRV
	}
	if f.caFile != "" {
		pem, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", f.caFile)
		}
	}
	if f.certFile != "" {
		cert, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg, nil
}
