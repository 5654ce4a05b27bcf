package config

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"

	"quoin.dev/pkg/tlsfiles"
)

// validate refuses a discovery cluster that could not be asked. Only what is used is looked at.
func (d Discovery) validate() error {
	if (d.Token == "") != (len(d.Endpoints) == 0) {
		return errors.New("both --discovery-token and --discovery-endpoints must be set")
	}
	if len(d.Endpoints) == 0 {
		return nil
	}
	if slices.Contains(d.Endpoints, "") {
		return errors.New("--discovery-endpoints must not contain empty endpoints")
	}
	if d.DialTimeout <= 0 || d.RequestTimeout <= 0 {
		return errors.New("--discovery-dial-timeout and --discovery-request-timeout must be >0")
	}
	if d.MaxRequestBytes < 0 || d.MaxRecvBytes < 0 {
		return errors.New("discovery-config.client: max-request-bytes and max-recv-bytes must not be negative")
	}
	if (d.CertFile == "") != (d.KeyFile == "") {
		return errors.New("--discovery-cert and --discovery-key must both be set")
	}
	if user, password := d.Credentials(); (user == "") != (password == "") {
		return errors.New(`--discovery-user needs --discovery-password, or has the form "name:password"`)
	}
	return nil
}

// Credentials are the user and the password in the discovery cluster; empty for none.
func (d Discovery) Credentials() (user, password string) {
	if d.Password == "" {
		user, password, _ = strings.Cut(d.User, ":")
		return user, password
	}
	return d.User, d.Password
}

// TLS is how the discovery cluster is called: nil when no flag asks for TLS. Endpoints with the scheme https use it all the
// same, with the roots of the system.
func (d Discovery) TLS() (*tls.Config, error) {
	if d.InsecureTransport && d.CAFile == "" && d.CertFile == "" && d.ServerName == "" && !d.InsecureSkipTLSVerify {
		return nil, nil
	}
	store, err := tlsfiles.Open(tlsfiles.Options{
		Files: tlsfiles.Files{Cert: d.CertFile, Key: d.KeyFile, CA: d.CAFile},
		Base:  &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: d.InsecureSkipTLSVerify, ServerName: d.ServerName},
	})
	if err != nil {
		return nil, err
	}
	return store.Client(), nil
}
