package embed

import (
	"errors"
	"maps"
	"net"
	"slices"
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

// splitter serves gRPC and HTTP/1 on one port: it looks at the first bytes of a connection and hands it to one of two
// listeners.
type splitter struct {
	net.Listener
	grpc, http *handedListener
	logger     *zap.Logger
	timeout    time.Duration // how long a connection may take over its first bytes
	undecided  chan struct{} // one token per connection that is being looked at
	done       sync.WaitGroup

	mu      sync.Mutex            // guards looking; never held across I/O
	looking map[net.Conn]struct{} // connections that have not said yet what they speak; nil once closed
}

func split(l net.Listener, logger *zap.Logger) *splitter {
	return splitWithin(l, logger, firstBytesTimeout)
}

func splitWithin(l net.Listener, logger *zap.Logger, timeout time.Duration) *splitter {
	s := &splitter{
		Listener:  l,
		grpc:      newHandedListener(l.Addr()),
		http:      newHandedListener(l.Addr()),
		logger:    logger,
		timeout:   timeout,
		undecided: make(chan struct{}, maxUndecided),
		looking:   map[net.Conn]struct{}{},
	}
	s.done.Go(s.run)
	return s
}

// Close ends the listener and every connection that was not handed on; it returns when nothing runs any more.
func (s *splitter) Close() error {
	err := s.Listener.Close()
	s.mu.Lock()
	looking := s.looking
	s.looking = nil
	s.mu.Unlock()
	for conn := range looking {
		_ = conn.Close()
	}
	_ = s.grpc.Close()
	_ = s.http.Close()
	s.done.Wait()
	return err
}

func (s *splitter) run() {
	for {
		s.undecided <- struct{}{}
		conn, err := s.accept()
		if err != nil {
			return
		}
		s.done.Go(func() {
			defer func() { <-s.undecided }()
			s.hand(conn)
		})
	}
}

// accept takes the next connection. Its only error is that the listener was closed.
func (s *splitter) accept() (net.Conn, error) {
	for pause := acceptRetryMin; ; pause = min(2*pause, acceptRetryMax) {
		conn, err := s.Listener.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return conn, err
		}
		s.logger.Warn("failed to accept a client connection, trying again", zap.Stringer("address", s.Addr()), zap.Error(err))
		time.Sleep(pause)
	}
}

// hand reads the first bytes of a connection and gives it to who understands them.
func (s *splitter) hand(conn net.Conn) {
	if !s.look(conn) {
		_ = conn.Close()
		return
	}
	first, ok := firstBytes(conn, s.timeout)
	s.mu.Lock()
	delete(s.looking, conn)
	s.mu.Unlock()
	if !ok {
		_ = conn.Close()
		return
	}
	target := s.http
	if string(first) == http2Preface {
		target = s.grpc
	}
	target.give(&peekedConn{Conn: conn, first: first, owner: target})
}

// look notes a connection, so that Close can end it; false if the splitter is closed already.
func (s *splitter) look(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looking != nil {
		s.looking[conn] = struct{}{}
	}
	return s.looking != nil
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

// peekedConn is a connection whose first bytes were read already.
type peekedConn struct {
	net.Conn
	first []byte
	owner *handedListener
}

// Close implements net.Conn.
func (c *peekedConn) Close() error {
	c.owner.forget(c)
	return c.Conn.Close()
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

	mu   sync.Mutex // guards open; never held across I/O
	open map[net.Conn]struct{}
}

func newHandedListener(addr net.Addr) *handedListener {
	return &handedListener{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{}), open: map[net.Conn]struct{}{}}
}

func (l *handedListener) forget(c net.Conn) {
	l.mu.Lock()
	delete(l.open, c)
	l.mu.Unlock()
}

// cut closes the connections that were accepted and are still open.
func (l *handedListener) cut() {
	l.mu.Lock()
	open := slices.Collect(maps.Keys(l.open))
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
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
		l.mu.Lock()
		l.open[c] = struct{}{}
		l.mu.Unlock()
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
