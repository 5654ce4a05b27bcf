// Package gate lets connections in: those who do not speak, or not as they must, get no further than here.
//
// A connection is handed on when its TLS handshake is done or, where TLS is not asked for, when its first byte is there.
// That has a deadline, and only so many may be on their way at a time.
package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// defaultTimeout is that of etcd's client port.
	defaultTimeout = 10 * time.Second
	// defaultMaxWaiting is far more than members or clients of one cluster begin at once.
	defaultMaxWaiting = 1024
	// acceptRetryMin and acceptRetryMax bound the pause after a connection could not be taken, such as for the lack of a
	// file descriptor: others will be given back.
	acceptRetryMin = 5 * time.Millisecond
	acceptRetryMax = time.Second
	// Of the lines about refused connections in one second the first logFirst are written, then one of logThereafter:
	// whoever knocks must not fill the disk.
	logFirst, logThereafter = 100, 1000
	// lingerTimeout and lingerBytes bound how long, and for how much, a refused client is listened to, so that it hears why.
	lingerTimeout = time.Second
	lingerBytes   = 64 << 10
	// recordHandshake is the first byte of a TLS handshake; no request begins so.
	recordHandshake = 0x16
)

// Options of a Gate.
type Options struct {
	// Endpoint is what the log calls the port: client or peer.
	Endpoint string
	// TLS are the settings of handshakes; nil: all connections are plain.
	TLS *tls.Config
	// Plain lets plain connections in beside those with TLS.
	Plain bool
	// Timeout is how long a connection may take to get through; 0 = 10 s.
	Timeout time.Duration
	// MaxWaiting is how many may be on their way; 0 = 1024.
	MaxWaiting int
	// Logger may be nil.
	Logger *zap.Logger
}

// Gate is a net.Listener in front of another. Connections with TLS come out as *tls.Conn, their handshake complete.
type Gate struct {
	net.Listener
	o       Options
	log     *zap.Logger
	room    *Room
	through chan net.Conn
	closed  chan struct{}
	close   sync.Once
	done    sync.WaitGroup
}

// New puts a gate in front of l, which is closed with it.
func New(l net.Listener, o Options) *Gate {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxWaiting == 0 {
		o.MaxWaiting = defaultMaxWaiting
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	log := o.Logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Second, logFirst, logThereafter)
	}))
	g := &Gate{Listener: l, o: o, log: log, through: make(chan net.Conn), closed: make(chan struct{})}
	g.room = NewRoom(o.MaxWaiting, log.With(zap.String("endpoint", o.Endpoint), zap.Stringer("address", l.Addr())))
	g.done.Go(g.run)
	return g
}

// Accept implements net.Listener. Its only error is net.ErrClosed.
func (g *Gate) Accept() (net.Conn, error) {
	select {
	case conn := <-g.through:
		return conn, nil
	case <-g.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener and every connection that was not handed on; it returns when nothing runs any more.
func (g *Gate) Close() error {
	err := g.Listener.Close()
	g.close.Do(func() { close(g.closed) })
	g.room.Close()
	g.done.Wait()
	return err
}

func (g *Gate) run() {
	for {
		conn, err := g.accept()
		if err != nil {
			return
		}
		leave, ok := g.room.Enter(conn)
		if !ok {
			_ = conn.Close()
			return
		}
		g.done.Go(func() {
			defer leave()
			g.let(conn)
		})
	}
}

// accept takes the next connection. Its only error is that the listener was closed.
func (g *Gate) accept() (net.Conn, error) {
	for pause := acceptRetryMin; ; pause = min(2*pause, acceptRetryMax) {
		conn, err := g.Listener.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return conn, err
		}
		g.log.Warn("failed to accept a connection, trying again",
			zap.String("endpoint", g.o.Endpoint), zap.Stringer("address", g.Addr()), zap.Error(err))
		select {
		case <-time.After(pause):
		case <-g.closed:
		}
	}
}

// let brings one connection through, or ends it.
func (g *Gate) let(conn net.Conn) {
	admitted, err := g.admit(conn)
	if err == nil {
		select {
		case g.through <- admitted:
			return
		case <-g.closed:
		}
	}
	_ = conn.Close()
}

// admit waits until a connection has shown that it speaks what it should.
func (g *Gate) admit(conn net.Conn) (net.Conn, error) {
	raw, deadline := conn, time.Now().Add(g.o.Timeout)
	if err := raw.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if g.o.TLS == nil || g.o.Plain {
		first := make([]byte, 1)
		if _, err := conn.Read(first); err != nil {
			return nil, err
		}
		conn = &peekedConn{conn, first}
		if g.o.TLS == nil || first[0] != recordHandshake {
			return conn, raw.SetDeadline(time.Time{})
		}
	}
	secure := tls.Server(conn, g.o.TLS)
	// The deadline of the connection is to come first: its error says who was waited for.
	ctx, cancel := context.WithDeadline(context.Background(), deadline.Add(time.Second))
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		g.refused(secure, err)
		linger(raw)
		return nil, err
	}
	return secure, raw.SetDeadline(time.Time{})
}

// linger lets a client that was refused read the alert that says why. With TLS 1.3 it takes its handshake for done and sends its
// request; a connection that is closed over that is reset, and the alert lost.
func linger(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || conn.SetReadDeadline(time.Now().Add(lingerTimeout)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, conn, lingerBytes)
}

// refused writes the line that operators look for, with the names in the certificate if one was shown.
func (g *Gate) refused(conn *tls.Conn, err error) {
	if errors.Is(err, net.ErrClosed) {
		return // by this side
	}
	state := conn.ConnectionState()
	fields := []zap.Field{zap.Stringer("remote-addr", conn.RemoteAddr()), zap.String("server-name", state.ServerName)}
	if len(state.PeerCertificates) > 0 {
		leaf := state.PeerCertificates[0]
		fields = append(fields, zap.Stringers("ip-addresses", leaf.IPAddresses), zap.Strings("dns-names", leaf.DNSNames))
	}
	g.log.Warn("rejected connection on "+g.o.Endpoint+" endpoint", append(fields, zap.Error(err))...)
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
