package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// socketBytes is how much may be on its way in one direction before a writer has to wait.
const socketBytes = 256 << 10

// conn is one end of a connection: it reads from one half and writes to the other.
type conn struct {
	network       *Network
	in, out       *half
	local, remote addr
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

func (c *conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return errors.Join(c.in.closeRead(), c.out.closeWrite())
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { return c.in.setDeadline(&c.in.readBy, t) }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.out.setDeadline(&c.out.writeBy, t) }

// half is one direction of a connection.
type half struct {
	network *Network

	mu      sync.Mutex // guards the rest
	changed *sync.Cond
	parts   []part
	bytes   int
	held    bool // the link is cut: nothing arrives, the end of the stream neither
	broken  bool

	writeClosed, readClosed bool
	readBy, writeBy         deadline
}

// part is what one Write has sent and when it arrives.
type part struct {
	data []byte
	at   time.Time
}

func newHalf(n *Network) *half {
	h := &half{network: n}
	h.changed = sync.NewCond(&h.mu)
	return h
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.readClosed:
			return 0, net.ErrClosed
		case h.broken:
			return 0, syscall.ECONNRESET
		case h.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case !h.held && len(h.parts) > 0 && !time.Now().Before(h.parts[0].at):
			return h.take(p), nil
		case !h.held && len(h.parts) == 0 && h.writeClosed:
			return 0, io.EOF
		}
		h.changed.Wait()
	}
}

func (h *half) take(p []byte) int {
	n := copy(p, h.parts[0].data)
	if h.parts[0].data = h.parts[0].data[n:]; len(h.parts[0].data) == 0 {
		h.parts = h.parts[1:]
	}
	h.bytes -= n
	h.changed.Broadcast()
	return n
}

func (h *half) write(p []byte) (int, error) {
	h.network.mu.Lock()
	delay := h.network.delay
	h.network.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	for written := 0; ; {
		switch {
		case h.writeClosed:
			return written, net.ErrClosed
		case h.broken:
			return written, syscall.ECONNRESET
		case h.readClosed && !h.held:
			return written, syscall.EPIPE
		case h.writeBy.passed():
			return written, os.ErrDeadlineExceeded
		}
		if room := socketBytes - h.bytes; room > 0 {
			n := min(room, len(p)-written)
			h.put(p[written:written+n], delay)
			written += n
		}
		if written == len(p) {
			return written, nil
		}
		h.changed.Wait()
	}
}

func (h *half) put(p []byte, delay time.Duration) {
	if len(p) == 0 {
		return
	}
	h.parts = append(h.parts, part{data: append([]byte(nil), p...), at: time.Now().Add(delay)})
	h.bytes += len(p)
	if delay > 0 {
		time.AfterFunc(delay, h.wake)
	}
	h.changed.Broadcast()
}

// wake lets everyone look again. It takes the lock, so that nobody can be between looking and waiting.
func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed.Broadcast()
}

func (h *half) hold(held bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = held
	h.changed.Broadcast()
}

func (h *half) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = true
	h.changed.Broadcast()
}

func (h *half) closeRead() error  { return h.close(&h.readClosed, &h.readBy) }
func (h *half) closeWrite() error { return h.close(&h.writeClosed, &h.writeBy) }

func (h *half) close(closed *bool, by *deadline) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if *closed {
		return net.ErrClosed
	}
	*closed = true
	by.set(time.Time{}, nil)
	h.changed.Broadcast()
	return nil
}

func (h *half) setDeadline(d *deadline, t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if (d == &h.readBy && h.readClosed) || (d == &h.writeBy && h.writeClosed) {
		return net.ErrClosed
	}
	d.set(t, h.wake)
	h.changed.Broadcast()
	return nil
}

// deadline wakes the waiters when it passes.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) set(t time.Time, wake func()) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	if left := time.Until(t); !t.IsZero() && left > 0 {
		d.timer = time.AfterFunc(left, wake)
	}
}
