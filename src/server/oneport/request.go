package oneport

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// greetingMaxBytes bounds what an HTTP/2 client may say before and with its first request. Whoever says more is gRPC's, whose
	// server has limits of its own.
	greetingMaxBytes = 64 << 10
	// frameMaxBytes is what a frame may be as long as the server has not allowed more.
	frameMaxBytes = 16 << 10
	// tableBytes is the size of the table that headers are compressed with, as long as nobody has changed it.
	tableBytes = 4 << 10
)

// undecidedConn is a connection of HTTP/2 that is served as one of gRPC until its first request is there.
//
// gRPC reads it frame by frame. If the first request is one of gRPC, nothing stands between any more. If it is not, gRPC reads the
// end of the connection, and what it does to it from then on does nothing; HTTP begins with what the client has said so far. The
// client has got SETTINGS of gRPC by then and may have acknowledged them, and the other way round: takenConn makes up for it. What
// gRPC has not answered yet is answered by HTTP.
type undecidedConn struct {
	net.Conn
	http *Listener

	// Of the goroutine that reads.
	in      *bufio.Reader
	frames  *http2.Framer // reads from in, and leaves the bytes in frame
	frame   growing       // the bytes of the frame that was read last
	ready   []byte        // what Read returns next
	replay  []byte        // what HTTP has to hear again
	heard   int           // bytes before the first request
	pings   [][]byte      // frames that gRPC owes an answer to, or has answered
	acks    int           // SETTINGS that the client has acknowledged
	ours    bool          // decided: gRPC
	drained bool          // and in is empty

	grpc atomic.Bool // ours, for those who write
	gone atomic.Bool // decided: HTTP
	mu   sync.Mutex  // held while writing as long as it is not decided, so that the connection changes hands between two writes
	said tally       // frames that gRPC has sent. Guarded by mu
}

// growing is a writer that keeps everything.
type growing []byte

// Write implements io.Writer.
func (g *growing) Write(p []byte) (int, error) {
	*g = append(*g, p...)
	return len(p), nil
}

func newUndecidedConn(conn net.Conn, http *Listener) *undecidedConn {
	c := &undecidedConn{Conn: conn, http: http, in: bufio.NewReader(conn)}
	c.frames = http2.NewFramer(nil, io.TeeReader(c.in, &c.frame))
	c.frames.SetMaxReadFrameSize(frameMaxBytes)
	c.frames.ReadMetaHeaders = hpack.NewDecoder(tableBytes, nil)
	c.frames.MaxHeaderListSize = greetingMaxBytes
	return c
}

func (c *undecidedConn) tlsState() *tls.ConnectionState { return stateOf(c.Conn) }

// Read implements net.Conn.
func (c *undecidedConn) Read(p []byte) (int, error) {
	for {
		if len(c.ready) > 0 {
			n := copy(p, c.ready)
			c.ready = c.ready[n:]
			return n, nil
		}
		if c.drained {
			return c.Conn.Read(p)
		}
		if c.ours {
			if c.in.Buffered() > 0 {
				return c.in.Read(p[:min(len(p), c.in.Buffered())])
			}
			c.drained, c.in, c.frames, c.frame, c.replay, c.pings = true, nil, nil, nil, nil, nil
			continue
		}
		if err := c.listen(); err != nil {
			return 0, err
		}
	}
}

// listen reads what the client says next, and decides if it is a request. Error: the connection has come to its end, for gRPC.
func (c *undecidedConn) listen() error {
	c.frame = c.frame[:0]
	if c.heard == 0 {
		preface := make([]byte, len(http2.ClientPreface))
		n, err := io.ReadFull(c.in, preface)
		c.ready, c.heard = preface[:n], n
		c.replay = append(c.replay, c.ready...)
		if string(c.ready) != http2.ClientPreface {
			c.decide() // as below
		}
		return ignoreIf(n > 0, err)
	}
	frame, err := c.frames.ReadFrame()
	c.ready = c.frame
	c.heard += len(c.frame)
	if err != nil {
		c.decide()
		return ignoreIf(len(c.frame) > 0, err) // gRPC says what is wrong with it
	}
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		if isGRPC(f) {
			c.decide()
			return nil
		}
		c.ready = nil
		return c.giveAway()
	case *http2.SettingsFrame:
		if f.IsAck() {
			c.acks++
		} else {
			c.replay = append(c.replay, c.frame...)
		}
	case *http2.PingFrame:
		if f.IsAck() {
			break
		}
		c.pings = append(c.pings, bytes.Clone(c.frame))
	case *http2.WindowUpdateFrame:
		c.replay = append(c.replay, c.frame...)
	}
	if c.heard > greetingMaxBytes {
		c.decide()
	}
	return nil
}

func ignoreIf(yes bool, err error) error {
	if yes {
		return nil
	}
	return err
}

// isGRPC reports whether a request is for gRPC. One without a type is not.
func isGRPC(headers *http2.MetaHeadersFrame) bool {
	for _, h := range headers.RegularFields() {
		if h.Name == "content-type" {
			return strings.HasPrefix(h.Value, "application/grpc")
		}
	}
	return false
}

// decide leaves the connection to gRPC.
func (c *undecidedConn) decide() {
	c.ours = true
	c.grpc.Store(true)
}

// giveAway gives the connection to HTTP. Error: io.EOF, for gRPC.
func (c *undecidedConn) giveAway() error {
	c.mu.Lock()
	c.gone.Store(true)
	inFrame := c.said.inFrame()
	for _, ping := range c.pings[min(c.said.pongs, len(c.pings)):] {
		c.replay = append(c.replay, ping...)
	}
	taken := &takenConn{Conn: c.Conn, in: c.in, ready: append(c.replay, c.frame...)}
	taken.read.drop, taken.write.drop = c.said.settings-c.acks, c.said.acks
	c.mu.Unlock()
	if inFrame { // gRPC writes whole frames; if it did not, nobody could go on
		_ = c.Conn.Close()
		return io.EOF
	}
	_ = c.Conn.SetDeadline(time.Time{})
	c.http.give(taken)
	return io.EOF
}

// Write implements net.Conn.
func (c *undecidedConn) Write(p []byte) (int, error) {
	if c.grpc.Load() {
		return c.Conn.Write(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone.Load() {
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Write(p)
	c.said.count(p[:n])
	return n, err
}

// unlessGone does something to the connection if it is still gRPC's. It does not wait for a write that hangs, which it may end.
func (c *undecidedConn) unlessGone(f func() error) error {
	if c.gone.Load() {
		return nil
	}
	return f()
}

// Close implements net.Conn.
func (c *undecidedConn) Close() error { return c.unlessGone(c.Conn.Close) }

// SetDeadline implements net.Conn.
func (c *undecidedConn) SetDeadline(t time.Time) error {
	return c.unlessGone(func() error { return c.Conn.SetDeadline(t) })
}

// SetReadDeadline implements net.Conn.
func (c *undecidedConn) SetReadDeadline(t time.Time) error {
	return c.unlessGone(func() error { return c.Conn.SetReadDeadline(t) })
}

// SetWriteDeadline implements net.Conn.
func (c *undecidedConn) SetWriteDeadline(t time.Time) error {
	return c.unlessGone(func() error { return c.Conn.SetWriteDeadline(t) })
}
