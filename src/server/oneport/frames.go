package oneport

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"net"

	"golang.org/x/net/http2"
)

// frameHeaderBytes is the size of what every frame of HTTP/2 begins with.
const frameHeaderBytes = 9

// cutter follows the frames in a stream of bytes, however it is cut into pieces. The zero value stands before the first.
type cutter struct {
	header [frameHeaderBytes]byte
	have   int // bytes of the header
	left   int // bytes of the frame behind its header
	keep   bool
}

// inFrame reports whether it stands within a frame.
func (c *cutter) inFrame() bool { return c.have > 0 || c.left > 0 }

// cut appends those frames in p to out that keep wants.
func (c *cutter) cut(out, p []byte, keep func(kind http2.FrameType, ack bool) bool) []byte {
	for len(p) > 0 {
		if c.left > 0 {
			n := min(c.left, len(p))
			if c.keep {
				out = append(out, p[:n]...)
			}
			c.left -= n
			p = p[n:]
			continue
		}
		n := copy(c.header[c.have:], p)
		c.have += n
		p = p[n:]
		if c.have < frameHeaderBytes {
			break
		}
		c.have = 0
		c.left = int(binary.BigEndian.Uint32(c.header[:4]) >> 8)
		c.keep = keep(http2.FrameType(c.header[3]), c.header[4]&byte(http2.FlagSettingsAck) != 0)
		if c.keep {
			out = append(out, c.header[:]...)
		}
	}
	return out
}

// tally counts what a server has said.
type tally struct {
	cutter
	settings, acks, pongs int // SETTINGS of its own, acknowledged ones of the client, and answered pings
}

func (t *tally) count(p []byte) {
	t.cut(nil, p, func(kind http2.FrameType, ack bool) bool {
		switch {
		case kind == http2.FramePing && ack:
			t.pongs++
		case kind == http2.FrameSettings && ack:
			t.acks++
		case kind == http2.FrameSettings:
			t.settings++
		}
		return false
	})
}

// sieve drops so many acknowledgements of SETTINGS from a stream, and then lets everything pass.
type sieve struct {
	cutter
	drop int
}

func (s *sieve) open() bool { return s.drop == 0 && !s.inFrame() }

func (s *sieve) pass(out, p []byte) []byte {
	return s.cut(out, p, func(kind http2.FrameType, ack bool) bool {
		if s.drop > 0 && kind == http2.FrameSettings && ack && s.left == 0 { // with something in it, it is none
			s.drop--
			return false
		}
		return true
	})
}

// takenConn is a connection that HTTP has taken over from gRPC. Of the acknowledgements of SETTINGS, those of gRPC's do not get through
// to HTTP, which would be surprised; and HTTP's own for SETTINGS that gRPC has acknowledged do not get through to the client.
type takenConn struct {
	net.Conn
	in    *bufio.Reader
	ready []byte // what Read returns next
	read  sieve
	write sieve
	out   []byte // reused by Write
}

func (c *takenConn) tlsState() *tls.ConnectionState { return stateOf(c.Conn) }

// Read implements net.Conn.
func (c *takenConn) Read(p []byte) (int, error) {
	for {
		if len(c.ready) > 0 {
			n := copy(p, c.ready)
			c.ready = c.ready[n:]
			return n, nil
		}
		if c.read.open() {
			return c.in.Read(p)
		}
		c.ready = nil
		n, err := c.in.Read(p)
		c.ready = c.read.pass(c.ready, p[:n])
		if err != nil && len(c.ready) == 0 {
			return 0, err
		}
	}
}

// Write implements net.Conn. Only one goroutine writes at a time.
func (c *takenConn) Write(p []byte) (int, error) {
	if c.write.open() {
		return c.Conn.Write(p)
	}
	c.out = c.write.pass(c.out[:0], p)
	if _, err := c.Conn.Write(c.out); err != nil {
		return 0, err
	}
	return len(p), nil
}
