package backend

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Snapshot reads a consistent copy of the file, as of the last flush.
//
// Its reader may be a slow network, while the pages it shows can not be used again: the file would grow without end. Copying
// them first would make every reader wait, and take the space of a second file. So it reads the file itself for as long as
// that does no harm, which is told by the growth of the file. Then the rest is set aside, at the speed of the disk, in a file
// without a name, and the pages are given back.
//
//	own == nil: the transaction is open, and what is read comes from the database
//	own != nil: the bytes from ownFrom on come from there
//
// Read and Close belong to one goroutine.
type Snapshot struct {
	b       *Backend
	opened  time.Time
	size    int64
	applied Applied
	head    []byte // the meta pages: those in the file are those of later transactions
	slack   int64  // how long the file may get

	settle sync.Once // begins to set the rest aside
	end    sync.Once

	mu      sync.Mutex // guards the rest
	tx      *readTx    // nil once the pages are given back
	at      int64
	own     *os.File
	ownFrom int64
	err     error // the rest could not be set aside
	closed  bool
}

// minSnapshotSlack is how much a small file may grow before a Snapshot is set aside; a big one may by an eighth.
const minSnapshotSlack = 64 << 20

// Snapshot flushes and opens a snapshot of what is in the file then. It has to be closed.
func (b *Backend) Snapshot() (*Snapshot, error) {
	v, err := b.flushed()
	if err != nil {
		return nil, err
	}
	applied, err := v.Applied()
	if err != nil {
		v.Close()
		return nil, corruptError(b.o.Path, err)
	}
	s := &Snapshot{b: b, opened: time.Now(), tx: v.tx, size: v.tx.tx.Size(), applied: applied} // the reference of the view is now its own
	if s.head, err = metaPages(v.tx); err != nil {
		v.Close()
		return nil, fmt.Errorf("backend %s: %w", b.o.Path, err)
	}
	s.slack = s.size + b.o.SnapshotSlackBytes
	if b.o.SnapshotSlackBytes == 0 {
		s.slack = s.size + max(s.size/8, minSnapshotSlack)
	}
	b.mu.Lock()
	b.snapshots[s] = struct{}{}
	b.mu.Unlock()
	return s, nil
}

// metaPages are the first pages of a file that holds the transaction and nothing later.
func metaPages(t *readTx) ([]byte, error) {
	w := headWriter{room: 2 * t.tx.DB().Info().PageSize}
	if _, err := t.tx.WriteTo(&w); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return w.head, nil
}

var errEnough = errors.New("enough")

// headWriter takes the first bytes and refuses the others.
type headWriter struct {
	head []byte
	room int
}

func (w *headWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.room-len(w.head))
	w.head = append(w.head, p[:n]...)
	if n < len(p) {
		return n, errEnough
	}
	return n, nil
}

// Size is the number of bytes that Read gives.
func (s *Snapshot) Size() int64 { return s.size }

// Applied is the consistent index of the snapshot.
func (s *Snapshot) Applied() Applied { return s.applied }

// Get reads a row of one of the small buckets as the snapshot has it, before the first Read.
func (s *Snapshot) Get(bucket Bucket, key []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx == nil || s.tx.buckets[bucket] == nil {
		return nil
	}
	return append([]byte(nil), s.tx.buckets[bucket].Get(key)...)
}

// Read implements io.Reader: a whole database file.
func (s *Snapshot) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, os.ErrClosed
	case s.err != nil:
		return 0, s.err
	case s.at == s.size:
		return 0, io.EOF
	}
	n, err := s.readAt(p[:min(int64(len(p)), s.size-s.at)], s.at)
	s.at += int64(n)
	if err != nil {
		return n, fmt.Errorf("read the snapshot of %s: %w", s.b.o.Path, err)
	}
	return n, nil
}

// readAt reads what is inside of the file. The caller holds mu.
func (s *Snapshot) readAt(p []byte, at int64) (int, error) {
	switch {
	case at < int64(len(s.head)):
		return copy(p, s.head[at:]), nil
	case s.own != nil:
		return io.ReadFull(io.NewSectionReader(s.own, at-s.ownFrom, int64(len(p))), p)
	default:
		return io.ReadFull(io.NewSectionReader(s.tx.file, at, int64(len(p))), p)
	}
}

// Close gives the snapshot back; the second call does nothing.
func (s *Snapshot) Close() error {
	err := error(nil)
	s.end.Do(func() {
		s.b.o.Meter.Snapshot.Since(s.opened)
		s.settle.Do(func() {}) // it is too late to begin with that
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed = true
		if s.own != nil {
			err = s.b.removeUnnamed(s.own)
		}
		s.free()
	})
	return err
}

// free gives the pages back. The caller holds mu.
func (s *Snapshot) free() {
	if s.tx == nil {
		return
	}
	s.tx.release()
	s.tx = nil
	s.b.mu.Lock()
	delete(s.b.snapshots, s)
	s.b.mu.Unlock()
}

// settleSnapshots sets those aside for which a file of that size has grown too much. The caller holds the lock of b.
func (b *Backend) settleSnapshots(size int64) {
	for s := range b.snapshots {
		if size > s.slack {
			s.settle.Do(func() { go s.setAside() })
		}
	}
}

// setAside copies what has not been read yet, and gives the pages back. Reading goes on meanwhile.
func (s *Snapshot) setAside() {
	s.mu.Lock()
	if s.tx == nil {
		s.mu.Unlock()
		return
	}
	from := max(s.at, int64(len(s.head)))
	pages := s.tx
	pages.refs.Add(1) // a Close meanwhile must not take them away
	s.mu.Unlock()
	own, err := s.copyRest(pages.file, from)
	pages.release()
	if err != nil {
		err = fmt.Errorf("the receiver of a snapshot of %s is slow, and what is left of it could not be set aside: %w: "+
			"make room on the disk, or receive it over a faster way", s.b.o.Path, err)
		s.b.o.Logger.Warn("gave up a snapshot", zap.Error(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		if own != nil {
			_ = s.b.removeUnnamed(own) // nobody has seen it
		}
		return
	}
	s.own, s.ownFrom, s.err = own, from, err
	s.free()
}

// copyRest returns a file that holds the bytes from a place on, nil if nobody wants it any more.
func (s *Snapshot) copyRest(file io.ReaderAt, from int64) (*os.File, error) {
	if err := checkRoom(s.b.o.Path, s.size-from); err != nil {
		return nil, err
	}
	own, err := s.b.createUnnamed()
	if err != nil {
		return nil, err
	}
	for at := from; at < s.size && err == nil; at += syncEveryBytes {
		if s.over() {
			return nil, s.b.removeUnnamed(own)
		}
		if _, err = io.Copy(own, io.NewSectionReader(file, at, min(syncEveryBytes, s.size-at))); err == nil {
			err = own.Sync()
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.b.removeUnnamed(own))
	}
	return own, nil
}

func (s *Snapshot) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
