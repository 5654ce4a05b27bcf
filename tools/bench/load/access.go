package load

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
)

// Access is how a server lets clients in. The zero value is without TLS and without a name.
type Access struct {
	// Cert and Key are PEM files of a certificate that both sides show; it vouches for itself.
	Cert, Key string `json:",omitempty"`
	Token     string `json:",omitempty"` // sent with each request
}

// TLS are the settings of a client, nil without TLS.
func (a Access) TLS() (*tls.Config, error) {
	if a.Cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(a.Cert, a.Key)
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(a.Cert)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("no certificate in " + a.Cert)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13}, nil
}

// dialServer opens a connection on which HTTP/2 can begin.
func dialServer(address string, secure *tls.Config) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	if secure == nil {
		return d.Dial("tcp", address)
	}
	return tls.DialWithDialer(&d, "tcp", address, secure)
}
