package meter

import (
	"maps"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// TestBuckets holds the division that finds a bucket against a search through the ends.
func TestBuckets(t *testing.T) {
	l := Seconds(100*time.Microsecond, 20)
	slow := func(n int64) int {
		end := l.First
		for i := range l.Buckets {
			if n <= end {
				return i
			}
			end *= 2
		}
		return l.Buckets
	}
	values := []int64{0, 1, math.MaxInt64}
	for end := l.First; end < int64(time.Hour); end *= 2 {
		values = append(values, end-1, end, end+1)
	}
	for range 1000 {
		values = append(values, rand.Int64N(int64(2*time.Minute)))
	}
	for _, n := range values {
		if got, want := l.bucket(n), slow(n); got != want {
			t.Errorf("%d is in bucket %d, want %d", n, got, want)
		}
	}
}

func TestHistogram(t *testing.T) {
	for name, l := range map[string]Layout{
		"seconds":      Seconds(time.Millisecond, 3),
		"milliseconds": Milliseconds(time.Millisecond, 3),
		"numbers":      {First: int64(time.Millisecond), Buckets: 3, PerUnit: 1},
		"ends":         {Ends: []int64{1e6, 2e6, 4e6}, PerUnit: 1e9},
	} {
		h, scale := New(l), 1e9/l.PerUnit
		for _, d := range []time.Duration{-time.Hour, time.Millisecond, 3 * time.Millisecond, 4 * time.Millisecond, time.Second} {
			h.Observe(d)
		}
		s := h.Snapshot()
		if s.Count != 5 || s.Sum != 1.008*scale {
			t.Errorf("%s: %d values, %v in all; want 5, %v", name, s.Count, s.Sum, 1.008*scale)
		}
		if want := map[float64]uint64{0.001 * scale: 2, 0.002 * scale: 2, 0.004 * scale: 4}; !maps.Equal(s.Cumulative, want) {
			t.Errorf("%s: buckets %v, want %v", name, s.Cumulative, want)
		}
	}
}

func TestLayoutThatMakesNoSense(t *testing.T) {
	for _, l := range []Layout{{}, Seconds(0, 3), Seconds(time.Second, MaxBuckets+1), {First: 1, Buckets: 1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was taken", l)
				}
			}()
			New(l)
		}()
	}
}

func TestManyGoroutines(t *testing.T) {
	const goroutines, each = 8, 1000
	h, c := New(Seconds(time.Millisecond, 14)), new(Counter)
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				h.Observe(time.Millisecond)
				c.Inc()
			}
		})
	}
	all.Wait()
	if s := h.Snapshot(); s.Count != goroutines*each || s.Sum != goroutines*each/1000 || c.Load() != goroutines*each {
		t.Errorf("%d durations, %v in all, counted %d; want %d of 1ms", s.Count, s.Sum, c.Load(), goroutines*each)
	}
}

func BenchmarkObserve(b *testing.B) {
	h := New(Seconds(100*time.Microsecond, 20))
	for i := range b.N {
		h.Observe(time.Duration(i))
	}
}
