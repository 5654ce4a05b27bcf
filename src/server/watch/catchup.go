package watch

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"quoin.dev/storage/mvcc"
)

const (
	// historyBytes is about how much of the store's rows one pass reads at most.
	historyBytes = 256 << 10
	// longestBreath bounds the pause after a pass that was held up itself.
	longestBreath = 20 * time.Millisecond
	// recentPerPass is how many batches in memory one pass takes while the dispatcher waits.
	recentPerPass = 256
)

// catchUp lets watchers that are behind get on whenever one of them may.
func (h *Hub) catchUp() {
	for {
		select {
		case <-h.moves:
		case <-h.ctx.Done():
			return
		}
		for h.ctx.Err() == nil && h.pass() {
			h.breathe()
		}
	}
}

// breathe leaves time to writes, if there were any since the last breath.
func (h *Hub) breathe() {
	h.mu.Lock()
	took, gained, written := h.took, h.gained, h.dispatched-h.seen
	h.took, h.seen = 0, h.dispatched
	h.mu.Unlock()
	pause := breath(took, gained, written)
	if pause == 0 {
		return
	}
	select {
	case <-time.After(pause):
	case <-h.ctx.Done():
	}
}

// breath is how long to leave the machine to writes after a pass: four fifths of the time, and half of it when the watchers would
// hardly come nearer, which would never catch up otherwise. gained and written are revisions: passed by the watchers, and new.
func breath(took time.Duration, gained, written int64) time.Duration {
	if written == 0 {
		return 0
	}
	pause := 4 * took
	if gained < 2*written {
		pause = took
	}
	return min(pause, longestBreath)
}

// pass takes one step with the watchers that are at one place in the past or ahead of it. It returns false when nobody can
// get on.
func (h *Hub) pass() bool {
	h.mu.Lock()
	from, ok := h.choose()
	if !ok {
		h.mu.Unlock()
		return false
	}
	if batches, ok := h.recent.from(from, recentPerPass); ok {
		next := h.dispatched + 1
		for _, b := range batches {
			h.match(&h.late, b, b.revision)
			next = b.revision + 1
		}
		if len(batches) < recentPerPass {
			next = h.dispatched + 1
		}
		h.arrive(next)
		h.mu.Unlock()
		return true
	}
	h.mu.Unlock()
	return h.history(from)
}

// choose decides where the next pass begins, and who takes part: all that are there or ahead, and whose stream has room. Places
// take turns, so that a watcher far behind does not hold up those that are nearly there; those at one place share the way.
func (h *Hub) choose() (from int64, ok bool) {
	if !h.attached {
		return 0, false
	}
	first, following := int64(-1), int64(-1)
	h.late.all(func(w *Watcher) {
		if w.pass = passNone; !w.stream.room() {
			return
		}
		w.pass = passWaiting
		if first < 0 || w.next < first {
			first = w.next
		}
		if w.next > h.place && (following < 0 || w.next < following) {
			following = w.next
		}
	})
	if first < 0 {
		return 0, false
	}
	if h.place = following; following < 0 {
		h.place = first
	}
	h.late.all(func(w *Watcher) {
		if w.pass == passWaiting && w.next >= h.place {
			w.pass = passTaken
		}
	})
	return h.place, true
}

// history takes a pass through the rows of the store.
func (h *Hub) history(from int64) bool {
	h.storeMu.RLock()
	store := h.store
	if store == nil {
		h.storeMu.RUnlock()
		return false
	}
	var batches []*batch
	began := time.Now()
	now := store.Revision()
	next, err := store.Changes(h.ctx, from, min(historyBytes, h.streamBytes()), func(c mvcc.Change) {
		if n := len(batches); n == 0 || batches[n-1].revision != c.Revision {
			batches = append(batches, &batch{revision: c.Revision})
		}
		b := batches[len(batches)-1]
		b.changes = append(b.changes, c)
	})
	compacted := store.CompactRevision()
	h.storeMu.RUnlock()
	if err != nil {
		return h.cannotRead(err, compacted)
	}
	for _, b := range batches {
		h.mu.Lock()
		h.match(&h.late, b, max(now, b.revision))
		h.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.arrive(next)
	h.took, h.gained = time.Since(began), next-from
	return true
}

// arrive ends a pass: those who took part and were not held up are at next, and who has seen what was dispatched is up to
// date.
func (h *Hub) arrive(next int64) {
	for i, s := range h.filled {
		s.release()
		h.filled[i] = nil
	}
	h.filled = h.filled[:0]
	if !h.attached {
		return
	}
	var arrived []*Watcher
	h.late.all(func(w *Watcher) {
		if w.pass != passTaken {
			return
		}
		if w.next = max(w.next, next); w.next > h.dispatched {
			arrived = append(arrived, w)
		}
	})
	for _, w := range arrived {
		w.behind = false
		h.late.move(w, &h.upToDate)
	}
}

// cannotRead cancels the watchers whose next changes are compacted. Any other error is one of the file: the watchers that
// would need it hear nothing more, which the log says.
func (h *Hub) cannotRead(err error, compacted int64) bool {
	if !errors.Is(err, mvcc.ErrCompacted) {
		if h.ctx.Err() == nil {
			h.logger.Error("failed to read history for watchers that are behind", zap.Error(err))
		}
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var gone []*Watcher
	h.late.all(func(w *Watcher) {
		if w.next < compacted {
			gone = append(gone, w)
		}
	})
	for _, w := range gone {
		h.remove(w)
		w.stream.say(Reply{ID: w.id, Canceled: true, CompactRevision: compacted})
	}
	return true
}
