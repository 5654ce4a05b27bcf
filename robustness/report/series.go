package report

import (
	"slices"
	"time"

	"quoin.dev/quoin/robustness/history"
)

// maxBuckets bounds how finely a long run is shown.
const maxBuckets = 1200

// bucket is what ended within a short time.
type bucket struct {
	ok, refused, unknown int
	// p50 and p99 are of what was answered well, 0 if nothing was.
	p50, p99 time.Duration
}

func (b bucket) total() int { return b.ok + b.refused + b.unknown }

// series is a run cut into buckets of one width.
type series struct {
	width   time.Duration
	buckets []bucket
}

// newSeries makes buckets of 250 ms, or of twice that, and so on, so that there are not too many.
func newSeries(r *history.Record, duration time.Duration) *series {
	s := &series{width: 250 * time.Millisecond}
	for duration/s.width >= maxBuckets {
		s.width *= 2
	}
	s.buckets = make([]bucket, int(duration/s.width)+1)
	took := make([][]time.Duration, len(s.buckets))
	for _, o := range r.Operations {
		i := min(max(int(o.Return/s.width), 0), len(s.buckets)-1)
		switch o.Outcome {
		case history.OK:
			s.buckets[i].ok++
			took[i] = append(took[i], o.Return-o.Call)
		case history.Refused:
			s.buckets[i].refused++
		default:
			s.buckets[i].unknown++
		}
	}
	for i := range took {
		slices.Sort(took[i])
		s.buckets[i].p50, s.buckets[i].p99 = percentile(took[i], 500), percentile(took[i], 990)
	}
	return s
}

// perSecond is a count of one bucket as a rate.
func (s *series) perSecond(n int) float64 { return float64(n) / s.width.Seconds() }

// most is the number of operations in the fullest bucket.
func (s *series) most() int {
	most := 0
	for _, b := range s.buckets {
		most = max(most, b.total())
	}
	return most
}
