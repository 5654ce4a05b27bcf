package backend

import (
	"time"

	"go.etcd.io/bbolt"

	"quoin.dev/pkg/meter"
)

// Meter is what a store file counts. It is made by NewMeter, and goes on with the file that replaces one.
type Meter struct {
	// Commit is for whole transactions that moved batches into the file. Of that, Rebalance and Spill rearrange pages, and Write
	// brings them to the disk.
	Commit, Rebalance, Spill, Write *meter.Histogram
	Defragment                      *meter.Histogram
	Snapshot                        *meter.Histogram // from when it was opened until its reader has closed it
	Hash                            *meter.Histogram
}

// NewMeter returns a meter that has counted nothing.
func NewMeter() *Meter {
	disk := meter.Seconds(time.Millisecond, 14)
	return &Meter{
		Commit: meter.New(disk), Rebalance: meter.New(disk), Spill: meter.New(disk), Write: meter.New(disk),
		Defragment: meter.New(meter.Seconds(100*time.Millisecond, 13)),
		Snapshot:   meter.New(meter.Seconds(10*time.Millisecond, 17)),
		Hash:       meter.New(meter.Seconds(10*time.Millisecond, 15)),
	}
}

// committed counts a transaction that was committed.
func (m *Meter) committed(begun time.Time, stats bbolt.TxStats) {
	m.Commit.Since(begun)
	m.Rebalance.Observe(stats.GetRebalanceTime())
	m.Spill.Observe(stats.GetSpillTime())
	m.Write.Observe(stats.GetWriteTime())
}

// Pending is what was committed, or is about to be, and is not in the file yet.
type Pending struct {
	Bytes   int64 // of the table
	Batches uint64
}

// Pending returns what is not in the file yet.
func (b *Backend) Pending() Pending {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return Pending{Bytes: b.active.bytes + b.flushingB, Batches: b.commits - b.flushedCommits}
}

// OpenReads is how many read transactions of the file are open. One is shared by those who read at present.
func (b *Backend) OpenReads() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.db.Stats().OpenTxN
}

// Defragmenting reports whether the file is being defragmented.
func (b *Backend) Defragmenting() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.defragmented != nil
}
