package embed

import (
	"net"
	"sync"
	"time"
)

// http2Preface is how every HTTP/2 connection, and so every gRPC client, begins; four bytes tell it from HTTP/1.
const http2Preface = "PRI "

const (
	// firstBytesTimeout bounds how long a new connection may stay silent, TLS handshake included.
	firstBytesTimeout = 10 * time.Second
	// maxUndecided bounds connections that have not said yet what they speak.
	maxUndecided = 4096
)

// splitter serves gRPC and HTTP/1 on one port: it looks at the first bytes of a connection and hands it to one of two
// listeners.
type splitter struct {
	net.Listener
	grpc, http *handedListener
	undecided  chan struct{} // one token per connection that is being looked at
	done       sync.WaitGroup
}

func split(l net.Listener) *splitter {
	s := &splitter{
		Listener:  l,
		grpc:      newHandedListener(l.Addr()),
		http:      newHandedListener(l.Addr()),
		undecided: make(chan struct{}, maxUndecided),
	}
	s.done.Go(s.run)
	return s
}

func (s *splitter) run() {
	for {
		s.undecided <- struct{}{}
		conn, err := s.Listener.Accept()
		if err != nil {
			_ = s.grpc.Close()
			_ = s.http.Close()
			return
		}
		s.done.Go(func() {
			defer func() { <-s.undecided }()
			s.hand(conn)
		})
	}
}

// hand reads the first bytes of a connection and gives it to who understands them.
func (s *splitter) hand(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(firstBytesTimeout))
	first := make([]byte, len(http2Preface))
	n := 0
	for n < len(first) {
		read, err := conn.Read(first[n:])
		n += read
		if err != nil {
			_ = conn.Close()
			return
		}
		if string(first[:n]) != http2Preface[:n] {
			break
		}
	}
	_ = conn.SetReadDeadline(time.Time{})
	target := s.http
	if string(first[:n]) == http2Preface {
		target = s.grpc
	}
	target.give(&peekedConn{Conn: conn, first: first[:n]})
}

// peekedConn is a connection whose first bytes were read already.
type peekedConn struct {
	net.Conn
	first []byte
}

// Read returns the first bytes again, then goes on with the connection.
func (c *peekedConn) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// handedListener is a net.Listener that is given its connections.
type handedListener struct {
	addr      net.Addr
	conns     chan net.Conn
	closeOnce sync.Once
	closed    chan struct{}
}

func newHandedListener(addr net.Addr) *handedListener {
	return &handedListener{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *handedListener) give(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (l *handedListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *handedListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *handedListener) Addr() net.Addr { return l.addr }
