// Package mvcc is the multi-version key space: every change makes a revision, and reads see any revision that has not
// been compacted.
package mvcc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc/index"
)

var (
	// ErrCompacted means that the revision is below the compact revision.
	ErrCompacted = errors.New("mvcc: required revision has been compacted")
	// ErrFutureRevision means that the revision is above the current one.
	ErrFutureRevision = errors.New("mvcc: required revision is a future revision")
	// ErrClosed means that the store was closed while the call waited.
	ErrClosed = errors.New("mvcc: closed")
)

// noCompaction is the compact revision of a store that was never compacted.
const noCompaction = -1

// LeaseTracker is told which keys hang on which lease. It is called by the writer goroutine while the store is locked,
// and must not call the store.
type LeaseTracker interface {
	Attach(lease int64, key []byte)
	Detach(lease int64, key []byte)
}

// Options configure a Store; the zero value works.
type Options struct {
	Logger *zap.Logger
	// Leases may be nil.
	Leases LeaseTracker
	// CompactionBatch is the number of revisions that compaction deletes before it pauses. 0 = 1000.
	CompactionBatch int
	// CompactionPause is how long it pauses. 0 = 10 ms.
	CompactionPause time.Duration
	// Meter counts; nil = one that nobody reads.
	Meter *Meter
	// NoCompaction leaves a compaction that was under way as it is, for tools that only read.
	NoCompaction bool
}

// Store is the key space over one backend.
//
//	compacted <= current + 1 transaction in progress
//	a pinned revision is never below a compaction whose deletions have begun
//
// There is one writer: Begin..End and Compact belong to the goroutine that also calls Commit on the backend. Reads may
// come from any goroutine. A reader pins a revision, so that it needs the lock for small chunks of the index only; rows
// are read without it, from views that are opened after the chunk's lock is given up and closed before the next is taken.
type Store struct {
	b *backend.Backend
	o Options

	// mu guards the index, current, compacted and bumps. It is taken before the backend's lock. A transaction holds it
	// from its first change to its end, so that readers see whole transactions; nobody holds it across I/O, but for the
	// row of a leased key that a transaction replaces.
	mu        sync.RWMutex
	index     *index.Index
	current   atomic.Int64 // written under mu
	compacted atomic.Int64 // written under mu
	bumps     []backend.Revision
	anyLease  bool // some key has had a lease: replaced keys have to be looked at

	pins    pins
	compact compactor

	// hashing is held for reading by HashKV, so that Close can wait for it, and guards closed. It is taken before mu.
	hashing sync.RWMutex
	closed  bool

	txn Txn // the writer's: one at a time, so it is reused

	chunkKeys, rowsPerView, gatherRevisions int // the constants of these names, but for tests
}

// Open rebuilds the index from the rows of the backend and resumes a compaction that was under way. The backend stays
// the caller's, who closes it after the Store.
func Open(b *backend.Backend, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.CompactionBatch <= 0 {
		o.CompactionBatch = 1000
	}
	if o.CompactionPause <= 0 {
		o.CompactionPause = 10 * time.Millisecond
	}
	if o.Meter == nil {
		o.Meter = NewMeter()
	}
	s := &Store{b: b, o: o, index: index.New(), chunkKeys: chunkKeys, rowsPerView: rowsPerView, gatherRevisions: gatherRevisions}
	s.pins.init()
	pending, err := s.restore()
	if err != nil {
		return nil, fmt.Errorf("rebuild the index: %w", err)
	}
	s.compact.start(s)
	if pending && !o.NoCompaction {
		s.compact.add(newCompaction(s.compacted.Load(), noCompaction, true))
	}
	return s, nil
}

// Close stops the background work, and calls of HashKV, which return ErrClosed. Transactions and other reads have to be over.
func (s *Store) Close() {
	s.compact.close()
	s.hashing.Lock() // waits for those that read
	defer s.hashing.Unlock()
	s.closed = true
}

// Revision is the current revision: that of the last change, 1 in an empty store.
func (s *Store) Revision() int64 { return s.current.Load() }

// CompactRevision is the revision of the last compaction, -1 if there was none.
func (s *Store) CompactRevision() int64 { return s.compacted.Load() }

// Keys is the number of keys at the current revision.
func (s *Store) Keys() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.Len()
}

// IndexBytes is the memory that the index takes.
func (s *Store) IndexBytes() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.Bytes()
}

// revision checks a requested revision against the current one; 0 and less mean current.
func (s *Store) revision(asked, current int64) (int64, error) {
	switch {
	case asked > current:
		return 0, ErrFutureRevision
	case asked <= 0:
		return current, nil
	case asked < s.compacted.Load():
		return 0, ErrCompacted
	}
	return asked, nil
}

// pins counts the readers of revisions that compaction has to wait for. Its lock is innermost.
type pins struct {
	mu      sync.Mutex
	count   map[int64]int
	changed chan struct{} // closed when a revision has lost its last reader; nil while nobody waits
}

func (p *pins) init() { p.count = map[int64]int{} }

func (p *pins) add(rev int64) {
	p.mu.Lock()
	p.count[rev]++
	p.mu.Unlock()
}

func (p *pins) remove(rev int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[rev]--; p.count[rev] > 0 {
		return
	}
	delete(p.count, rev)
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// below returns nil if no revision below rev is pinned, else a channel that is closed when that may have changed.
func (p *pins) below(rev int64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.count {
		if r < rev {
			if p.changed == nil {
				p.changed = make(chan struct{})
			}
			return p.changed
		}
	}
	return nil
}

// waitBelow returns when no revision below rev is pinned.
func (p *pins) waitBelow(ctx context.Context, rev int64) error {
	for changed := p.below(rev); changed != nil; changed = p.below(rev) {
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
