package command

import (
	"crypto/tls"
	"fmt"

	"quoin.dev/client"
	"quoin.dev/pkg/tlsfiles"
)

// secure puts the TLS flags into the settings of a client. When no flag asks for TLS, endpoints with the scheme https use it all
// the same, with the roots of the system. Files that are replaced while a command runs count for its next connection.
func (f *globalFlags) secure(cfg *client.Config) error {
	if (f.certFile == "") != (f.keyFile == "") {
		return fmt.Errorf("KeyFile and CertFile must both be present[key: %s, cert: %s]", f.keyFile, f.certFile)
	}
	if f.insecureTransport && f.caFile == "" && f.certFile == "" && !f.insecureSkipTLSVerify {
		return nil
	}
	base := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.insecureSkipTLSVerify}
	if f.discoverySRV != "" {
		// The certificates of a discovered cluster vouch for its domain, not for the hosts that DNS answered with.
		base.ServerName = f.discoverySRV
	}
	store, err := tlsfiles.Open(tlsfiles.Options{Files: tlsfiles.Files{Cert: f.certFile, Key: f.keyFile, CA: f.caFile}, Base: base})
	if err != nil {
		return err
	}
	cfg.TLS, cfg.GetTLS = store.Client(), store.Client
	return nil
}
