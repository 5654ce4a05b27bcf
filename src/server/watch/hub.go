// Package watch tells watchers what happened to their keys: every change of every revision, in order, once.
//
// The applier publishes what it has changed and goes on. A dispatcher matches it with the watchers that are up to date and
// queues the events in their streams. A watcher that starts in the past, or whose stream is full, is behind: it catches up
// outside of all that, from the recent changes in memory or from the rows of the store, and is up to date again when it has
// seen what the dispatcher has. It never skips a change: when one it needs is compacted, it is canceled and told so.
package watch

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"quoin.dev/storage/mvcc"
)

// batch is what one transaction changed.
type batch struct {
	revision int64
	changes  []mvcc.Change
	events   []*Event // encoded when the first watcher wants one
	bytes    int
}

func (b *batch) event(i int) *Event {
	if b.events == nil {
		b.events = make([]*Event, len(b.changes))
	}
	if b.events[i] == nil {
		b.events[i] = newEvent(&b.changes[i])
	}
	return b.events[i]
}

// Hub connects one store with all watchers.
type Hub struct {
	logger *zap.Logger
	ctx    context.Context
	stop   context.CancelFunc
	loops  sync.WaitGroup
	meter  Meter

	// storeMu lets those who read rows finish before the store is taken away.
	storeMu sync.RWMutex
	store   *mvcc.Store // nil between Detach and Attach

	inbox    inbox
	streams  atomic.Int64 // that are open
	allBytes int64        // about how much may wait in all of them together

	mu         sync.Mutex // before the lock of a stream
	open       map[*Stream]struct{}
	attached   bool
	upToDate   matcher
	late       matcher
	recent     recent
	dispatched int64 // every batch up to this revision was matched
	place      int64 // where the last pass of those that are behind began
	touched    []touch
	filled     []*Stream     // got events in the present pass
	took       time.Duration // of the last pass, if it was through the rows of the store
	gained     int64         // revisions that it has passed
	seen       int64         // what was dispatched when it ended

	moves chan struct{} // has one token when watchers that are behind may get on
}

// New returns a hub without a store.
func New(logger *zap.Logger) *Hub {
	h := &Hub{logger: logger, allBytes: allBytes, open: map[*Stream]struct{}{}, moves: make(chan struct{}, 1)}
	h.inbox.init()
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.loops.Go(h.dispatch)
	h.loops.Go(h.catchUp)
	return h
}

// Close ends the hub's goroutines. Streams get nothing more.
func (h *Hub) Close() {
	h.stop()
	h.loops.Wait()
}

// Attach connects the hub with a store, at a start and after a snapshot has replaced the store. All watchers go on from
// where they were.
func (h *Hub) Attach(store *mvcc.Store) {
	h.storeMu.Lock()
	h.store = store
	h.storeMu.Unlock()
	h.mu.Lock()
	h.attached = true
	h.dispatched = store.Revision()
	h.mu.Unlock()
	h.behindMayMove()
}

// Detach lets go of the store: when it returns the hub does not read it any more. The applier calls it, so nothing is
// published meanwhile.
func (h *Hub) Detach() {
	h.storeMu.Lock()
	h.store = nil
	h.storeMu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.attached = false
	h.inbox.take() // the next store has it
	h.recent = recent{}
	h.fallBehind()
	h.late.all(func(w *Watcher) { w.pass = passNone })
}

// Publish tells of the changes of one transaction, in the order of revisions. It does not wait for anybody.
func (h *Hub) Publish(changes []mvcc.Change) {
	if len(changes) > 0 {
		h.inbox.put(changes)
	}
}

// NewStream returns an empty stream; it has to be closed.
func (h *Hub) NewStream() *Stream {
	h.streams.Add(1)
	s := &Stream{hub: h, watchers: map[int64]*Watcher{}, wake: make(chan struct{}, 1), sent: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[s] = struct{}{}
	return s
}

// Close removes the watchers of a stream.
func (s *Stream) Close() {
	s.hub.streams.Add(-1)
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.open, s)
	for _, w := range s.watchers {
		s.hub.remove(w)
	}
}

// streamBytes is how much may wait in one stream.
func (h *Hub) streamBytes() int {
	return int(min(max(h.allBytes/max(h.streams.Load(), 1), leastStreamBytes), mostStreamBytes))
}

// watched begins to keep what is published, when the first watcher comes. What was published before is not in the inbox.
func (h *Hub) watched() {
	if h.inbox.watched.Swap(true) || !h.attached {
		return
	}
	h.storeMu.RLock()
	defer h.storeMu.RUnlock()
	h.recent = recent{}
	h.dispatched = h.store.Revision()
}

// remove takes a watcher out of everything.
func (h *Hub) remove(w *Watcher) {
	if w.behind {
		h.late.remove(w)
	} else {
		h.upToDate.remove(w)
	}
	delete(w.stream.watchers, w.id)
	if h.late.count+h.upToDate.count == 0 {
		h.inbox.watched.Store(false)
	}
}

// dispatch matches batches with the watchers that are up to date.
func (h *Hub) dispatch() {
	for {
		select {
		case <-h.inbox.wake:
		case <-h.ctx.Done():
			return
		}
		h.mu.Lock()
		batches, upTo, lost := h.inbox.take()
		if lost && h.attached && upTo > h.dispatched {
			h.recent = recent{}
			h.fallBehind()
			h.dispatched = upTo
			h.behindMayMove()
		}
		h.mu.Unlock()
		for i := range batches {
			h.mu.Lock()
			if b := &batches[i]; h.attached && b.revision > h.dispatched {
				h.match(&h.upToDate, b, b.revision)
				h.dispatched = b.revision
				h.recent.add(b)
			}
			h.mu.Unlock()
		}
	}
}

// touch is a watcher with the events of the batch that is being matched.
type touch struct {
	w      *Watcher
	events []*Event
}

// match offers a batch to the watchers in m that want it. Those whose stream is full are behind from then on.
func (h *Hub) match(m *matcher, b *batch, header int64) {
	for i := range b.changes {
		c := &b.changes[i]
		m.each(c.Key, func(w *Watcher) {
			if w.next > b.revision || (w.behind && w.pass != passTaken) || (c.Tombstone && w.noDelete) || (!c.Tombstone && w.noPut) {
				return
			}
			h.touch(w, b.event(i))
		})
	}
	for i := range h.touched {
		t := &h.touched[i]
		h.offer(t.w, b, header, t.events)
		clear(t.events)
		t.w, t.events = nil, t.events[:0]
	}
	h.touched = h.touched[:0]
}

// touch notes an event for a watcher. The lists of events are used again.
func (h *Hub) touch(w *Watcher, e *Event) {
	if w.hits == 0 {
		n := len(h.touched)
		h.touched = slices.Grow(h.touched, 1)[:n+1]
		h.touched[n].w = w
		w.hits = int32(n + 1)
	}
	t := &h.touched[w.hits-1]
	t.events = append(t.events, e)
}

// offer gives a watcher its events of a batch.
func (h *Hub) offer(w *Watcher, b *batch, header int64, events []*Event) {
	taken := w.stream.offer(w, header, events)
	if w.behind {
		h.filled = append(h.filled, w.stream) // released when the pass is over
	} else {
		w.stream.signal()
	}
	w.hits, w.quiet = 0, false
	switch {
	case taken:
		w.next = b.revision + 1
	case w.behind:
		w.pass, w.next = passNone, b.revision
	default:
		w.behind, w.pass, w.next = true, passNone, b.revision
		h.upToDate.move(w, &h.late)
	}
}

// fallBehind makes every watcher one that has to catch up, from behind what was dispatched.
func (h *Hub) fallBehind() {
	var all []*Watcher
	h.upToDate.all(func(w *Watcher) { all = append(all, w) })
	for _, w := range all {
		w.behind, w.pass, w.next = true, passNone, max(w.next, h.dispatched+1)
		h.upToDate.move(w, &h.late)
	}
}

// behindMayMove wakes the goroutine that lets watchers catch up.
func (h *Hub) behindMayMove() {
	select {
	case h.moves <- struct{}{}:
	default:
	}
}

// reply completes an entry that was taken out of its stream.
func (h *Hub) reply(e *entry) Reply {
	if e.plain != nil {
		return *e.plain
	}
	r := Reply{ID: e.w.id, Revision: e.revision, Fragment: e.w.fragment, Frames: make([][]byte, len(e.events))}
	if e.w.prevKV {
		h.storeMu.RLock()
		defer h.storeMu.RUnlock()
	}
	for i, ev := range e.events {
		if r.Frames[i] = ev.frame; e.w.prevKV && h.store != nil {
			r.Frames[i] = ev.frameWithPrev(h.store)
		}
	}
	return r
}
