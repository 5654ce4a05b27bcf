package member

import (
	"sync"
	"sync/atomic"
	"time"

	"quoin.dev/server/apply"
	"quoin.dev/server/membership"
	"quoin.dev/server/raftnode"
)

// waitShards spreads the waiting requests over several locks; a power of two.
const waitShards = 32

// waiter is one request on its way through the log.
type waiter struct {
	done     chan outcome // capacity 1; receives exactly once
	deadline time.Time
	bytes    int // of its request
	gone     atomic.Bool
	taken    atomic.Uint64     // what raft did with its proposal, see fate.go
	proposal raftnode.Proposal // set before it is proposed
}

// Gone implements raftnode.Owner.
func (w *waiter) Gone() bool { return w.gone.Load() }

// outcome is what a waiter receives: the result of its request, timedOut, or overtaken.
type outcome struct {
	result   apply.Result
	members  []membership.Member // of a membership change
	stages   stages              // of an entry that was applied
	timedOut bool
	// overtaken: there is another leader, and what was sent to the one before can hardly be applied any more.
	overtaken bool
}

// waitlist finds the waiter of a request id when its entry is applied. One sweep ends all that wait for too long, so that
// a request costs no timer.
type waitlist struct {
	underWay admission
	present  atomic.Pointer[era]
	patience time.Duration // with what was sent to a leader that leads no more
	shards   [waitShards]struct {
		mu      sync.Mutex // guards waiting
		waiting map[uint64]*waiter
	}
}

func newWaitlist(patience time.Duration) *waitlist {
	l := &waitlist{patience: patience}
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

// find returns the waiter of id and leaves it, nil if nobody on this member waits for it.
func (l *waitlist) find(id uint64) *waiter {
	s := &l.shards[id%waitShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting[id]
}

// sweep ends every wait whose deadline has passed, or that a change of leader has made vain. It returns the waiters whose
// proposals are not in the log and can not get there, which are to be proposed again.
func (l *waitlist) sweep(now time.Time) (lost []*waiter) {
	present := l.present.Load()
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for id, w := range s.waiting {
			o := outcome{timedOut: now.After(w.deadline)}
			if !o.timedOut {
				if w.lostIn(present) {
					lost = append(lost, w)
					continue
				}
				o.overtaken = w.overtakenBy(present, now.Add(-l.patience))
			}
			if o.timedOut || o.overtaken {
				delete(s.waiting, id)
				l.underWay.leave(w.bytes)
				w.gone.Store(true)
				w.done <- o
			}
		}
		s.mu.Unlock()
	}
	return lost
}
