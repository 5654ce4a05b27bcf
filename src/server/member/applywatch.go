package member

import (
	"container/heap"
	"sync"
	"sync/atomic"
)

// applyWatch knows how far this member has applied, and calls back when it has come to an index.
type applyWatch struct {
	applied atomic.Uint64

	mu      sync.Mutex // guards waiting; never held while a callback runs
	waiting callbacks
}

// index is the last applied log index.
func (w *applyWatch) index() uint64 { return w.applied.Load() }

// after calls f once everything up to index is applied: at once if it is, else from the applier. What it returns takes the call
// back.
func (w *applyWatch) after(index uint64, f func()) (cancel func()) {
	w.mu.Lock()
	if w.applied.Load() >= index {
		w.mu.Unlock()
		f()
		return func() {}
	}
	c := &callback{index: index, f: f}
	heap.Push(&w.waiting, c)
	w.mu.Unlock()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if c.at >= 0 {
			heap.Remove(&w.waiting, c.at)
		}
	}
}

// advance is called by the applier.
func (w *applyWatch) advance(index uint64) {
	w.mu.Lock()
	w.applied.Store(index)
	var ready []func()
	for len(w.waiting) > 0 && w.waiting[0].index <= index {
		ready = append(ready, heap.Pop(&w.waiting).(*callback).f)
	}
	w.mu.Unlock()
	for _, f := range ready {
		f()
	}
}

type callback struct {
	index uint64
	f     func()
	at    int // its place in the heap, -1 once it has left
}

// callbacks is a heap with the lowest index first.
type callbacks []*callback

func (c callbacks) Len() int           { return len(c) }
func (c callbacks) Less(i, j int) bool { return c[i].index < c[j].index }
func (c callbacks) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	c[i].at, c[j].at = i, j
}

func (c *callbacks) Push(x any) {
	x.(*callback).at = len(*c)
	*c = append(*c, x.(*callback))
}

func (c *callbacks) Pop() any {
	old := *c
	last := old[len(old)-1]
	last.at = -1
	old[len(old)-1] = nil
	*c = old[:len(old)-1]
	return last
}
