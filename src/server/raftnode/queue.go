package raftnode

import "sync"

// queue is an unbounded first-in first-out queue between the core, which must never wait, and one consumer that takes
// everything at once. What it can hold is bounded by raft: uncommitted entries by maxUncommittedBytes in a leader and by the
// messages in flight in a follower, committed ones by maxApplyingBytes.
type queue[T any] struct {
	mu     sync.Mutex
	filled *sync.Cond
	items  []T
	closed bool
}

func (q *queue[T]) init() { q.filled = sync.NewCond(&q.mu) }

func (q *queue[T]) push(v T) {
	q.mu.Lock()
	q.items = append(q.items, v)
	q.mu.Unlock()
	q.filled.Signal()
}

// takeAll waits until there is something and returns all of it, reusing the given slice for what comes next.
// ok is false once the queue is closed: what is left then is not worth doing.
func (q *queue[T]) takeAll(reuse []T) (items []T, ok bool) {
	clear(reuse)
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.filled.Wait()
	}
	if q.closed {
		return nil, false
	}
	items, q.items = q.items, reuse[:0]
	return items, true
}

func (q *queue[T]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

func (q *queue[T]) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.filled.Broadcast()
}
