package mvcc

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc/index"
	"quoin.dev/storage/schema"
)

// compactChunk is how much work the index does per hold of the lock while it is compacted.
const compactChunk = 512

// compaction is one scheduled compaction.
type compaction struct {
	rev, prev int64 // compact revision, and the one before
	resumed   bool  // deletion had begun before the store was opened: there is no hash
	hashed    chan struct{}
	done      chan struct{}
}

func newCompaction(rev, prev int64, resumed bool) *compaction {
	return &compaction{rev: rev, prev: prev, resumed: resumed, hashed: make(chan struct{}), done: make(chan struct{})}
}

// Compact makes revisions below rev unreadable, and lets the background delete what rev supersedes: of every key it keeps
// the newest revision up to rev, unless that is a tombstone older than rev. The announcement belongs to the batch that
// the next Commit of the backend closes. done is closed when the deletion is in the file, which needs that Commit: the
// writer must not wait for it. Errors: ErrCompacted, ErrFutureRevision.
func (s *Store) Compact(rev int64) (done <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	prev := s.compacted.Load()
	if rev <= prev {
		return nil, ErrCompacted
	}
	if rev > s.current.Load() {
		return nil, ErrFutureRevision
	}
	s.compacted.Store(rev)
	schema.PutScheduledCompaction(s.b, rev)
	c := newCompaction(rev, prev, false)
	s.compact.add(c)
	return c.done, nil
}

// compactor runs compactions one after the other on a goroutine of its own.
type compactor struct {
	s      *Store
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
	kick   chan struct{}

	mu     sync.Mutex // guards what follows; innermost
	queue  []*compaction
	busy   bool        // one is under way
	last   *compaction // newest one ever added
	hashes []HashKV    // of the last compactions, oldest first
}

func (c *compactor) start(s *Store) {
	c.s = s
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.ended, c.kick = make(chan struct{}), make(chan struct{}, 1)
	go c.run()
}

func (c *compactor) close() {
	c.cancel()
	<-c.ended
}

func (c *compactor) add(j *compaction) {
	c.mu.Lock()
	c.queue, c.last = append(c.queue, j), j
	c.mu.Unlock()
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func (c *compactor) run() {
	defer close(c.ended)
	for {
		select {
		case <-c.kick:
		case <-c.ctx.Done():
			return
		}
		c.mu.Lock()
		jobs := c.queue
		c.queue, c.busy = nil, len(jobs) > 0
		c.mu.Unlock()
		if len(jobs) == 0 {
			continue
		}
		// The newest compaction deletes what those before it would; their hashes are not taken.
		for _, j := range jobs[:len(jobs)-1] {
			close(j.hashed)
		}
		err := c.do(jobs[len(jobs)-1])
		c.mu.Lock()
		c.busy = false
		c.mu.Unlock()
		if err != nil {
			if c.ctx.Err() == nil {
				c.s.o.Logger.Error("compaction failed; it is resumed at the next start", zap.Int64("revision", jobs[len(jobs)-1].rev), zap.Error(err))
			}
			continue
		}
		go func() {
			if c.s.b.FlushLater() != nil {
				return // the backend is closed or broken: the deletion is resumed at the next start
			}
			for _, j := range jobs {
				close(j.done)
			}
		}()
	}
}

func (c *compactor) do(j *compaction) error {
	begun := time.Now()
	// A reader below the compact revision came before the compaction did.
	if err := c.s.pins.waitBelow(c.ctx, j.rev); err != nil {
		return err
	}
	if err := c.hash(j); err != nil {
		return err
	}
	deleted, err := c.delete(j.rev)
	if err != nil {
		return err
	}
	key, value := schema.FinishedCompaction(j.rev)
	c.s.b.PutLater(backend.Meta, key, value)
	c.s.o.Meter.Compaction.Since(begun)
	c.s.o.Meter.CompactedRows.Add(uint64(deleted))
	c.s.o.Meter.LastCompaction.Store(time.Now().Unix())
	c.s.o.Logger.Info("finished scheduled compaction", zap.Int64("compact-revision", j.rev), zap.Int("deleted-revisions", deleted), zap.Duration("took", time.Since(begun)))
	return nil
}

// hash takes the hash of the compaction before anything is deleted. After a restart that is too late.
func (c *compactor) hash(j *compaction) error {
	defer close(j.hashed)
	if j.resumed {
		return nil
	}
	h, err := c.s.hash(c.ctx, j.rev, j.prev)
	if err == nil {
		c.keep(h)
	}
	return err
}

// gatherRevisions is how many revisions are dropped from the index before the first of them is deleted: 16 bytes each.
const gatherRevisions = 1 << 20

// How a compaction leaves the processor to others: after each stretch of work it rests restShare times as long as that took.
const (
	restAfter = 500 * time.Microsecond
	restShare = 3
	maxRest   = 20 * time.Millisecond
)

// restFor is the rest after so much work.
func restFor(worked time.Duration) time.Duration { return min(restShare*worked, maxRest) }

// delete drops revisions from the index in small steps, so that nobody waits long for its lock, and deletes their rows.
//
// The index has them by key, the file by revision. The old revisions of one key are in as many pages, and each page would be
// written anew for every key that has something in it. So they are gathered and sorted: then whole pages become free.
func (c *compactor) delete(rev int64) (deleted int, err error) {
	var gone gathering
	c.s.mu.Lock()
	c.s.compactBumps(rev, gone.add)
	c.s.mu.Unlock()
	worked := time.Duration(0)
	for from, done := []byte(nil), false; !done; {
		c.s.mu.Lock()
		begun := time.Now()
		from, done = c.s.index.Compact(rev, from, compactChunk, gone.add)
		c.s.mu.Unlock()
		took := time.Since(begun)
		c.s.o.Meter.IndexPause.Observe(took)
		if worked += took; worked >= restAfter {
			if err := c.pause(restFor(worked)); err != nil {
				return deleted, err
			}
			worked = 0
		}
		if done || gone.n >= c.s.gatherRevisions {
			deleted += gone.n
			if err := c.deleteRows(&gone); err != nil {
				return deleted, err
			}
		}
	}
	return deleted, nil
}

// maxPendingDeletes bounds the deletions that wait for a slow disk.
const maxPendingDeletes = 100_000

// deleteRows hands rows to the backend in batches with a pause, so that the disk is not taken for long (etcd#13777).
func (c *compactor) deleteRows(gone *gathering) error {
	begun := time.Now()
	err := gone.sort(func() error {
		err := c.pause(restFor(time.Since(begun)))
		begun = time.Now()
		return err
	})
	if err != nil {
		return err
	}
	for batch := gone.next(c.s.o.CompactionBatch); len(batch) > 0; batch = gone.next(c.s.o.CompactionBatch) {
		begun := time.Now()
		c.s.b.DeleteLater(backend.Key, rowKeys(batch)...)
		c.s.o.Meter.RowsPause.Since(begun)
		if err := c.pause(c.s.o.CompactionPause); err != nil {
			return err
		}
		for c.s.b.PendingDeletes() >= maxPendingDeletes {
			if err := c.pause(c.s.o.CompactionPause); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowKeys are in one buffer.
func rowKeys(revs []index.Rev) [][]byte {
	buffer := make([]byte, 0, len(revs)*backend.RevisionKeyBytes)
	keys := make([][]byte, len(revs))
	for i, r := range revs {
		at := len(buffer)
		buffer = backend.AppendRevisionKey(buffer, backend.Revision(r), false)
		keys[i] = buffer[at:len(buffer):len(buffer)]
	}
	return keys
}

func (c *compactor) pause(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}
