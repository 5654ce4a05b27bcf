package load

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/encoding/protowire"

	"quoin.dev/api/etcdserverpb"
)

// Watch is a load of watchers beside the requests, which have to be puts.
type Watch struct {
	Watchers, Streams, Conns int
	// Shape says what they watch.
	Shape Shape
	// Start is the first revision of interest; 0 = what is put from now on.
	Start int64
	// Lockstep holds puts back until the events of almost all earlier ones have arrived at every watcher.
	Lockstep bool
	// Deletes, if it is not 0, ends the run when so many keys were deleted.
	Deletes int64
	// Beside: the result is about the puts, beside which the watchers are; otherwise it is about the events.
	Beside bool
}

// Shape is what a set of watchers watches.
type Shape string

// The shapes of watches.
const (
	OneKey    Shape = "one-key"    // all of them the first key
	OwnKey    Shape = "own-key"    // each a key of its own
	EveryKey  Shape = "all-keys"   // each the whole key space
	OtherKeys Shape = "other-keys" // each the whole second key space
)

// lockstepPuts is how many puts may be ahead of the events of the slowest one.
const lockstepPuts = 4

// createdTimeout bounds how long the watchers may take to be created.
const createdTimeout = time.Minute

// watchers is the state that the connections of all watchers share.
type watchers struct {
	run    *run
	spec   *Watch
	conns  []*watchConn
	events atomic.Int64 // that have arrived, over the whole run
	// deletes are those of them that delete, last is when the latest of these came, since the start of the run.
	deletes, last atomic.Int64
	puts          int64 // of the one client in lockstep
	over          chan struct{}
	group         sync.WaitGroup
}

// watchConn is one connection with some streams of watches.
type watchConn struct {
	all     *watchers
	net     net.Conn
	in      frameReader
	out     []byte
	decoder *hpack.Decoder
	partial map[uint32][]byte // of a message that goes on in the next frame, by stream
	created int

	consumed int
	hist     *hdrhistogram.Histogram
	ops      int64
	bytes    int64
	err      error
}

// watch opens all watchers and returns when each of them has been created.
func (r *run) watch() (*watchers, error) {
	spec := r.spec.Watch
	ws := &watchers{run: r, spec: spec, over: make(chan struct{})}
	for i := range spec.Conns {
		c, err := ws.dial(i)
		if err != nil {
			ws.close()
			return nil, fmt.Errorf("watchers: %w", err)
		}
		ws.conns = append(ws.conns, c)
	}
	return ws, nil
}

// Hold opens the watchers of a spec and keeps them while fn runs.
func Hold(spec Spec, fn func() error) error {
	secure, err := spec.Access.TLS()
	if err != nil {
		return err
	}
	r := &run{spec: spec, secure: secure, epoch: time.Now(), to: spec.Duration}
	ws, err := r.watch()
	if err != nil {
		return err
	}
	ws.start()
	err = fn()
	ws.close()
	return errors.Join(err, ws.failed())
}

// part is the half-open range of the i-th of n equal parts.
func part(total, n, i int) (from, to int) { return total * i / n, total * (i + 1) / n }

func (ws *watchers) dial(i int) (*watchConn, error) {
	nc, err := dialServer(ws.run.spec.Address, ws.run.secure)
	if err != nil {
		return nil, err
	}
	c := &watchConn{all: ws, net: nc, partial: map[uint32][]byte{}, hist: newHistogram()}
	c.in = frameReader{r: bufio.NewReaderSize(nc, 4*maxFrameBytes), beforeWait: c.flush}
	c.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == "grpc-status" {
			c.err = fmt.Errorf("a watch stream ended with status %s", f.Value)
		}
	})
	c.out = appendPreface(c.out)
	headers := newHeaders(ws.run.spec.Address, etcdserverpb.Watch_Watch_FullMethodName, ws.run.spec.Access)
	firstStream, lastStream := part(ws.spec.Streams, ws.spec.Conns, i)
	expected := 0
	for s := firstStream; s < lastStream; s++ {
		id := uint32(2*(s-firstStream) + 1)
		block := headers.next()
		c.out = appendFrameHeader(c.out, len(block), frameHeaders, flagEndHeaders, id)
		c.out = append(c.out, block...)
		from, to := part(ws.spec.Watchers, ws.spec.Streams, s)
		for w := from; w < to; w++ {
			if err := c.create(id, w); err != nil {
				return nil, err
			}
			expected++
		}
	}
	if err := nc.SetDeadline(time.Now().Add(createdTimeout)); err != nil {
		return nil, err
	}
	for c.created < expected {
		if err := c.step(); err != nil {
			nc.Close()
			return nil, err
		}
	}
	return c, nil
}

// create asks for the w-th watcher on a stream.
func (c *watchConn) create(stream uint32, w int) error {
	r := &etcdserverpb.WatchCreateRequest{StartRevision: c.all.spec.Start}
	switch c.all.spec.Shape {
	case EveryKey:
		r.Key, r.RangeEnd = []byte(keyPrefix), prefixEnd(keyPrefix)
	case OtherKeys:
		r.Key, r.RangeEnd = []byte(otherPrefix), prefixEnd(otherPrefix)
	case OneKey, OwnKey:
		key, err := markedKey(keyPrefix, c.all.run.spec.Request.KeyBytes)
		if err != nil {
			return err
		}
		if c.all.spec.Shape == OneKey {
			w = 0
		}
		putDigits(key[len(key)-digitsBytes:], uint64(w))
		r.Key = key
	default:
		return fmt.Errorf("unknown shape of watches %q", c.all.spec.Shape)
	}
	t, err := newTemplate(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: r}})
	if err != nil {
		return err
	}
	c.out = appendFrameHeader(c.out, len(t.body), frameData, 0, stream)
	c.out = append(c.out, t.body...)
	return nil
}

func (c *watchConn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.net.Write(c.out)
	c.out = c.out[:0]
	return err
}

// start reads events until close.
func (ws *watchers) start() {
	for _, c := range ws.conns {
		ws.group.Go(func() {
			for c.err == nil {
				err := c.net.SetDeadline(time.Now().Add(ws.run.to + ioTimeout))
				if err == nil {
					err = c.step()
				}
				select {
				case <-ws.over:
					return
				default:
					c.err = errors.Join(c.err, err)
				}
			}
			ws.run.stopped.Store(true)
		})
	}
}

// close ends the connections and the reading.
func (ws *watchers) close() {
	close(ws.over)
	for _, c := range ws.conns {
		c.net.Close()
	}
	ws.group.Wait()
}

// turn waits until the next put in lockstep may go.
func (ws *watchers) turn() {
	ws.puts++
	for ws.events.Load() < (ws.puts-lockstepPuts)*int64(ws.spec.Watchers) && time.Since(ws.run.epoch) < ws.run.to && !ws.run.stopped.Load() {
		time.Sleep(20 * time.Microsecond)
	}
}

// step handles one frame.
func (c *watchConn) step() error {
	f, err := c.in.next()
	if err != nil {
		return err
	}
	switch f.kind {
	case frameData:
		if c.consumed += len(f.payload); c.consumed > receiveWindow/4 {
			c.out = appendWindowUpdate(c.out, c.consumed)
			c.consumed = 0
		}
		return c.data(f)
	case frameHeaders:
		block, err := headerBlock(f)
		if err != nil {
			return err
		}
		if _, err := c.decoder.Write(block); err != nil {
			return err
		}
		return c.err
	case frameSettings:
		if f.flags&flagAck == 0 {
			c.out = appendFrameHeader(c.out, 0, frameSettings, flagAck, 0)
		}
	case framePing:
		if f.flags&flagAck == 0 {
			c.out = appendFrameHeader(c.out, len(f.payload), framePing, flagAck, 0)
			c.out = append(c.out, f.payload...)
		}
	case frameReset, frameGoAway:
		return fmt.Errorf("the server ended a watch: frame of kind %d, %q", f.kind, f.payload)
	}
	return nil
}

// data takes the messages that a frame completes.
func (c *watchConn) data(f frame) error {
	rest := f.payload
	if before := c.partial[f.stream]; len(before) > 0 {
		rest = append(before, rest...)
	}
	for len(rest) >= 5 {
		n := 5 + int(binary.BigEndian.Uint32(rest[1:]))
		if len(rest) < n {
			break
		}
		if err := c.message(rest[5:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	c.partial[f.stream] = append(c.partial[f.stream][:0], rest...)
	return nil
}

// Field numbers of WatchResponse, Event and KeyValue.
const (
	responseCreated  = 3
	responseCanceled = 4
	responseEvents   = 11
	eventType        = 1
	eventKV          = 2
	kvValue          = 5
)

// message counts the events of a response, and measures how long they were on their way: values begin with when they
// were sent.
func (c *watchConn) message(m []byte) error {
	now := time.Since(c.all.run.epoch)
	events, deletes := 0, 0
	err := eachField(m, func(field protowire.Number, v []byte) error {
		switch field {
		case responseCreated:
			c.created++
		case responseCanceled:
			return errors.New("the server canceled a watch")
		case responseEvents:
			events++
			return eachField(v, func(field protowire.Number, v []byte) error {
				if field == eventType {
					deletes++ // the type of a put is zero, which is not encoded
				}
				if field != eventKV {
					return nil
				}
				return eachField(v, func(field protowire.Number, v []byte) error {
					if field == kvValue && len(v) >= digitsBytes {
						c.arrived(now, v[:digitsBytes])
					}
					return nil
				})
			})
		}
		return nil
	})
	c.all.events.Add(int64(events))
	if deletes > 0 {
		c.all.last.Store(int64(now))
		if n := c.all.deletes.Add(int64(deletes)); c.all.spec.Deletes > 0 && n >= c.all.spec.Deletes {
			c.all.run.stopped.Store(true)
		}
	}
	if c.all.run.measured(now) {
		c.bytes += int64(len(m))
	}
	return err
}

func (c *watchConn) arrived(now time.Duration, digits []byte) {
	sent, err := strconv.ParseInt(string(digits), 16, 64)
	if err != nil || !c.all.run.measured(now) {
		return // from the fill before the run
	}
	c.ops++
	// Latencies beyond the histogram's range would have ended the run.
	_ = c.hist.RecordValue(int64(now) - sent)
}

// eachField calls fn for the fields of a message; the bytes of one that is a number are empty.
func eachField(m []byte, fn func(protowire.Number, []byte) error) error {
	for len(m) > 0 {
		num, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			return protowire.ParseError(n)
		}
		m = m[n:]
		var v []byte
		if kind == protowire.BytesType {
			v, n = protowire.ConsumeBytes(m)
		} else {
			n = protowire.ConsumeFieldValue(num, kind, m)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		m = m[n:]
		if err := fn(num, v); err != nil {
			return err
		}
	}
	return nil
}

// add puts what the watchers measured into a result.
func (ws *watchers) add(out *Result, all *hdrhistogram.Histogram) {
	out.Ops, out.Bytes = 0, 0
	all.Reset()
	for _, c := range ws.conns {
		out.Ops += c.ops
		out.Bytes += c.bytes
		all.Merge(c.hist)
	}
}

// failed is why the watchers ended before the run did.
func (ws *watchers) failed() error {
	for _, c := range ws.conns {
		if c.err != nil {
			return fmt.Errorf("watchers: %w", c.err)
		}
	}
	return nil
}
