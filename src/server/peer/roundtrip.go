package peer

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

// maxIdleConns are kept to one member: renewals of leases go to the leader by the dozen.
const maxIdleConns = 64

// RoundTripper sends requests to http and https over TCP, and to unix and unixs, whose host part names a socket file.
type RoundTripper struct {
	tcp, unix *http.Transport
}

// NewRoundTripper returns one for requests of few bytes in either direction. Of the configuration it uses TLS, Dialer,
// DialTimeout and WriteTimeout.
func NewRoundTripper(c Config) *RoundTripper { return newRoundTripper(c.withDefaults(), 0) }

func newRoundTripper(c Config, readTimeout time.Duration) *RoundTripper {
	over := func(network string) *http.Transport {
		dial := func(ctx context.Context, _, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, c.DialTimeout)
			defer cancel()
			conn, err := c.Dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, &unconnectedError{err}
			}
			return &deadlineConn{Conn: conn, read: readTimeout, write: c.WriteTimeout}, nil
		}
		return &http.Transport{
			DialContext: dial,
			DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return c.secure(ctx, conn, address)
			},
			// HTTP/2 would put both streams and the posts on one connection, and etcd does not speak it here.
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
			MaxIdleConnsPerHost: maxIdleConns,
			IdleConnTimeout:     time.Minute,
			ReadBufferSize:      readBufferBytes,
			WriteBufferSize:     readBufferBytes,
		}
	}
	return &RoundTripper{tcp: over("tcp"), unix: over("unix")}
}

// secure makes the TLS handshake of a new connection, with the settings as they are now; it closes the connection if that fails.
func (c Config) secure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("peer: %w", err)
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		settings = c.TLS()
	}
	if settings.ServerName == "" {
		settings = settings.Clone()
		settings.ServerName = host
	}
	ctx, cancel := context.WithTimeout(ctx, c.DialTimeout)
	defer cancel()
	secure := tls.Client(conn, settings)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, &unconnectedError{err}
	}
	return secure, nil
}

// unconnectedError is why there is no connection: nothing of the request that wanted one was written.
type unconnectedError struct{ error }

func (e *unconnectedError) Unwrap() error { return e.error }

// RoundTrip implements http.RoundTripper.
func (r *RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	scheme, over := "http", r.unix
	switch req.URL.Scheme {
	case "unix":
	case "unixs":
		scheme = "https"
	default:
		return r.tcp.RoundTrip(req)
	}
	sent, to := *req, *req.URL // what is given is not changed
	to.Scheme, sent.URL = scheme, &to
	return over.RoundTrip(&sent)
}

// CloseIdleConnections closes those that no request uses; http.Client has a method of this name that calls it.
func (r *RoundTripper) CloseIdleConnections() {
	r.tcp.CloseIdleConnections()
	r.unix.CloseIdleConnections()
}

// deadlineConn gives each read and each write a deadline of its own; 0 = none.
type deadlineConn struct {
	net.Conn
	read, write time.Duration
}

func (c *deadlineConn) Read(b []byte) (int, error) {
	if c.read > 0 {
		if err := c.SetReadDeadline(time.Now().Add(c.read)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

func (c *deadlineConn) Write(b []byte) (int, error) {
	if c.write > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(c.write)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}
