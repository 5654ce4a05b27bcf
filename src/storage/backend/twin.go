package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"
)

// Sizes and times of a defragmentation.
const (
	// twinChunkBytes is how much is copied in one transaction. A flush may have to wait for it.
	twinChunkBytes = 256 << 10
	// twinMaxRest bounds the pause after a chunk.
	twinMaxRest = 20 * time.Millisecond
	// twinSyncEvery is how many chunks are left to the kernel before they are synced: a sync of the log may have to wait for
	// them.
	twinSyncEvery = 8
	// twinRoomEvery is how many chunks are copied between two looks at the room on the disk.
	twinRoomEvery = 64
	// twinProgressInterval is how often the log tells how far it is.
	twinProgressInterval = 10 * time.Second
)

// twin is a file in the making that gets everything the file gets.
type twin struct {
	b       *Backend
	path    string
	db      *database
	mapped  int64
	swapped chan error // capacity 1: the answer of the flusher

	mu  sync.Mutex // guards err; innermost
	err error      // of the first batch that could not be mirrored
}

// newTwin makes an empty file, and lets every flush from now on go there, too.
func (b *Backend) newTwin() (*twin, error) {
	if err := checkRoom(b.o.Path, b.SizeInUse()); err != nil {
		return nil, err
	}
	o := b.o
	o.Path, o.fresh = scratchPath(b.o.Path), true
	db, mapped, err := openFile(o)
	if err != nil {
		if rerr := os.Remove(o.Path); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		return nil, err
	}
	t := &twin{b: b, path: o.Path, db: db, mapped: mapped, swapped: make(chan error, 1)}
	b.mu.Lock()
	b.twin = t
	b.mu.Unlock()
	return t, nil
}

// discard leaves nothing of the file.
func (t *twin) discard() error {
	t.b.mu.Lock()
	t.b.twin = nil
	t.b.mu.Unlock()
	file := doomed(t.path)
	err := errors.Join(t.db.Close(), os.Remove(t.path)) // the close waits for a batch that is being mirrored
	if file != nil {
		t.b.shrinkAway(file)
		err = errors.Join(err, file.Close())
	}
	return err
}

// mirror writes a batch that is in the file to the twin as well. It runs on the flusher.
func (b *Backend) mirror(j job) {
	b.mu.RLock()
	t := b.twin
	if b.closed {
		t = nil // nobody needs it any more
	}
	b.mu.RUnlock()
	if t == nil || t.failure() != nil {
		return
	}
	if _, err := write(t.db, j, Applied{}); err != nil {
		t.mu.Lock()
		t.err = fmt.Errorf("write what has changed meanwhile: %w", err)
		t.mu.Unlock()
	}
}

func (t *twin) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// proceed reports why the copying has to end, nil if it does not.
func (t *twin) proceed(ctx context.Context) error {
	t.b.mu.RLock()
	err := t.b.err
	if err == nil && t.b.closed {
		err = ErrClosed
	}
	t.b.mu.RUnlock()
	return errors.Join(err, t.failure(), ctx.Err())
}

// copyAll copies every bucket, the big one first.
func (t *twin) copyAll(ctx context.Context, log *zap.Logger) error {
	names, err := t.buckets()
	if err != nil {
		return err
	}
	p := &progress{log: log, of: t.b.SizeInUse(), told: time.Now()}
	for _, name := range names {
		if err := t.copyBucket(ctx, name, p); err != nil {
			return fmt.Errorf("copy bucket %s: %w", name, err)
		}
	}
	return nil
}

// buckets lists all that are in the file, known or not.
func (t *twin) buckets() (names [][]byte, err error) {
	v, err := t.b.fileView()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	err = v.tx.tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
		names = append(names, slices.Clone(name))
		return nil
	})
	slices.SortStableFunc(names, func(a, _ []byte) int {
		if bytes.Equal(a, bucketNames[Key]) {
			return -1
		}
		return 0
	})
	return names, err
}

// copyBucket copies the rows that are in a bucket now. Those that come meanwhile are mirrored.
func (t *twin) copyBucket(ctx context.Context, name []byte, p *progress) error {
	last, err := t.lastKey(name)
	if err != nil {
		return err
	}
	for from, more := []byte(nil), true; more; {
		if err := t.proceed(ctx); err != nil {
			return err
		}
		var n int
		began, batches := time.Now(), t.b.batches()
		if from, n, err = t.copyChunk(name, from, last); err != nil {
			return err
		}
		if more = from != nil; more && t.b.batches() > batches {
			if err := t.rest(ctx, time.Since(began)); err != nil {
				return err
			}
		}
		p.add(n)
		if err := t.settle(p.chunks); err != nil {
			return err
		}
	}
	return nil
}

// settle keeps what is written, and the disk, within bounds after so many chunks.
func (t *twin) settle(chunks int) error {
	if chunks%twinSyncEvery == 0 {
		if err := t.db.Sync(); err != nil {
			return err
		}
	}
	if chunks%twinRoomEvery == 0 {
		return checkRoom(t.b.o.Path, 0)
	}
	return nil
}

// rest leaves disk and processor to those who wait for an answer for as long as a chunk took them away.
func (t *twin) rest(ctx context.Context, took time.Duration) error {
	timer := time.NewTimer(min(took, twinMaxRest))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *twin) lastKey(name []byte) ([]byte, error) {
	v, err := t.b.fileView()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	last, _ := v.tx.tx.Bucket(name).Cursor().Last()
	return slices.Clone(last), nil
}

// copyChunk copies rows from a key on, up to last, and returns the key to go on with, nil if there is none.
func (t *twin) copyChunk(name, from, last []byte) (next []byte, copied int, err error) {
	tx, err := t.db.Begin(true) // before the view is opened: no batch is mirrored between what it shows and the commit
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = corruptError(t.b.o.Path, p)
		}
		if err != nil {
			_ = tx.Rollback() // fails only when Commit has closed the transaction already
		}
	}()
	v, err := t.b.fileView()
	if err != nil {
		return nil, 0, err
	}
	defer v.Close() // after the commit, which reads values from it
	in := v.tx.tx.Bucket(name)
	out, err := tx.CreateBucketIfNotExists(name)
	if err != nil {
		return nil, 0, err
	}
	if err := out.SetSequence(in.Sequence()); err != nil {
		return nil, 0, err
	}
	out.FillPercent = keyFill
	c := in.Cursor()
	k, value := c.Seek(from)
	for ; k != nil && bytes.Compare(k, last) <= 0; k, value = c.Next() {
		if copied >= twinChunkBytes {
			next = slices.Clone(k)
			break
		}
		if value == nil {
			return nil, 0, fmt.Errorf("it holds bucket %q, which no store file has", k)
		}
		if err := out.Put(k, value); err != nil {
			return nil, 0, err
		}
		copied += len(k) + len(value) + rowOverheadBytes/2
	}
	return next, copied, tx.Commit()
}

// ready makes the twin durable and compares it with the file. It runs on the flusher, so that nothing changes meanwhile.
func (t *twin) ready() (*readTx, error) {
	if err := t.failure(); err != nil {
		return nil, err
	}
	if err := t.db.file.Sync(); err != nil {
		return nil, err
	}
	tx, err := newReadTx(t.db)
	if err != nil {
		return nil, err
	}
	if err := sameEnds(t.b.cur, tx); err != nil {
		tx.release()
		return nil, err
	}
	return tx, nil
}

// progress tells the log now and then how far the copying is.
type progress struct {
	log        *zap.Logger
	copied, of int64
	chunks     int
	told       time.Time
}

func (p *progress) add(n int) {
	p.copied += int64(n)
	p.chunks++
	if time.Since(p.told) >= twinProgressInterval {
		p.told = time.Now()
		p.log.Info("defragmenting the database", zap.Int64("copied-bytes", p.copied), zap.Int64("in-use-bytes", p.of))
	}
}
