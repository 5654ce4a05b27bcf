package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
)

/*
Defragmentation of a file that is in use

bbolt does not give space back, so the file is written anew, without its free pages, beside the old one. A file of a hundred
gigabytes takes minutes, in which the store goes on; the new one has to end with exactly what the old one has then, in bounded
memory.

 1. The new file becomes the twin of the old one: from then on the flusher writes every batch to the old file, durably, and
    then to the twin, without a sync. All that follows exists twice, and nothing has to be remembered.
 2. What was there before is copied in chunks. A chunk takes the twin's write lock first, then a view, so that no flush comes
    in between: what it copies is as new as what the flusher has mirrored, or newer by one batch that is yet to be mirrored,
    and that sets and removes rows, which can be done twice. Each chunk has a view of its own: no page of the old file is
    held. A bucket is copied up to the row that was its last one when the copying began, so there is an end to it.
 3. The flusher, between two batches, syncs the twin, renames it over the old file, syncs the directory, and moves readers to
    it. Before the rename a crash leaves the old file, and a work file that the next start removes; after it, the new one.
    Both hold the same batch, and the next one is not begun before the name is durable (etcd#14685, etcd#11613).

Only the flusher puts the twin into place, so that it can not happen after the backend was closed: a received snapshot that
replaces the file closes it first (etcd#20271, etcd#20553).

What goes wrong with the twin ends the defragmentation and nothing else, until the rename. A directory that can't be synced
then is fatal: nobody knows which of the two files a crash would leave, and the next batch can be in one only.
*/

// Defragment gives the free pages of the file back to the disk, while reads and writes go on. It returns the size of the file
// before and after. Errors: ErrDefragmenting, ErrClosed, ErrReadOnly, those of ctx, and those of the disk; after all of them the
// file is as it was.
func (b *Backend) Defragment(ctx context.Context) (before, after FileSize, err error) {
	began := time.Now()
	ended, err := b.beginDefragmentation()
	if err != nil {
		return before, after, fmt.Errorf("defragment %s: %w", b.o.Path, err)
	}
	defer func() {
		b.mu.Lock()
		b.defragmented = nil
		b.mu.Unlock()
		close(ended)
	}()
	before = FileSize{Bytes: b.Size(), InUseBytes: b.SizeInUse()}
	log := b.o.Logger.With(zap.String("path", b.o.Path))
	log.Info("defragmenting the database while it is in use", zap.Int64("size-bytes", before.Bytes), zap.Int64("in-use-bytes", before.InUseBytes))
	if err := b.rewrite(ctx, log); err != nil {
		log.Warn("the database was not defragmented; it is as it was", zap.Duration("took", time.Since(began)), zap.Error(err))
		return before, before, fmt.Errorf("defragment %s: %w", b.o.Path, err)
	}
	b.o.Meter.Defragment.Since(began)
	after = FileSize{Bytes: b.Size(), InUseBytes: b.SizeInUse()}
	log.Info("finished defragmenting the database", zap.Int64("size-bytes", after.Bytes), zap.Int64("in-use-bytes", after.InUseBytes),
		zap.Duration("took", time.Since(began)))
	return before, after, nil
}

func (b *Backend) beginDefragmentation() (ended chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.o.ReadOnly:
		return nil, ErrReadOnly
	case b.closed:
		return nil, ErrClosed
	case b.err != nil:
		return nil, b.err
	case b.defragmented != nil:
		return nil, ErrDefragmenting
	case !replacesOpenFile:
		return nil, errors.New("this system can't replace a file that is in use: stop the member and run `quoinutl defrag`")
	}
	b.defragmented = make(chan struct{})
	return b.defragmented, nil
}

// awaitDefragmentation waits until the one under way has noticed that the backend is closed, and has removed its file.
func (b *Backend) awaitDefragmentation(patience time.Duration) {
	b.mu.RLock()
	ended := b.defragmented
	b.mu.RUnlock()
	if ended == nil {
		return
	}
	select {
	case <-ended:
	case <-time.After(patience): // the disk hangs; what is left is removed by the next start
	}
}

// rewrite makes a twin of the file and puts it into place, or leaves nothing.
func (b *Backend) rewrite(ctx context.Context, log *zap.Logger) error {
	t, err := b.newTwin()
	if err != nil {
		return err
	}
	if err = t.copyAll(ctx, log); err == nil {
		err = b.requestSwap(t)
	}
	if err != nil {
		return errors.Join(err, t.discard())
	}
	return nil
}

// requestSwap lets the flusher put the twin into place, and waits for it. The twin is the flusher's until then.
func (b *Backend) requestSwap(t *twin) error {
	b.mu.Lock()
	if b.closed || b.err != nil {
		b.mu.Unlock()
		return errors.Join(ErrClosed, b.err)
	}
	b.swapping = t
	signal(b.kick)
	signal(b.urgent)
	b.mu.Unlock()
	return <-t.swapped
}

// refuseSwap tells who waits for a swap that there will be none. No other can be requested after the end of the flusher.
func (b *Backend) refuseSwap() {
	if t := b.takeSwap(); t != nil {
		t.swapped <- ErrClosed
	}
}

func (b *Backend) takeSwap() *twin {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.swapping
	b.swapping = nil
	return t
}

// swapIfAsked runs on the flusher, between two batches, and reports whether the backend is still sound.
func (b *Backend) swapIfAsked() bool {
	t := b.takeSwap()
	if t == nil {
		return true
	}
	tx, err := t.ready()
	old := doomed(b.o.Path)
	if err == nil {
		err = b.o.Rename(t.path, b.o.Path)
	}
	if err != nil {
		_ = old.Close()
		if tx != nil {
			tx.release()
		}
		t.swapped <- err
		return true
	}
	if err := b.o.SyncDir(filepath.Dir(b.o.Path)); err != nil {
		_ = old.Close()
		err = fmt.Errorf("backend %s: sync the directory after a defragmentation: %w", b.o.Path, err)
		b.fail(err, false)
		tx.release()
		t.swapped <- err
		return false
	}
	b.moveTo(t, tx, old)
	t.swapped <- nil
	return true
}

// moveTo lets everything go on with the new file. The old one goes from the disk when its last reader is gone; file, which may be
// nil, is open for that.
func (b *Backend) moveTo(t *twin, tx *readTx, file *os.File) {
	t.db.NoSync, t.db.NoGrowSync, t.db.NoFreelistSync = b.o.NoSync, b.o.NoSync, true
	size, inUse := t.db.sizeOf(tx)
	b.mu.Lock()
	old, oldDB := b.cur, b.db
	b.db, b.cur, b.twin = t.db, tx, nil
	b.mapped = max(t.mapped, mapSize(size+int64(t.db.Info().PageSize)))
	b.setSize(size, inUse)
	b.mu.Unlock()
	old.release()
	go func() { // errors do not matter: what is closed has no name any more
		_ = oldDB.Close() // waits for readers
		if file != nil {
			b.shrinkAway(file)
			_ = file.Close()
		}
	}()
}

// sameEnds compares where the buckets of two files end: whatever else goes wrong, the new one must not be behind.
func sameEnds(old, fresh *readTx) error {
	for i, in := range old.buckets {
		var oldKey, oldValue, key, value []byte
		if in != nil {
			oldKey, oldValue = in.Cursor().Last()
		}
		if as := fresh.buckets[i]; as != nil {
			key, value = as.Cursor().Last()
		}
		if !bytes.Equal(oldKey, key) || !bytes.Equal(oldValue, value) {
			return fmt.Errorf("bucket %s ends with row %x in the old file and with %x in the new one: this is a fault of the program", bucketNames[i], oldKey, key)
		}
	}
	return nil
}
