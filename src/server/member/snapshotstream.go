package member

import (
	"errors"
	"sync/atomic"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

// maxSnapshotStreams bounds the copies of the database on their way to clients: each may take the space of one.
const maxSnapshotStreams = 16

// ErrTooManySnapshots means that enough clients read the database at this moment.
var ErrTooManySnapshots = errors.New("etcdserver: too many snapshots are being read: try again when one of them has ended")

// Database is a copy of the database on its way to a client: everything that was applied when it was opened. It has to be
// closed.
type Database struct {
	*backend.Snapshot
	// Version is that of its format; empty if etcd 3.5 or older wrote it.
	Version string
	open    *atomic.Int32
}

// Close gives the copy back.
func (d *Database) Close() error {
	d.open.Add(-1)
	return d.Snapshot.Close()
}

// OpenDatabase returns the database of this member as of now. Errors: ErrTooManySnapshots, ErrDiffers, ErrStopped.
func (m *Member) OpenDatabase() (*Database, error) {
	if err := m.Trusted(); err != nil {
		return nil, err
	}
	if m.snapshots.reading.Add(1) > maxSnapshotStreams {
		m.snapshots.reading.Add(-1)
		return nil, ErrTooManySnapshots
	}
	var snapshot *backend.Snapshot
	err := m.onBackend(func(b *backend.Backend) (err error) {
		snapshot, err = b.Snapshot()
		return err
	})
	if err != nil {
		m.snapshots.reading.Add(-1)
		return nil, err
	}
	return &Database{Snapshot: snapshot, Version: schema.StorageVersion(snapshot), open: &m.snapshots.reading}, nil
}

// onBackend runs f on the database, once more if a received snapshot has replaced it meanwhile. Unlike View it does not hold
// up the installation of one, so f may take its time. Error: ErrStopped, and those of f.
func (m *Member) onBackend(f func(*backend.Backend) error) error {
	for last := (*backend.Backend)(nil); ; {
		m.stateMu.RLock()
		b, stopped := m.backend, m.closed || m.backend == last
		m.stateMu.RUnlock()
		if stopped {
			return ErrStopped
		}
		if err := f(b); !errors.Is(err, backend.ErrClosed) {
			return err
		}
		last = b
	}
}
