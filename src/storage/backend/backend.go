// Package backend keeps the store file: a bbolt database with a table of applied, not yet written changes in front.
package backend

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"
)

// Defaults of Options; the first two and the map size are etcd's.
const (
	DefaultBatchInterval = 100 * time.Millisecond
	DefaultBatchLimit    = 10_000
	DefaultPendingBytes  = 64 << 20
	DefaultMmapBytes     = 10 << 30
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
	// MmapBytes is the address space reserved for the file; growing beyond it needs a moment without readers,
	// so it is generous. 0 = 10 GiB; where that much is not available less is taken.
	MmapBytes uint64
	// FreelistArray selects bbolt's array freelist instead of the hash map.
	FreelistArray bool
	// ReadOnly is for tools: nothing is written, a shared lock is taken.
	ReadOnly bool
	// OpenFile is the seam for fault injection. nil = os.OpenFile.
	OpenFile func(name string, flag int, perm os.FileMode) (*os.File, error)
	// OnFatal is called once, from the flusher's goroutine, when a flush failed: the table can't be made durable any
	// more and the process has to end. nil = the error is only kept and returned by Flush.
	OnFatal func(error)
	Logger  *zap.Logger
}

// Backend is the store file and its table. The writer methods (Put, PutRevision, Delete, Commit) belong to one
// goroutine; all others may be called from any.
type Backend struct {
	o  Options
	db *bbolt.DB

	size, sizeInUse atomic.Int64

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
	if o.MmapBytes == 0 {
		o.MmapBytes = DefaultMmapBytes
	}
	if o.OpenFile == nil {
		o.OpenFile = os.OpenFile
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	db, mapped, err := openFile(o)
	if err != nil {
		return nil, err
	}
	b := &Backend{
		o: o, db: db, mapped: mapped,
		active: newGeneration(),
		kick:   make(chan struct{}, 1), urgent: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
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
	b.noteSize(tx)
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

// Put sets a row. The backend owns key and value from now on. Rows of the Key bucket have to come in ascending order.
// Views opened from now on see the change; the file gets it with the batch that the next Commit closes.
func (b *Backend) Put(bucket Bucket, key, value []byte) {
	if bucket == Key {
		r, tombstone, err := ParseRevisionKey(key)
		if err != nil {
			panic(fmt.Sprintf("backend: %v: this is a fault of the caller", err))
		}
		b.PutRevision(r, tombstone, value)
		return
	}
	b.change(bucket, key, value, false)
}

// Delete removes a row of one of the small buckets.
func (b *Backend) Delete(bucket Bucket, key []byte) {
	if bucket == Key {
		panic("backend: rows of the key bucket are removed with DeleteLater only")
	}
	b.change(bucket, key, nil, true)
}

func (b *Backend) change(bucket Bucket, key, value []byte, deleted bool) {
	b.mu.Lock()
	b.active.small[bucket].append(key, value, deleted)
	b.active.bytes += int64(len(key)+len(value)) + 2*rowOverheadBytes
	b.openOps++
	b.mu.Unlock()
}

// PutRevision is Put on the Key bucket without a detour over the encoded row key.
func (b *Backend) PutRevision(r Revision, tombstone bool, value []byte) {
	b.mu.Lock()
	if !b.lastKey.Less(r) {
		last := b.lastKey
		b.mu.Unlock()
		panic(fmt.Sprintf("backend: the key bucket is append-only: expected a revision after %d/%d, found %d/%d: the data directory and the raft log do not belong together, restore this member",
			last.Main, last.Sub, r.Main, r.Sub))
	}
	b.lastKey = r
	b.active.keys.append(keyRow{rev: r, tombstone: tombstone, value: value})
	b.active.bytes += int64(len(value)) + rowOverheadBytes
	b.openOps++
	b.mu.Unlock()
}

// Commit closes the batch of all changes since the previous Commit: they will be in the file together, and together
// with a. It waits while more than PendingBytes are not in the file yet, and not for anything else.
func (b *Backend) Commit(a Applied) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.Index != 0 {
		if a.Index < b.applied.Index {
			panic(fmt.Sprintf("backend: the consistent index would go back from %d to %d: an entry was applied twice, restore this member", b.applied.Index, a.Index))
		}
		b.applied.Index, b.applied.Term = a.Index, a.Term
	}
	if a.ConfState != nil {
		b.applied.ConfState = a.ConfState
	}
	if b.openOps == 0 && a.Index == 0 && a.ConfState == nil {
		return
	}
	b.openOps = 0
	b.commits++
	b.committed = b.active.mark()
	b.wake()
	for b.active.bytes+b.flushingB > b.o.PendingBytes && b.err == nil && !b.closed {
		signal(b.urgent)
		b.progress.Wait()
	}
}

// wake tells the flusher that there is work, and that it is urgent if there is much or somebody waits. The caller holds mu.
func (b *Backend) wake() {
	signal(b.kick)
	if b.waiters > 0 || b.committed.bytes >= b.o.PendingBytes/2 || b.committed.ops() >= b.o.BatchLimit {
		signal(b.urgent)
	}
}

func (m *mark) ops() int {
	n := m.keys
	for _, c := range m.small {
		n += int(c)
	}
	return n
}

// Applied is the index and term of the last Commit, or what the file said at Open.
func (b *Backend) Applied() (index, term uint64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.applied.Index, b.applied.Term
}

// DeleteLater removes rows once everything written so far is in the file. Views may or may not show the rows until
// then: it is for rows that nothing refers to any more. In the Key bucket a 17-byte key removes a tombstone as well.
func (b *Backend) DeleteLater(bucket Bucket, keys ...[]byte) {
	if len(keys) > 0 {
		b.addLater(later{bucket: bucket, deletes: keys})
	}
}

// PutLater sets a row in the order of DeleteLater: in the same transaction as the deletions before it, or a later one.
// Views show it only once it is in the file. Any goroutine may call it.
func (b *Backend) PutLater(bucket Bucket, key, value []byte) {
	b.addLater(later{bucket: bucket, key: key, value: value})
}

func (b *Backend) addLater(l later) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// What the open batch says (a compaction begins) has to be in the file before its consequences are.
	l.after = b.commits
	if b.openOps > 0 {
		l.after++
	}
	b.laterSeq++
	l.seq = b.laterSeq
	b.laters = append(b.laters, l)
	signal(b.kick)
}

// Flush returns when everything committed so far is in the file and synced.
func (b *Backend) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due uint64
	for _, l := range b.laters {
		if l.after <= b.commits {
			due = l.seq
		}
	}
	return b.await(b.commits, due)
}

// FlushLater returns when every DeleteLater and PutLater so far is in the file. It waits for the Commit of the batch
// that was open when they were called, so the writer goroutine must not call it.
func (b *Backend) FlushLater() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.await(0, b.laterSeq)
}

// await waits for batches and laters to be in the file. The caller holds mu.
func (b *Backend) await(commits, laterSeq uint64) error {
	b.waiters++
	defer func() { b.waiters-- }()
	for b.flushedCommits < commits || b.flushedLater < laterSeq {
		switch {
		case b.err != nil:
			return b.err
		case b.o.ReadOnly:
			return ErrReadOnly
		case b.closed:
			return ErrClosed
		}
		signal(b.urgent)
		signal(b.kick)
		b.progress.Wait()
	}
	return b.err
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

// closeWait bounds how long Close waits for readers that forgot to close their View.
const closeWait = 10 * time.Second

// Close writes every committed batch and closes the file; changes that were not committed are dropped. Views have to be
// closed before; it waits for forgotten ones only so long.
func (b *Backend) Close() error { return b.close(false) }

// Abandon closes the file without writing what is pending: it leaves what a crash would leave. It is for a file that is
// about to be replaced, and for tests.
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
	case <-time.After(closeWait):
		if err == nil {
			err = fmt.Errorf("close backend %s: a reader was still open after %v", b.o.Path, closeWait)
		}
	}
	return err
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
