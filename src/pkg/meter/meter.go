// Package meter counts what happens, at the cost of an atomic addition, for whoever wants to look at the counts later.
package meter

import (
	"fmt"
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// Counter counts what only grows. The zero value works.
type Counter struct{ n atomic.Uint64 }

// Inc adds one.
func (c *Counter) Inc() { c.n.Add(1) }

// Add adds n.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Load is the count so far.
func (c *Counter) Load() uint64 { return c.n.Load() }

// Layout is the buckets of a histogram: the first one ends at First, each other one at twice the end of the one before, and what
// is larger than the last end is counted beyond them.
type Layout struct {
	First   int64
	Buckets int // at most MaxBuckets
	// PerUnit is how many of what is counted make one of what is shown: 1e9 for nanoseconds that are shown as seconds.
	PerUnit float64
	// Ends, if not nil, are the ends of the buckets, ascending, instead of First and Buckets.
	Ends []int64
}

// MaxBuckets bounds the buckets of a histogram.
const MaxBuckets = 24

// Seconds is a layout for durations that are shown in seconds.
func Seconds(first time.Duration, buckets int) Layout {
	return Layout{First: int64(first), Buckets: buckets, PerUnit: float64(time.Second)}
}

// Milliseconds is a layout for durations that are shown in milliseconds.
func Milliseconds(first time.Duration, buckets int) Layout {
	return Layout{First: int64(first), Buckets: buckets, PerUnit: float64(time.Millisecond)}
}

// Histogram counts values by their size. It is made by New.
type Histogram struct {
	layout  Layout
	buckets [MaxBuckets + 1]atomic.Uint64 // not cumulative; the one behind the last of the layout is beyond them
	sum     atomic.Int64
}

// New returns a histogram of a layout. It panics if that makes no sense.
func New(l Layout) *Histogram {
	if l.Ends != nil {
		l.First, l.Buckets = l.Ends[0], len(l.Ends)
	}
	if l.First <= 0 || l.Buckets < 0 || l.Buckets > MaxBuckets || l.PerUnit <= 0 {
		panic(fmt.Sprintf("meter: expected a layout with a first bucket, at most %d of them, and a unit, found %+v", MaxBuckets, l))
	}
	return &Histogram{layout: l}
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) { h.Count(int64(d)) }

// Since counts the time since begun.
func (h *Histogram) Since(begun time.Time) { h.Observe(time.Since(begun)) }

// Count counts a value; a negative one counts as 0.
func (h *Histogram) Count(n int64) {
	n = max(n, 0)
	h.buckets[h.layout.bucket(n)].Add(1)
	h.sum.Add(n)
}

// bucket is the first one whose end is not below n.
func (l Layout) bucket(n int64) int {
	if n <= l.First {
		return 0
	}
	if l.Ends != nil {
		i := 1
		for i < len(l.Ends) && n > l.Ends[i] {
			i++
		}
		return i
	}
	return min(bits.Len64(uint64(n-1)/uint64(l.First)), l.Buckets)
}

// end is that of a bucket, as it is shown.
func (l Layout) end(i int) float64 {
	if l.Ends != nil {
		return float64(l.Ends[i]) / l.PerUnit
	}
	return math.Ldexp(float64(l.First)/l.PerUnit, i)
}

// Snapshot is a histogram at one time, in the unit that is shown.
type Snapshot struct {
	Count uint64
	Sum   float64
	// Cumulative has, for each end of a bucket, how many values were not larger.
	Cumulative map[float64]uint64
}

// Snapshot reads the histogram. What is counted meanwhile may be in Count and not in Sum.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Sum: float64(h.sum.Load()) / h.layout.PerUnit, Cumulative: make(map[float64]uint64, h.layout.Buckets)}
	for i := range h.layout.Buckets {
		s.Count += h.buckets[i].Load()
		s.Cumulative[h.layout.end(i)] = s.Count
	}
	s.Count += h.buckets[h.layout.Buckets].Load()
	return s
}
