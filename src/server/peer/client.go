package peer

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// client sends requests to other members. Streams have connections of their own: on theirs each read has a deadline,
// which the link heartbeats meet; on the others only writes have, since an answer may wait for raft or for a disk.
type client struct {
	*identity
	streams *schemes
	posts   *schemes
}

func newClient(id *identity, c Config) *client {
	return &client{
		identity: id,
		streams:  newSchemes(c, c.ReadTimeout),
		posts:    newSchemes(c, 0),
	}
}

// request builds a signed request for the member at base.
func (c *client) request(ctx context.Context, method string, base *url.URL, path string, body io.Reader) *http.Request {
	u := *base
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		panic(fmt.Sprintf("peer: no request could be built for the checked URL %q: %v", u.String(), err))
	}
	c.sign(req.Header)
	return req
}

func (c *client) closeIdle() {
	c.streams.CloseIdleConnections()
	c.posts.CloseIdleConnections()
}

// schemes is a round tripper for http and https over TCP, and for unix and unixs, whose host part names a socket file.
type schemes struct {
	tcp, unix *http.Transport
}

func newSchemes(c Config, readTimeout time.Duration) *schemes {
	over := func(network string) *http.Transport {
		return &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				ctx, cancel := context.WithTimeout(ctx, c.DialTimeout)
				defer cancel()
				conn, err := c.Dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return &deadlineConn{Conn: conn, read: readTimeout, write: c.WriteTimeout}, nil
			},
			TLSClientConfig:     c.TLS.Clone(),
			TLSHandshakeTimeout: c.DialTimeout,
			// HTTP/2 would put both streams and the posts on one connection, and etcd does not speak it here.
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
			MaxIdleConnsPerHost: pipelineWorkers + 1,
			IdleConnTimeout:     time.Minute,
			ReadBufferSize:      readBufferBytes,
			WriteBufferSize:     readBufferBytes,
		}
	}
	return &schemes{tcp: over("tcp"), unix: over("unix")}
}

// NewRoundTripper returns what sends other requests to members, at any URL that a member may have. conns is how many idle connections
// are kept to each, and idle for how long.
func NewRoundTripper(secure *tls.Config, conns int, idle time.Duration) http.RoundTripper {
	over := func(network string) *http.Transport {
		return &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			},
			TLSClientConfig:     secure,
			MaxIdleConnsPerHost: conns,
			IdleConnTimeout:     idle,
		}
	}
	return &schemes{tcp: over("tcp"), unix: over("unix")}
}

// RoundTrip implements http.RoundTripper.
func (s *schemes) RoundTrip(req *http.Request) (*http.Response, error) {
	scheme, over := "http", s.unix
	switch req.URL.Scheme {
	case "unix":
	case "unixs":
		scheme = "https"
	default:
		return s.tcp.RoundTrip(req)
	}
	sent, to := *req, *req.URL // what is given is not changed
	to.Scheme, sent.URL = scheme, &to
	return over.RoundTrip(&sent)
}

// CloseIdleConnections is for http.Client.
func (s *schemes) CloseIdleConnections() {
	s.tcp.CloseIdleConnections()
	s.unix.CloseIdleConnections()
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

// refusal turns an answer that is not the wanted one into an error; it reads and closes the body.
func refusal(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxReplyBytes))
	res.Body.Close()
	return &refusedError{code: res.StatusCode, text: strings.TrimSpace(string(text))}
}

// refusedError is an answer other than success.
type refusedError struct {
	code int
	text string
}

func (e *refusedError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("answered %d %s", e.code, http.StatusText(e.code))
	}
	return fmt.Sprintf("answered %d: %s", e.code, e.text)
}
