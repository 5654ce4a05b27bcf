package backend

import (
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"go.etcd.io/bbolt"
)

// Snapshot is a consistent copy of the file, as of the last flush. It holds old pages until Close.
type Snapshot struct {
	tx      *bbolt.Tx
	size    int64
	applied Applied
	once    sync.Once
}

// Snapshot flushes and opens a snapshot of what is in the file then.
func (b *Backend) Snapshot() (*Snapshot, error) {
	tx, err := b.flushedTx()
	if err != nil {
		return nil, err
	}
	v := &View{b: b, tx: tx}
	applied, err := v.Applied()
	if err != nil {
		tx.release()
		return nil, corruptError(b.o.Path, err)
	}
	return &Snapshot{tx: tx.tx, size: tx.tx.Size(), applied: applied}, nil
}

// flushedTx is a fresh read transaction behind a flush.
func (b *Backend) flushedTx() (*readTx, error) {
	if !b.o.ReadOnly {
		if err := b.Flush(); err != nil {
			return nil, err
		}
	}
	tx, err := newReadTx(b.db)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", b.o.Path, err)
	}
	return tx, nil
}

// Size is the number of bytes that WriteTo writes.
func (s *Snapshot) Size() int64 { return s.size }

// Applied is the consistent index of the snapshot.
func (s *Snapshot) Applied() Applied { return s.applied }

// WriteTo writes a whole database file.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) { return s.tx.WriteTo(w) }

// Close gives the snapshot back; the second call does nothing.
func (s *Snapshot) Close() error {
	err := error(nil)
	s.once.Do(func() { err = s.tx.Rollback() })
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Hash is the CRC-32C over every bucket in name order: its name, then each key and value. Rows that ignore names are
// skipped; nil skips none. Everything committed is flushed first.
func (b *Backend) Hash(ignore func(bucket, key []byte) bool) (uint32, error) {
	h := crc32.New(castagnoli)
	err := b.Walk(func(bucket, key, value []byte) error {
		switch {
		case key == nil:
			_, _ = h.Write(bucket)
		case ignore == nil || !ignore(bucket, key):
			_, _ = h.Write(key)
			_, _ = h.Write(value)
		}
		return nil
	})
	return h.Sum32(), err
}
