package watch

import (
	"context"
	"sync"
	"time"
)

// Limits of what waits in a stream. One that is full gets nothing more until half of it is sent; its watchers then catch up.
// Each has its part of allBytes, within bounds, since clients that do not listen may all stand at places of their own
// (etcd#16839).
const (
	allBytes         = 1 << 30
	leastStreamBytes = 64 << 10
	mostStreamBytes  = 4 << 20
	streamEvents     = 16 << 10
	// streamReplies is how many replies without events may wait until no more requests are taken.
	streamReplies = 1 << 10
	// replyRevisions and replyBytes bound what is joined into one reply.
	replyRevisions = 1000
	replyBytes     = 1 << 20
)

// Reply is what a stream says next.
type Reply struct {
	ID       int64
	Revision int64 // of the header
	// Created and Canceled are as in a WatchResponse, Reason and CompactRevision say why.
	Created, Canceled bool
	Reason            string
	CompactRevision   int64
	Fragment          bool // the watcher takes its events in parts
	// Frames are the events, each as field of a WatchResponse. They are shared and must not be changed.
	Frames [][]byte
}

// entry is a reply that waits: a plain one, or the events of a watcher. Events are added while nothing that must come later
// stands behind it.
type entry struct {
	plain *Reply

	w         *Watcher
	revision  int64 // of the header
	events    []*Event
	one       [1]*Event // room for the most common list
	revisions int
	bytes     int
	epoch     uint64
}

// Stream is the queue of replies to the watchers of one client stream. Hub methods fill it, Next empties it.
type Stream struct {
	hub *Hub
	// watchers and nextID belong to the hub's lock.
	watchers map[int64]*Watcher
	nextID   int64

	wake chan struct{} // has one token when there is something to send
	sent chan struct{} // has one token when something was

	mu sync.Mutex // innermost
	// queue[head:] waits.
	queue  []*entry
	head   int
	epoch  uint64 // entries of older epochs are closed
	bytes  int
	events int
	plain  int // replies without events
	full   bool
	held   bool // a pass is adding events, which go out together when it is over
}

// Next returns the next reply; it waits for one until ctx ends. Whenever tick says so, watchers that have been quiet hear of
// the revision. It is for one goroutine.
func (s *Stream) Next(ctx context.Context, tick <-chan time.Time) (Reply, error) {
	for {
		if e := s.pop(); e != nil {
			s.hub.meter.Events.Add(uint64(len(e.events)))
			return s.hub.reply(e), nil
		}
		select {
		case <-s.wake:
		case <-tick:
			s.Tick()
		case <-ctx.Done():
			return Reply{}, ctx.Err()
		}
	}
}

// Ready waits until the stream takes another request: a client that asks and does not listen has to wait.
func (s *Stream) Ready(ctx context.Context) error {
	for {
		s.mu.Lock()
		ready := s.plain < streamReplies
		s.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-s.sent:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Stream) pop() *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head == len(s.queue) || (s.held && s.queue[s.head].plain == nil) {
		return nil
	}
	e := s.queue[s.head]
	s.queue[s.head] = nil
	if s.head++; s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	}
	s.bytes -= e.bytes
	s.events -= len(e.events)
	if e.plain != nil {
		s.plain--
	}
	select {
	case s.sent <- struct{}{}:
	default:
	}
	if e.w != nil && e.w.open == e {
		e.w.open = nil
	}
	if s.full && s.bytes <= s.hub.streamBytes()/2 && s.events <= streamEvents/2 {
		s.full = false
		s.hub.behindMayMove()
	}
	return e
}

// say queues a reply that is not about events. Nothing that comes later gets in front of it.
func (s *Stream) say(r Reply) {
	s.mu.Lock()
	s.epoch++
	s.plain++
	s.push(&entry{plain: &r})
	s.mu.Unlock()
	s.signal()
}

// release ends a pass for the stream.
func (s *Stream) release() {
	s.mu.Lock()
	s.held = false
	s.mu.Unlock()
	s.signal()
}

// offer queues the events of one revision, all or none: false means that the stream is full. The caller signals, or
// releases the stream if the watcher is behind.
func (s *Stream) offer(w *Watcher, revision int64, events []*Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return false
	}
	e := w.open
	if e == nil || e.epoch != s.epoch || e.revisions == replyRevisions || e.bytes >= replyBytes {
		e = &entry{w: w, epoch: s.epoch}
		e.events = e.one[:0]
		w.open = e
		s.push(e)
	}
	s.held = s.held || w.behind
	e.revision = max(e.revision, revision)
	e.events = append(e.events, events...)
	e.revisions++
	bytes := 0
	for _, ev := range events {
		bytes += len(ev.frame)
	}
	e.bytes += bytes
	s.bytes += bytes
	s.events += len(events)
	s.full = s.bytes >= s.hub.streamBytes() || s.events >= streamEvents
	return true
}

// room says whether the stream takes events.
func (s *Stream) room() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.full
}

// push appends an entry; the caller holds mu.
func (s *Stream) push(e *entry) {
	if s.head > len(s.queue)/2 && len(s.queue) == cap(s.queue) {
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, e)
}

// signal tells the goroutine in Next that there is something.
func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
