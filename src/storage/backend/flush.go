package backend

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"
)

/*
The way of a change into the file

Raft has made an entry durable in the WAL before it is applied, so applying it needs no disk: losing the table in a
crash only means that its entries are applied again. That frees the writer from bbolt, whose transactions cost two
fsyncs. A change passes four stages, each owned by one party:

 1. open. The writer (apply) appends it to the active generation: rows of the key bucket to a list that is sorted by
    construction, rows of the small buckets to a log with an index of the newest change. Every View opened from then
    on sees it; what belongs together is made visible by the revision that mvcc publishes, not here.
 2. committed. Commit closes a batch: it notes how long the generation's lists are and which raft entry they cover.
    Only whole batches leave the table, so the file never holds half an entry.
 3. flushing. The flusher cuts the active generation at the last commit. The front is sealed and written, sorted, in
    one bbolt transaction together with the consistent index of exactly that commit (etcd#13766, etcd#14685: index
    and data apart). The writer goes on in a new generation; it waits only in Commit, and only when the table is over
    its bound, so a slow fsync is felt as a full table and not as a slow apply.
 4. in the file. In one critical section the sealed generation is dropped and the shared read transaction is replaced
    by one that was opened after the flush. A View takes its parts under the same lock, so it finds every change in
    exactly one place.

Compaction removes rows that no reader can reach, because the index forgot them first. Those deletions skip the table
(stages 1 and 2): they are queued with the number of the batch that announces the compaction and are written, in order,
in a transaction that also holds that batch or follows it (etcd#17780: rows gone, announcement lost).

bbolt can enlarge its map only while no read transaction is open, and the shared one is open always. A flush that might
outgrow the map therefore gives the shared transaction up first; new views wait until it is done, old ones are waited
for by bbolt. A generous initial map makes that rare.
*/

// run is the flusher.
func (b *Backend) run() {
	defer close(b.done)
	defer b.refuseSwap()
	timer := time.NewTimer(b.o.BatchInterval)
	defer timer.Stop()
	for {
		select {
		case <-b.kick:
		case <-b.stop:
			b.flush()
			return
		}
		timer.Reset(b.o.BatchInterval)
		select {
		case <-timer.C:
		case <-b.urgent:
		case <-b.stop:
		}
		if !b.flush() || !b.swapIfAsked() {
			b.refuseSwap()
			<-b.stop
			return
		}
	}
}

// job is what one flush writes.
type job struct {
	gen     *genView
	applied Applied
	commits uint64
	laters  []later
}

// flush writes what is due and reports whether the backend is still sound. It writes nothing when nothing is due.
func (b *Backend) flush() bool {
	j, grow, ok := b.seal()
	if !ok {
		return b.Err() == nil
	}
	if b.beforeWrite != nil {
		b.beforeWrite()
	}
	begun := time.Now()
	stats, err := write(b.db, j, b.flushedA)
	var tx *readTx
	if err == nil {
		b.o.Meter.committed(begun, stats)
		tx, err = newReadTx(b.db)
	}
	if err != nil {
		b.fail(fmt.Errorf("backend %s: flush up to raft index %d: %w", b.o.Path, j.applied.Index, err), grow)
		return false
	}
	b.publish(j, tx, grow)
	b.mirror(j)
	return true
}

// seal cuts the active generation at the last commit. grow says that the shared transaction was given up.
func (b *Backend) seal() (j job, grow, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	due := 0
	for due < len(b.laters) && b.laters[due].after <= b.commits {
		due++
	}
	if b.err != nil || b.abandoned || (b.flushedCommits == b.commits && due == 0) {
		return j, false, false
	}
	j = job{applied: b.applied, commits: b.commits, laters: b.laters[:due:due]}
	b.laters = append([]later(nil), b.laters[due:]...)
	gen := b.active.view(&b.committed)
	j.gen = &gen
	b.flushing, b.flushingB = &gen, b.committed.bytes
	b.active = b.active.tail(b.committed)
	b.committed = mark{}
	if b.size.Load()+b.growthBytes(j) > b.mapped {
		grow = true
		b.settleSnapshots(math.MaxInt64) // the map waits for all of them
		b.cur.release()
		b.cur = nil
		b.reopen = make(chan struct{})
	}
	return j, grow, true
}

// growthBytes is an upper estimate of what a flush adds to the file: rows, half-filled pages and the rewritten paths. It must
// not be too low: bbolt would wait for the shared transaction to end, and the flusher, who has it, for bbolt. A deletion
// writes anew what else is in its page, which may be rows of megabytes, but all together no more than there is. The caller
// holds mu.
func (b *Backend) growthBytes(j job) int64 {
	ops, rewritten := int64(j.gen.changes()), int64(0)
	for _, l := range j.laters {
		ops += int64(len(l.deletes) + 1)
		if len(l.deletes) > 0 {
			rewritten = b.sizeInUse.Load()
		}
	}
	return 3*b.flushingB + rewritten + ops*3*4096 + 16<<20
}

// write is one bbolt transaction on a file that goes up to was. bbolt panics when it meets a damaged page.
func write(db *database, j job, was Applied) (stats bbolt.TxStats, err error) {
	tx, err := db.Begin(true)
	if err != nil {
		return stats, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = corruptError(db.Path(), p)
		}
		if err != nil {
			_ = tx.Rollback() // fails only when Commit has closed the transaction already
		}
	}()
	if err := fill(tx, j, was); err != nil {
		return stats, err
	}
	err = tx.Commit()
	return tx.Stats(), err
}

func fill(tx *bbolt.Tx, j job, was Applied) error {
	var in [bucketCount]*bbolt.Bucket
	for i, name := range bucketNames {
		var err error
		if in[i], err = tx.CreateBucketIfNotExists(name); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	if err := writeKeys(in[Key], &j.gen.keys); err != nil {
		return err
	}
	for i := range j.gen.small {
		if err := writeSmall(in[i], newest(j.gen.small[i].rows[:j.gen.n[i]])); err != nil {
			return fmt.Errorf("bucket %s: %w", bucketNames[i], err)
		}
	}
	if err := writeLaters(in[:], j.laters); err != nil {
		return err
	}
	return writeApplied(in[Meta], was, j.applied)
}

// keyFill is how full pages of the key bucket get: rows are only ever added at the end, so splitting in half, which
// bbolt does for random inserts, would leave every page half empty.
const keyFill = 0.95

func writeKeys(in *bbolt.Bucket, rows *keyPrefix) error {
	in.FillPercent = keyFill
	var scratch [TombstoneKeyBytes]byte
	for i := range rows.rows() {
		r := rows.at(i)
		if err := in.Put(AppendRevisionKey(scratch[:0], r.rev, r.tombstone), r.value); err != nil {
			return fmt.Errorf("row %d/%d: %w", r.rev.Main, r.rev.Sub, err)
		}
	}
	return nil
}

func writeSmall(in *bbolt.Bucket, rows []overlayRow) error {
	for _, r := range rows {
		var err error
		if r.deleted {
			err = in.Delete(r.key)
		} else {
			err = in.Put(r.key, r.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeLaters(in []*bbolt.Bucket, laters []later) error {
	for _, l := range laters {
		var err error
		if l.key != nil {
			err = in[l.bucket].Put(l.key, l.value)
		} else {
			err = deleteRows(in[l.bucket], l.bucket == Key, l.deletes)
		}
		if err != nil {
			return fmt.Errorf("bucket %s: %w", bucketNames[l.bucket], err)
		}
	}
	return nil
}

// deleteRows removes rows in key order, which touches each page once. A revision's tombstone sorts right behind it.
func deleteRows(in *bbolt.Bucket, revisions bool, keys [][]byte) error {
	sort.Slice(keys, func(i, j int) bool { return bytes.Compare(keys[i], keys[j]) < 0 })
	c := in.Cursor()
	for _, key := range keys {
		k, _ := c.Seek(key)
		if !bytes.Equal(k, key) && !(revisions && len(k) == TombstoneKeyBytes && bytes.HasPrefix(k, key)) {
			continue
		}
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// writeApplied writes the consistent index rows that changed.
func writeApplied(in *bbolt.Bucket, was, a Applied) error {
	if a.Index != was.Index || a.Term != was.Term {
		if err := in.Put(keyConsistentIndex, binary.BigEndian.AppendUint64(nil, a.Index)); err != nil {
			return err
		}
		if err := in.Put(keyTerm, binary.BigEndian.AppendUint64(nil, a.Term)); err != nil {
			return err
		}
	}
	if a.ConfState != nil && a.ConfState != was.ConfState {
		return in.Put(keyConfState, encodeConfState(a.ConfState))
	}
	return nil
}

// publish moves readers to the transaction that was opened after the flush.
func (b *Backend) publish(j job, tx *readTx, grow bool) {
	size, inUse := b.db.sizeOf(tx)
	b.mu.Lock()
	old := b.cur
	b.cur = tx
	b.flushing, b.flushingB = nil, 0
	b.setSize(size, inUse) // in one step with the rows' move, or they would count twice
	b.flushedA, b.flushedCommits = j.applied, j.commits
	if n := len(j.laters); n > 0 {
		b.flushedLater = j.laters[n-1].seq
	}
	b.settleSnapshots(b.size.Load())
	b.mapped = max(b.mapped, mapSize(b.size.Load()+int64(b.db.Info().PageSize)))
	if grow {
		close(b.reopen)
	}
	if b.commits > b.flushedCommits || len(b.laters) > 0 {
		b.wake()
	}
	b.progress.Broadcast()
	b.mu.Unlock()
	if old != nil {
		old.release()
	}
}

// fail makes the backend refuse work. The table keeps what could not be written, so that readers stay consistent
// until the process ends.
func (b *Backend) fail(err error, grow bool) {
	b.o.Logger.Error("the store file can't be written; this member has to stop", zap.String("path", b.o.Path), zap.Error(err))
	b.mu.Lock()
	b.err = err
	if grow {
		if tx, terr := newReadTx(b.db); terr == nil {
			b.cur = tx
		}
		close(b.reopen)
	}
	b.progress.Broadcast()
	b.mu.Unlock()
	if b.o.OnFatal != nil {
		b.o.OnFatal(err)
	}
}

// setSize is for who holds mu.
func (b *Backend) setSize(size, inUse int64) {
	b.size.Store(size)
	b.sizeInUse.Store(inUse)
	b.lookAhead()
}

// sizeOf counts as free what the next transaction can use, or a later one when the readers of today are gone.
func (db *database) sizeOf(tx *readTx) (size, inUse int64) {
	size = tx.tx.Size()
	stats := db.Stats()
	return size, size - int64(stats.FreePageN+stats.PendingPageN)*int64(db.Info().PageSize)
}
