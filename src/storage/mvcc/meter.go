package mvcc

import (
	"sync/atomic"
	"time"

	"quoin.dev/pkg/meter"
)

// Meter is what a store counts. It is made by NewMeter, and goes on with the store that replaces one.
type Meter struct {
	// Ranges, Puts and Deletes count operations, those inside of transactions as well, Txns the transactions of several.
	Ranges, Puts, Deletes, Txns meter.Counter
	PutBytes                    meter.Counter // of keys and values

	CompactedRows  meter.Counter
	LastCompaction atomic.Int64 // when the last one ended, in unix seconds; 0 if none has
	// Compaction is for whole compactions, IndexPause for each step in the index, during which nobody else reads it, and
	// RowsPause for handing over the rows of one batch.
	Compaction, IndexPause, RowsPause *meter.Histogram
	HashKV                            *meter.Histogram
}

// NewMeter returns a meter that has counted nothing.
func NewMeter() *Meter {
	return &Meter{
		Compaction: meter.New(meter.Milliseconds(100*time.Millisecond, 14)),
		IndexPause: meter.New(meter.Milliseconds(500*time.Microsecond, 14)),
		RowsPause:  meter.New(meter.Milliseconds(time.Millisecond, 13)),
		HashKV:     meter.New(meter.Seconds(10*time.Millisecond, 15)),
	}
}

// operations counts what one transaction did, until it ends.
type operations struct{ ranges, puts, deletes, putBytes uint64 }

// add counts a transaction that has ended.
func (m *Meter) add(o operations) {
	for _, c := range []struct {
		to *meter.Counter
		n  uint64
	}{{&m.Ranges, o.ranges}, {&m.Puts, o.puts}, {&m.Deletes, o.deletes}, {&m.PutBytes, o.putBytes}} {
		if c.n > 0 {
			c.to.Add(c.n)
		}
	}
	if o.ranges+o.puts+o.deletes > 1 {
		m.Txns.Inc()
	}
}

// Compacting reports whether a compaction is under way or waits for one.
func (s *Store) Compacting() bool {
	s.compact.mu.Lock()
	defer s.compact.mu.Unlock()
	return s.compact.busy || len(s.compact.queue) > 0
}
