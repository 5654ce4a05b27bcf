// Package oneport lets gRPC and HTTP share a port: in plain text and over TLS, HTTP/1 and HTTP/2.
//
// The first bytes of a connection tell HTTP/1 from HTTP/2. A connection of HTTP/2 is gRPC's at once, since a client of gRPC waits
// for the server to speak, and may then say nothing for hours. Only if its first request is not one of gRPC, the connection is taken
// away and given to HTTP (request.go). So gRPC is served by its own transport, without anything in between.
package oneport

import (
	"net"
	"sync"
	"time"

	"go.uber.org/zap"

	"quoin.dev/server/gate"
)

// http2Preface is how every HTTP/2 connection, and so every gRPC client, begins; four bytes tell it from HTTP/1.
const http2Preface = "PRI "

const (
	// firstBytesTimeout bounds how long a new connection may take to show what it speaks.
	firstBytesTimeout = 10 * time.Second
	// maxUndecided bounds connections that have not said yet what they speak.
	maxUndecided = 1024
)

// Options say what a port speaks.
type Options struct {
	Logger *zap.Logger
	// NoGRPC and NoHTTP leave one of the two out. Who speaks it is cut off.
	NoGRPC, NoHTTP bool

	timeout time.Duration // instead of firstBytesTimeout
	max     int           // instead of maxUndecided
}

// Port is a listener whose connections come out of one of two others.
type Port struct {
	// GRPC and HTTP yield connections, for grpc.Server.Serve and for an http.Server that comes from NewHTTPServer.
	GRPC, HTTP *Listener

	net.Listener
	options   Options
	undecided *gate.Room // connections that have not said yet what they speak
	done      sync.WaitGroup
}

// New takes the connections of a listener from now on. The listener's Accept must fail only when it is closed, as that of a
// gate.Gate does.
func New(l net.Listener, o Options) *Port {
	if o.timeout == 0 {
		o.timeout = firstBytesTimeout
	}
	if o.max == 0 {
		o.max = maxUndecided
	}
	p := &Port{
		Listener:  l,
		GRPC:      newListener(l.Addr()),
		HTTP:      newListener(l.Addr()),
		options:   o,
		undecided: gate.NewRoom(o.max, o.Logger),
	}
	p.done.Go(p.run)
	return p
}

// Close ends the listener and every connection that was not handed on; it returns when nothing runs any more.
func (p *Port) Close() error {
	err := p.Listener.Close()
	p.undecided.Close()
	_ = p.GRPC.Close()
	_ = p.HTTP.Close()
	p.done.Wait()
	return err
}

func (p *Port) run() {
	for {
		conn, err := p.Accept()
		if err != nil {
			return
		}
		leave, ok := p.undecided.Enter(conn)
		if !ok {
			_ = conn.Close()
			return
		}
		p.done.Go(func() {
			defer leave()
			p.hand(conn)
		})
	}
}

// hand reads the first bytes of a connection and gives it to who understands them.
func (p *Port) hand(conn net.Conn) {
	first, ok := firstBytes(conn, p.options.timeout)
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
