package load

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/net/http2/hpack"
)

const (
	dialTimeout = 5 * time.Second
	// ioTimeout bounds one wait for the server; its own request timeout is 7 s.
	ioTimeout = 30 * time.Second
	// receiveWindow is what a server may send unasked, on a stream and on a connection: more than any answer here.
	receiveWindow = 1 << 30
	// fullChecks is how many answers of each connection are decoded and compared, not only measured by length. Of answers
	// of bigAnswerBytes it is one, since decoding costs more than the server spends on them.
	fullChecks     = 4
	bigAnswerBytes = 1 << 20
	maxAnswerBytes = 256 << 20
)

// call is a request in flight.
type call struct {
	sent     time.Duration // since the start of the run
	received int           // bytes of DATA so far
	body     []byte        // kept for a full check, else nil
	keep     bool
}

// conn is one connection with its share of the clients. It belongs to one goroutine.
type conn struct {
	run *run
	net net.Conn
	in  frameReader
	out []byte // frames not yet written

	headers     *headers
	decoder     *hpack.Decoder
	grpcStatus  string // of the block decoded last
	grpcMessage string

	calls      map[uint32]call
	nextStream uint32
	clients    int      // this connection's share
	idle       []uint32 // clients that wait for the server's flow-control window, by their streams, 0 for a new one
	window     int      // bytes that the server still takes on this connection
	consumed   int      // bytes received since our last WINDOW_UPDATE
	checks     int      // full checks still to do

	rng    *rand.Rand
	hist   *hdrhistogram.Histogram
	ops    int64
	bytes  int64
	errs   int64
	err    error         // first bad answer
	last   time.Duration // end of the last measured answer
	closed bool          // no more requests: the run is over
}

// newHistogram holds 0.1 µs to 100 s with three digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(100, int64(100*time.Second), 3)
}

func dial(r *run, clients int, seed uint64) (*conn, error) {
	nc, err := dialServer(r.spec.Address, r.secure)
	if err != nil {
		return nil, err
	}
	c := &conn{
		run: r, net: nc, clients: clients, calls: make(map[uint32]call, clients), nextStream: 1, window: 65535,
		checks: fullChecks, rng: rand.New(rand.NewPCG(r.spec.Seed, seed)), hist: newHistogram(),
	}
	readBytes := 4 * maxFrameBytes
	if r.workload.minBytes >= bigAnswerBytes {
		c.checks, readBytes = 1, 16*maxFrameBytes
	}
	c.in = frameReader{r: bufio.NewReaderSize(nc, readBytes), beforeWait: c.flush}
	c.decoder = hpack.NewDecoder(4096, c.header)
	c.headers = newHeaders(r.spec.Address, r.workload.method, r.spec.Access)
	c.out = appendPreface(c.out)
	return c, nil
}

// appendPreface opens a connection on which the server may send as much as it likes.
func appendPreface(dst []byte) []byte {
	dst = append(dst, preface...)
	dst = appendFrameHeader(dst, 6, frameSettings, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, settingInitialWindowSize)
	dst = binary.BigEndian.AppendUint32(dst, receiveWindow)
	return appendWindowUpdate(dst, receiveWindow-65535)
}

// appendWindowUpdate lets the server send n more bytes on the connection.
func appendWindowUpdate(dst []byte, n int) []byte {
	dst = appendFrameHeader(dst, 4, frameWindowUpdate, 0, 0)
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

func (c *conn) header(f hpack.HeaderField) {
	switch f.Name {
	case "grpc-status":
		c.grpcStatus = f.Value
	case "grpc-message":
		c.grpcMessage = f.Value
	}
}

// drive sends requests and reads answers until the run is over and nothing is in flight.
func (c *conn) drive() error {
	defer c.net.Close()
	now := time.Since(c.run.epoch)
	for range c.clients {
		c.send(now, 0)
	}
	for len(c.calls)+len(c.idle) > 0 {
		f, err := c.in.next()
		if err != nil {
			return fmt.Errorf("reading from the server: %w", err)
		}
		if err := c.handle(f); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) flush() error {
	deadline := time.Now().Add(ioTimeout)
	if err := c.net.SetDeadline(deadline); err != nil {
		return err
	}
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.net.Write(c.out)
	c.out = c.out[:0]
	return err
}

// send queues the next request of one client, on its stream or, if that is 0, on a new one. It parks the client when the
// server's window is used up.
func (c *conn) send(now time.Duration, stream uint32) {
	w := c.run.workload
	t := &w.templates[w.pick(c.rng)]
	if len(t.body) > c.window {
		c.idle = append(c.idle, stream)
		return
	}
	if ws := c.run.watchers; ws != nil && ws.spec.Lockstep {
		ws.turn()
		now = time.Since(c.run.epoch)
	}
	key, ok := c.run.take(now, c.rng)
	if !ok {
		c.closed = true
		return
	}
	c.window -= len(t.body)
	if stream == 0 {
		stream = c.nextStream
		c.nextStream += 2
		headers := c.headers.next()
		c.out = appendFrameHeader(c.out, len(headers), frameHeaders, flagEndHeaders, stream)
		c.out = append(c.out, headers...)
	}
	flags := byte(flagEndStream)
	if w.streaming {
		flags = 0
	}
	c.out = appendFrameHeader(c.out, len(t.body), frameData, flags, stream)
	c.out = t.append(c.out, key, now)
	keep := c.checks > 0
	if keep {
		c.checks--
	}
	c.calls[stream] = call{sent: now, keep: keep}
}

func (c *conn) handle(f frame) error {
	switch f.kind {
	case frameData:
		return c.data(f)
	case frameHeaders:
		block, err := headerBlock(f)
		if err != nil {
			return err
		}
		c.grpcStatus, c.grpcMessage = "", ""
		if _, err := c.decoder.Write(block); err != nil {
			return fmt.Errorf("decoding headers: %w", err)
		}
		switch {
		case f.flags&flagEndStream == 0:
		case c.run.workload.streaming:
			return fmt.Errorf("the server ended a stream with status %q: %s", c.grpcStatus, c.grpcMessage)
		default:
			return c.finish(f.stream)
		}
	case frameWindowUpdate:
		if f.stream == 0 && len(f.payload) == 4 {
			c.window += int(binary.BigEndian.Uint32(f.payload) &^ (1 << 31))
			c.wake()
		}
	case frameSettings:
		return c.settings(f)
	case framePing:
		if f.flags&flagAck == 0 {
			c.out = appendFrameHeader(c.out, len(f.payload), framePing, flagAck, 0)
			c.out = append(c.out, f.payload...)
		}
	case frameReset:
		return fmt.Errorf("the server reset stream %d with code %x", f.stream, f.payload)
	case frameGoAway:
		if len(f.payload) < 8 {
			return errors.New("the server sent a GOAWAY that is too short")
		}
		return fmt.Errorf("the server sent GOAWAY: %q", f.payload[8:])
	case frameContinuation:
		return errors.New("the server splits headers over several frames, which this client does not read")
	}
	return nil
}

// wake lets parked clients send again.
func (c *conn) wake() {
	parked := c.idle
	c.idle = nil
	now := time.Since(c.run.epoch)
	for _, stream := range parked {
		c.send(now, stream)
	}
}

func (c *conn) settings(f frame) error {
	if f.flags&flagAck != 0 {
		return nil
	}
	for p := f.payload; len(p) >= 6; p = p[6:] {
		id, v := binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])
		switch id {
		case settingMaxConcurrentStreams:
			if int64(v) < int64(c.clients) {
				return fmt.Errorf("the server allows %d streams on a connection, %d are needed: use more connections", v, c.clients)
			}
		case settingInitialWindowSize:
			if v < maxRequestBytes {
				return fmt.Errorf("the server allows only %d bytes on a stream", v)
			}
		}
	}
	c.out = appendFrameHeader(c.out, 0, frameSettings, flagAck, 0)
	return nil
}
