package watch

import (
	"slices"
	"sync"
	"sync/atomic"

	"quoin.dev/storage/mvcc"
)

// Limits of what is kept in memory: of what the dispatcher has not seen yet, and of what it has.
const (
	inboxBytes    = 64 << 20
	recentBytes   = 8 << 20
	recentBatches = 8 << 10
)

// inbox takes what the applier has changed until the dispatcher comes.
type inbox struct {
	wake    chan struct{} // has one token when there is something
	watched atomic.Bool   // somebody watches: otherwise nothing is kept

	mu      sync.Mutex
	batches []batch
	bytes   int
	// overflow: the dispatcher is so far behind that batches up to upTo were dropped.
	overflow bool
	upTo     int64
}

func (in *inbox) init() { in.wake = make(chan struct{}, 1) }

// put copies the list of changes; what they refer to stays valid.
func (in *inbox) put(changes []mvcc.Change) {
	if !in.watched.Load() {
		return
	}
	b := batch{revision: changes[0].Revision, changes: slices.Clone(changes)}
	for i := range changes {
		b.bytes += len(changes[i].Raw)
	}
	in.mu.Lock()
	if in.bytes > inboxBytes {
		in.batches, in.bytes, in.overflow = nil, 0, true
	}
	in.batches = append(in.batches, b)
	in.bytes += b.bytes
	if in.overflow {
		in.upTo = b.revision
		in.batches, in.bytes = nil, 0
	}
	in.mu.Unlock()
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// take empties the inbox. lost says that batches up to upTo were dropped.
func (in *inbox) take() (batches []batch, upTo int64, lost bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	batches, upTo, lost = in.batches, in.upTo, in.overflow
	in.batches, in.bytes, in.overflow = nil, 0, false
	return batches, upTo, lost
}

// recent is the last batches that were dispatched, without a gap.
type recent struct {
	batches []*batch
	bytes   int
}

func (r *recent) add(b *batch) {
	r.batches = append(r.batches, b)
	r.bytes += b.bytes
	drop := 0
	for len(r.batches)-drop > recentBatches || (r.bytes > recentBytes && len(r.batches)-drop > 1) {
		r.bytes -= r.batches[drop].bytes
		drop++
	}
	if drop > 0 {
		clear(r.batches[:drop])
		r.batches = r.batches[drop:]
	}
}

// from returns the batches of revision and later ones, at most n; false if the first of them may have been dropped.
func (r *recent) from(revision int64, n int) ([]*batch, bool) {
	if len(r.batches) == 0 || revision < r.batches[0].revision {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(r.batches, revision, func(b *batch, rev int64) int { return int(b.revision - rev) })
	return r.batches[i:min(i+n, len(r.batches))], true
}
