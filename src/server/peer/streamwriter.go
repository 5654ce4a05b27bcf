package peer

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"go.etcd.io/raft/v3/raftpb"
)

// streamKind is one of the two streams; its value is its name in the path.
type streamKind string

const (
	streamMessage streamKind = "message"
	streamApp     streamKind = "msgapp"
)

// offered is what became of a message.
type offered int

const (
	offerTaken offered = iota
	offerFull
	offerClosed // there is nobody to write to
)

var errReplaced = errors.New("the peer has dialled again")

// streamWriter writes one stream to a peer, over whichever connection the peer has dialled last.
type streamWriter struct {
	p        *peer
	kind     streamKind
	queue    chan *raftpb.Message
	dialled  chan *outgoing
	newest   atomic.Pointer[outgoing]
	attached atomic.Bool
	buf      []byte // only run's goroutine uses it
}

// outgoing is a response body that a writer may write to until it closes done. The handler which owns the body waits for
// that, since nobody may use the body after the handler has returned.
type outgoing struct {
	w       http.ResponseWriter
	control *http.ResponseController
	// ctx ends when the peer hangs up, dials again or is removed. Its end also breaks off a write that is stuck.
	ctx  context.Context
	end  context.CancelCauseFunc
	done chan struct{}
}

func newStreamWriter(p *peer, kind streamKind) *streamWriter {
	return &streamWriter{
		p: p, kind: kind,
		queue:   make(chan *raftpb.Message, streamQueueLen),
		dialled: make(chan *outgoing),
	}
}

// offer queues m if the peer has dialled this stream. A message that slips in while the connection breaks waits for the
// next one; raft does not mind old messages.
func (w *streamWriter) offer(m *raftpb.Message) offered {
	if !w.attached.Load() {
		return offerClosed
	}
	select {
	case w.queue <- m:
		return offerTaken
	default:
		return offerFull
	}
}

// serve gives the writer a connection in place of the one before, and waits until the writer has let go of it.
func (w *streamWriter) serve(rw http.ResponseWriter, r *http.Request) {
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	defer onDone(w.p.ctx, func() { end(context.Cause(w.p.ctx)) })()
	out := &outgoing{w: rw, control: http.NewResponseController(rw), ctx: ctx, end: end, done: make(chan struct{})}
	defer w.newest.CompareAndSwap(out, nil)
	if old := w.newest.Swap(out); old != nil {
		old.end(errReplaced)
	}
	select {
	case w.dialled <- out:
		<-out.done
	case <-ctx.Done():
	}
}

func (w *streamWriter) run() {
	for {
		select {
		case out := <-w.dialled:
			err := w.write(out)
			w.attached.Store(false)
			close(out.done)
			w.giveUpQueue()
			w.p.log.Info("stopped writing a stream to peer", zap.String("stream", string(w.kind)), zap.Error(err))
		case <-w.p.ctx.Done():
			return
		}
	}
}

// write serves one connection until it breaks or its context ends; it never returns nil.
func (w *streamWriter) write(out *outgoing) error {
	defer onDone(out.ctx, func() { out.deadline(time.Unix(1, 0)) })()
	enc := w.newEncoder()
	beat := time.NewTicker(w.p.t.cfg.ReadTimeout / 3)
	defer beat.Stop()
	w.attached.Store(true)
	for {
		var err error
		select {
		case m := <-w.queue:
			if out.ctx.Err() != nil { // which select may overlook
				w.p.t.observer.SendFailed(w.p.id)
				w.p.t.notSent(m)
				return context.Cause(out.ctx)
			}
			err = w.writeBatch(out, enc, m)
		case <-beat.C:
			w.buf = enc.encode(w.buf[:0], linkHeartbeat)
			err = w.flush(out)
		case <-out.ctx.Done():
			return context.Cause(out.ctx)
		}
		if err != nil {
			w.p.t.observer.SendFailed(w.p.id)
			w.p.t.reports.lost(w.p.id)
			return err
		}
	}
}

func (w *streamWriter) newEncoder() encoder {
	if w.kind == streamApp {
		return new(appEncoder)
	}
	return messageEncoder{}
}

// writeBatch writes m and whatever is queued behind it, and flushes as soon as the queue is empty: a single message is on
// the wire at once, a burst shares system calls.
func (w *streamWriter) writeBatch(out *outgoing, enc encoder, m *raftpb.Message) error {
	w.buf = enc.encode(w.buf[:0], m)
	for range maxBatch - 1 {
		select {
		case m = <-w.queue:
		default:
			return w.flush(out)
		}
		w.buf = enc.encode(w.buf, m)
		if len(w.buf) >= batchBytes {
			if err := w.drain(out); err != nil {
				return err
			}
		}
	}
	return w.flush(out)
}

// drain writes out the buffer, in parts that a slow but living link can take within one deadline.
func (w *streamWriter) drain(out *outgoing) error {
	for rest := w.buf; len(rest) > 0; {
		part := rest[:min(len(rest), writeChunkBytes)]
		out.deadline(time.Now().Add(w.p.t.cfg.WriteTimeout))
		// Looking at the context after setting the deadline leaves no moment in which its end could be missed.
		if out.ctx.Err() != nil {
			return context.Cause(out.ctx)
		}
		if _, err := out.w.Write(part); err != nil {
			return err
		}
		rest = rest[len(part):]
	}
	w.p.t.observer.Sent(w.p.id, len(w.buf))
	w.buf = w.buf[:0]
	if cap(w.buf) > keptBufferBytes {
		w.buf = nil
	}
	return nil
}

func (w *streamWriter) flush(out *outgoing) error {
	if err := w.drain(out); err != nil {
		return err
	}
	return out.control.Flush()
}

func (out *outgoing) deadline(at time.Time) {
	// A writer that knows no deadlines (a test's recorder) does without.
	_ = out.control.SetWriteDeadline(at)
}

// giveUpQueue drops what waits for a connection that broke: by the next one raft has something newer to say. Only proposals are
// not repeated by raft.
func (w *streamWriter) giveUpQueue() {
	for lost := false; ; lost = true {
		select {
		case m := <-w.queue:
			w.p.t.observer.SendFailed(w.p.id)
			w.p.t.notSent(m)
		default:
			if lost {
				w.p.t.reports.lost(w.p.id)
			}
			return
		}
	}
}
