package oneport

import (
	"crypto/tls"
	"maps"
	"net"
	"slices"
	"sync"
)

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

func (c *peekedConn) tlsState() *tls.ConnectionState { return stateOf(c.Conn) }

// ownedConn is a connection that a Listener remembers until it is closed.
type ownedConn struct {
	net.Conn
	owner *Listener
}

// Close implements net.Conn.
func (c *ownedConn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.open, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

func (c *ownedConn) tlsState() *tls.ConnectionState { return stateOf(c.Conn) }

// Listener is a net.Listener that is given its connections.
type Listener struct {
	addr      net.Addr
	conns     chan net.Conn
	closeOnce sync.Once
	closed    chan struct{}

	mu   sync.Mutex // guards open; never held across I/O
	open map[net.Conn]struct{}
}

func newListener(addr net.Addr) *Listener {
	return &Listener{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{}), open: map[net.Conn]struct{}{}}
}

// Cut closes the connections that were accepted and are still open.
func (l *Listener) Cut() {
	l.mu.Lock()
	open := slices.Collect(maps.Keys(l.open))
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

func (l *Listener) give(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		owned := &ownedConn{Conn: c, owner: l}
		l.mu.Lock()
		l.open[owned] = struct{}{}
		l.mu.Unlock()
		return owned, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.addr }
