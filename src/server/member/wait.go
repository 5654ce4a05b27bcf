package member

import (
	"sync"
	"sync/atomic"
	"time"

	"quoin.dev/server/apply"
	"quoin.dev/server/membership"
)

// waitShards spreads the waiting requests over several locks; a power of two.
const waitShards = 32

// waiter is one request on its way through the log.
type waiter struct {
	done     chan outcome // capacity 1; receives exactly once
	deadline time.Time
	bytes    int // of its request
	gone     atomic.Bool
}

// Gone implements raftnode.Owner.
func (w *waiter) Gone() bool { return w.gone.Load() }

// outcome is what a waiter receives: the result of its request, or timedOut.
type outcome struct {
	result   apply.Result
	members  []membership.Member // of a membership change
	stages   stages              // of an entry that was applied
	timedOut bool
}

// waitlist finds the waiter of a request id when its entry is applied. One sweep ends all that wait for too long, so that
// a request costs no timer.
type waitlist struct {
	underWay admission
	shards   [waitShards]struct {
		mu      sync.Mutex // guards waiting
		waiting map[uint64]*waiter
	}
}

func newWaitlist() *waitlist {
	l := new(waitlist)
	for i := range l.shards {
		l.shards[i].waiting = map[uint64]*waiter{}
	}
	return l
}

// add registers id, whose request has so many bytes, until it is taken or swept after deadline; nil if there are too many.
func (l *waitlist) add(id uint64, deadline time.Time, bytes int, makesRoom bool) *waiter {
	if !l.underWay.enter(bytes, makesRoom) {
		return nil
	}
	w := &waiter{done: make(chan outcome, 1), deadline: deadline, bytes: bytes}
	s := &l.shards[id%waitShards]
	s.mu.Lock()
	s.waiting[id] = w
	s.mu.Unlock()
	return w
}

// take removes and returns the waiter of id, nil if nobody on this member waits for it.
func (l *waitlist) take(id uint64) *waiter {
	s := &l.shards[id%waitShards]
	s.mu.Lock()
	w := s.waiting[id]
	if w != nil {
		delete(s.waiting, id)
		l.underWay.leave(w.bytes)
	}
	s.mu.Unlock()
	return w
}

// abandon gives up on id: its caller has left.
func (l *waitlist) abandon(id uint64) {
	if w := l.take(id); w != nil {
		w.gone.Store(true)
	}
}

// sweep ends every wait whose deadline has passed.
func (l *waitlist) sweep(now time.Time) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for id, w := range s.waiting {
			if now.After(w.deadline) {
				delete(s.waiting, id)
				l.underWay.leave(w.bytes)
				w.gone.Store(true)
				w.done <- outcome{timedOut: true}
			}
		}
		s.mu.Unlock()
	}
}
