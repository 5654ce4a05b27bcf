package member

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"quoin.dev/storage/backend"
)

// ErrDefragmenting means that the database is being defragmented already.
var ErrDefragmenting = backend.ErrDefragmenting

// errReplaced ends the defragmentation of a database that is not used any more.
var errReplaced = errors.New("the database was replaced by one from the leader while it was defragmented: look at its size, and try again if that is needed")

// Defragment gives the free pages of the database back to the disk, while the member serves. When ctx ends the work goes on:
// operators call it with the deadline of a small request, whatever the size of the database. Errors: ErrDefragmenting,
// ErrStopped, those of ctx and of the disk.
func (m *Member) Defragment(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- m.defragment() }() // it ends at the latest when the database is closed
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Member) defragment() error {
	m.stateMu.RLock()
	b, closed := m.backend, m.closed
	m.stateMu.RUnlock()
	if closed {
		return ErrStopped
	}
	_, _, err := b.Defragment(context.Background())
	if errors.Is(err, backend.ErrClosed) {
		select {
		case <-m.stopping:
			return ErrStopped
		default:
			return errReplaced
		}
	}
	return err
}

// defragmentAtStart is what --bootstrap-defrag-threshold-megabytes asks for. A start does not fail for want of a small file: the
// backend has told the log why it could not be made.
func (m *Member) defragmentAtStart() {
	const mebibyte = 1 << 20
	threshold := int64(m.cfg.Storage.DefragThresholdMiB) * mebibyte
	if threshold == 0 {
		return
	}
	size, inUse := m.backend.Size(), m.backend.SizeInUse()
	if size-inUse < threshold {
		m.logger.Info("Skipping defragmentation", zap.Int64("size-bytes", size), zap.Int64("in-use-bytes", inUse), zap.Int64("threshold-bytes", threshold))
		return
	}
	_, _, _ = m.backend.Defragment(context.Background())
}
