// Package backend keeps the store file: a bbolt database with a table of applied, not yet written changes in front.
package backend

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Defaults of Options; the first two are etcd's.
const (
	DefaultBatchInterval = 100 * time.Millisecond
	DefaultBatchLimit    = 10_000
	DefaultPendingBytes  = 64 << 20
	DefaultMmapBytes     = 256 << 30
)

// rowOverheadBytes is what a row in the table weighs besides its key and value.
const rowOverheadBytes = 64

// Options configure a Backend. Only Path is required.
type Options struct {
	// Path of the bbolt file; it is created when missing unless ReadOnly is set.
	Path string
	// BatchInterval is the longest time a committed batch stays out of the file. 0 = 100 ms.
	BatchInterval time.Duration
	// BatchLimit is the number of changes that starts a flush before the interval is over. 0 = 10 000.
	BatchLimit int
	// PendingBytes bounds the memory of the table: Commit waits while more is pending. 0 = 64 MiB.
	PendingBytes int64
	// MmapBytes is the address space reserved for the file; growing beyond it needs a moment without readers, and writes
	// wait for it, so it is generous. 0 = 256 GiB; where that much is not available less is taken.
	MmapBytes uint64
	// SnapshotSlackBytes is how much the file may grow on account of a Snapshot that is read slowly, before what is left of
	// it is set aside. 0 = an eighth of the file, at least 64 MiB.
	SnapshotSlackBytes int64
	// FreelistArray selects bbolt's array freelist instead of the hash map.
	FreelistArray bool
	// NoSync leaves it to the system when what was written reaches the disk: the file survives the end of the process, and not
	// that of the machine.
	NoSync bool
	// Mlock keeps the file in memory, where the limit of locked memory allows it; not on Windows. Open and a flush that makes the
	// file grow fail where it does not.
	Mlock bool
	// ReadOnly is for tools: nothing is written, a shared lock is taken.
	ReadOnly bool
	fresh    bool // the file is a copy in the making: it is synced at its end, not in every transaction
	// LockWait is how long to wait for another process that has the file open. 0 = 1 s.
	LockWait time.Duration
	// OpenFile is the seam for fault injection. nil = os.OpenFile.
	OpenFile func(name string, flag int, perm os.FileMode) (*os.File, error)
	// Rename and SyncDir are more of it. nil = those of the system.
	Rename  func(from, to string) error
	SyncDir func(name string) error
	// OnFatal is called once, from the flusher's goroutine, when a flush failed: the table can't be made durable any
	// more and the process has to end. nil = the error is only kept and returned by Flush.
	OnFatal func(error)
	Logger  *zap.Logger
	// Meter counts; nil = one that nobody reads.
	Meter *Meter
}

// Backend is the store file and its table. The writer methods (Put, PutRevision, Delete, Commit) belong to one
// goroutine; all others may be called from any.
type Backend struct {
	o  Options
	db *database // changed under mu, by the flusher; the flusher reads it without

	size, sizeInUse atomic.Int64
	ahead           atomic.Int64 // of SizeAhead; written under mu

	// mu guards everything below. It is held for table operations only, never across I/O. It is the innermost lock
	// of the storage packages.
	mu       sync.RWMutex
	progress sync.Cond // on mu; told when a flush ended, and on fatal errors

	active    *generation // takes writes
	flushing  *genView    // being written; nil between flushes
	flushingB int64       // bytes of flushing
	committed mark        // the part of active that whole batches cover
	openOps   int         // changes since the last Commit
	lastKey   Revision    // newest row of the Key bucket

	applied  Applied // of the last Commit; ConfState only if it is not in the file yet
	flushedA Applied // what the file says

	commits, flushedCommits uint64 // batches closed, batches in the file
	laters                  []later
	laterSeq, flushedLater  uint64

	snapshots map[*Snapshot]struct{} // that hold pages of the file

	defragmented chan struct{} // closed at the end of the defragmentation that is under way; nil if none is
	twin         *twin         // gets every flush as well; nil between defragmentations
	swapping     *twin         // wants to take the place of the file

	cur    *readTx       // shared read transaction; nil while the map grows
	reopen chan struct{} // closed when cur is there again
	mapped int64         // lower bound of the mapped size

	err               error
	closed, abandoned bool

	waiters int // calls of Flush and FlushLater in progress

	kick, urgent, stop, done chan struct{}

	beforeWrite func() // test hook: called by the flusher before it writes a transaction
}

// later is work for the flusher that no reader sees: it may go to the file once batch number after is there.
type later struct {
	after   uint64
	seq     uint64
	bucket  Bucket
	deletes [][]byte
	key     []byte
	value   []byte
}

// Open opens or creates the file and starts the flusher.
func Open(o Options) (*Backend, error) {
	if o.BatchInterval <= 0 {
		o.BatchInterval = DefaultBatchInterval
	}
	if o.BatchLimit <= 0 {
		o.BatchLimit = DefaultBatchLimit
	}
	if o.PendingBytes <= 0 {
		o.PendingBytes = DefaultPendingBytes
	}
	o = o.withFile()
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Meter == nil {
		o.Meter = NewMeter()
	}
	db, mapped, err := openFile(o)
	if err != nil {
		return nil, err
	}
	b := &Backend{
		o: o, db: db, mapped: mapped,
		active: newGeneration(), snapshots: map[*Snapshot]struct{}{},
		kick: make(chan struct{}, 1), urgent: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	b.progress.L = &b.mu
	if err := b.load(); err != nil {
		_ = db.Close()
		return nil, err
	}
	if o.ReadOnly {
		close(b.done)
	} else {
		go b.run()
	}
	return b, nil
}

// load reads what the writer has to know before its first write.
func (b *Backend) load() error {
	tx, err := newReadTx(b.db)
	if err != nil {
		return fmt.Errorf("backend %s: %w", b.o.Path, err)
	}
	b.cur = tx
	b.setSize(b.db.sizeOf(tx)) // nobody else is here yet
	v := b.View()
	defer v.Close()
	if b.flushedA, err = v.Applied(); err != nil {
		v.Close()
		b.cur.release()
		return corruptError(b.o.Path, err)
	}
	b.applied = b.flushedA
	if bucket := tx.buckets[Key]; bucket != nil {
		if k, _ := bucket.Cursor().Last(); k != nil {
			if b.lastKey, _, err = ParseRevisionKey(k); err != nil {
				v.Close()
				b.cur.release()
				return corruptError(b.o.Path, err)
			}
		}
	} else {
		b.lastKey = Revision{}
	}
	return nil
}

// Err is the error that made the backend refuse work, nil while all is well.
func (b *Backend) Err() error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.err
}

// Size is the length of the data in the file in bytes, free pages included.
func (b *Backend) Size() int64 { return b.size.Load() }

// SizeInUse is Size without free pages.
func (b *Backend) SizeInUse() int64 { return b.sizeInUse.Load() }

// SizeAhead estimates Size at the time when all that is pending is in the file: it takes free pages first, then the file
// grows. It is what a quota looks at, since the file is late.
func (b *Backend) SizeAhead() int64 { return b.ahead.Load() }

// lookAhead brings SizeAhead up to date. The caller holds mu.
func (b *Backend) lookAhead() {
	b.ahead.Store(max(b.size.Load(), b.sizeInUse.Load()+b.active.bytes+b.flushingB))
}

// closeWait bounds how long Close waits for readers that forgot to close their View, abandonWait how long Abandon does.
const (
	closeWait   = 10 * time.Second
	abandonWait = 100 * time.Millisecond
)

// Close writes every committed batch and closes the file; changes that were not committed are dropped. Views have to be
// closed before; it waits for forgotten ones only so long.
func (b *Backend) Close() error { return b.close(false) }

// Abandon closes the file without writing what is pending: it leaves what a crash would leave. It is for a file that is
// about to be replaced, and for tests. It does not wait for a Snapshot that is on its way through a slow network: that
// keeps the old file, under whatever name, until its own Close.
func (b *Backend) Abandon() error { return b.close(true) }

func (b *Backend) close(abandon bool) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed, b.abandoned = true, abandon
	b.progress.Broadcast()
	b.mu.Unlock()
	close(b.stop)
	<-b.done

	wait := closeWait
	if abandon {
		wait = abandonWait
	}
	b.awaitDefragmentation(wait)
	b.mu.Lock()
	err := b.err
	if b.cur != nil {
		b.cur.release()
		b.cur = nil
	}
	b.mu.Unlock()
	closed := make(chan error, 1)
	go func() { closed <- b.db.Close() }() // waits for the last reader
	select {
	case cerr := <-closed:
		if err == nil && cerr != nil {
			err = fmt.Errorf("close backend %s: %w", b.o.Path, cerr)
		}
	case <-time.After(wait):
		if err == nil && !abandon {
			err = fmt.Errorf("close backend %s: a reader was still open after %v", b.o.Path, wait)
		}
	}
	return err
}
