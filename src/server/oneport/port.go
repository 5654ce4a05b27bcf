// Package oneport lets gRPC and HTTP share a port: in plain text and over TLS, HTTP/1 and HTTP/2.
//
// The first bytes of a connection tell HTTP/1 from HTTP/2. A connection of HTTP/2 is gRPC's at once, since a client of gRPC waits
// for the server to speak, and may then say nothing for hours. Only if its first request is not one of gRPC, the connection is taken
// away and given to HTTP (request.go). So gRPC is served by its own transport, without anything in between.
package oneport

import (
	"errors"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

// http2Preface is how every HTTP/2 connection, and so every gRPC client, begins; four bytes tell it from HTTP/1.
const http2Preface = "PRI "

const (
	// firstBytesTimeout bounds how long a new connection may stay silent, TLS handshake included.
	firstBytesTimeout = 10 * time.Second
	// maxUndecided bounds connections that have not said yet what they speak.
	maxUndecided = 4096
	// acceptRetryMin and acceptRetryMax bound the pause after a connection could not be taken, such as for the lack of a
	// file descriptor: others will be given back.
	acceptRetryMin = 5 * time.Millisecond
	acceptRetryMax = time.Second
)

// Options say what a port speaks.
type Options struct {
	Logger *zap.Logger
	// NoGRPC and NoHTTP leave one of the two out. Who speaks it is cut off.
	NoGRPC, NoHTTP bool

	timeout time.Duration // instead of firstBytesTimeout
}

// Port is a listener whose connections come out of one of two others.
type Port struct {
	// GRPC and HTTP yield connections, for grpc.Server.Serve and for an http.Server that comes from NewHTTPServer.
	GRPC, HTTP *Listener

	net.Listener
	options   Options
	undecided chan struct{} // one token per connection that is being looked at
	done      sync.WaitGroup

	mu      sync.Mutex            // guards looking; never held across I/O
	looking map[net.Conn]struct{} // connections that have not said yet what they speak; nil once closed
}

// New takes the connections of a listener from now on.
func New(l net.Listener, o Options) *Port {
	if o.timeout == 0 {
		o.timeout = firstBytesTimeout
	}
	p := &Port{
		Listener:  l,
		GRPC:      newListener(l.Addr()),
		HTTP:      newListener(l.Addr()),
		options:   o,
		undecided: make(chan struct{}, maxUndecided),
		looking:   map[net.Conn]struct{}{},
	}
	p.done.Go(p.run)
	return p
}

// Close ends the listener and every connection that was not handed on; it returns when nothing runs any more.
func (p *Port) Close() error {
	err := p.Listener.Close()
	p.mu.Lock()
	looking := p.looking
	p.looking = nil
	p.mu.Unlock()
	for conn := range looking {
		_ = conn.Close()
	}
	_ = p.GRPC.Close()
	_ = p.HTTP.Close()
	p.done.Wait()
	return err
}

func (p *Port) run() {
	for {
		p.undecided <- struct{}{}
		conn, err := p.accept()
		if err != nil {
			return
		}
		p.done.Go(func() {
			defer func() { <-p.undecided }()
			p.hand(conn)
		})
	}
}

// accept takes the next connection. Its only error is that the listener was closed.
func (p *Port) accept() (net.Conn, error) {
	for pause := acceptRetryMin; ; pause = min(2*pause, acceptRetryMax) {
		conn, err := p.Listener.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return conn, err
		}
		p.options.Logger.Warn("failed to accept a client connection, trying again", zap.Stringer("address", p.Addr()), zap.Error(err))
		time.Sleep(pause)
	}
}

// hand reads the first bytes of a connection and gives it to who understands them.
func (p *Port) hand(conn net.Conn) {
	if !p.look(conn) {
		_ = conn.Close()
		return
	}
	first, ok := firstBytes(conn, p.options.timeout)
	p.mu.Lock()
	delete(p.looking, conn)
	p.mu.Unlock()
	if !ok {
		_ = conn.Close()
		return
	}
	peeked := &peekedConn{Conn: conn, first: first}
	isHTTP2 := string(first) == http2Preface
	switch {
	case isHTTP2 && !p.options.NoGRPC && !p.options.NoHTTP:
		p.GRPC.give(newUndecidedConn(peeked, p.HTTP))
	case isHTTP2 && !p.options.NoGRPC:
		p.GRPC.give(peeked)
	case !p.options.NoHTTP:
		p.HTTP.give(peeked)
	default:
		_ = conn.Close()
	}
}

// look notes a connection, so that Close can end it; false if the port is closed already.
func (p *Port) look(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.looking != nil {
		p.looking[conn] = struct{}{}
	}
	return p.looking != nil
}

// firstBytes reads as many bytes as it takes to tell HTTP/2 from anything else.
func firstBytes(conn net.Conn, timeout time.Duration) (first []byte, ok bool) {
	_ = conn.SetReadDeadline(time.Now().Add(timeout))
	first = make([]byte, len(http2Preface))
	for n := 0; n < len(first); {
		read, err := conn.Read(first[n:])
		n += read
		if string(first[:n]) != http2Preface[:n] {
			first = first[:n]
			break
		}
		if err != nil {
			return nil, false
		}
	}
	_ = conn.SetReadDeadline(time.Time{})
	return first, true
}
