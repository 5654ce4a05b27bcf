// Package check puts a load on a cluster and measures how it bears it.
package check

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"quoin.dev/client"
)

// maxErrors bounds how many different errors are told apart.
const maxErrors = 100

// Load is a load of puts, each of a new key.
type Load struct {
	// Clients make one put at a time each.
	Clients []*client.Client
	// Rate is how many puts a second begin at most, in steady steps; 0 = as many as the clients make.
	Rate int
	// The load ends after Count puts or after Duration; 0 = no bound of that kind.
	Count    int
	Duration time.Duration
	// Timeout bounds one put.
	Timeout time.Duration

	// Keys are Prefix and KeyBytes more.
	Prefix               string
	KeyBytes, ValueBytes int
}

// Outcome is how the puts went.
type Outcome struct {
	Succeeded int64
	Elapsed   time.Duration
	Slowest   time.Duration
	// Stddev is the standard deviation of the times in seconds; NaN when no put has succeeded.
	Stddev float64
	// Errors counts the puts that failed by what the error says.
	Errors map[string]int
}

// Run puts until the load is over or the context ends, and waits for the puts that have begun. It counts the puts that are over in
// done.
func (l *Load) Run(ctx context.Context, done *atomic.Int64) Outcome {
	if l.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.Duration)
		defer cancel()
	}
	begin := make(chan struct{})
	start := time.Now()
	r := recorder{errors: map[string]int{}}
	var workers sync.WaitGroup
	for _, c := range l.Clients {
		workers.Go(func() {
			for range begin {
				took, err := l.put(c)
				r.record(took, err)
				done.Add(1)
			}
		})
	}
	l.pace(ctx, start, begin)
	close(begin)
	workers.Wait()
	return r.outcome(time.Since(start))
}

// pace sends the permission to begin a put, the n-th when n puts are due.
func (l *Load) pace(ctx context.Context, start time.Time, begin chan<- struct{}) {
	for n := 0; l.Count == 0 || n < l.Count; n++ {
		if l.Rate > 0 {
			due := start.Add(time.Duration(n+1) * time.Second / time.Duration(l.Rate))
			if wait := time.Until(due); wait > 0 {
				select {
				case <-time.After(wait):
				case <-ctx.Done():
				}
			}
		}
		if ctx.Err() != nil {
			return
		}
		select {
		case begin <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// put makes one put that the end of the load does not cut off.
func (l *Load) put(c *client.Client) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(c.Ctx(), l.Timeout)
	defer cancel()
	key := make([]byte, l.KeyBytes)
	var unique [8]byte
	_, _ = rand.Read(unique[:]) // never fails
	binary.PutUvarint(key, binary.LittleEndian.Uint64(unique[:]))
	start := time.Now()
	_, err = c.Put(ctx, l.Prefix+string(key), string(make([]byte, l.ValueBytes)))
	return time.Since(start), err
}

// recorder sums up the puts. The mutex guards all of it.
type recorder struct {
	mu      sync.Mutex
	count   int64
	sum     float64 // of the seconds
	squares float64 // of the seconds
	slowest time.Duration
	errors  map[string]int
}

func (r *recorder) record(took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		text := err.Error()
		if _, known := r.errors[text]; !known && len(r.errors) >= maxErrors {
			text = "other errors"
		}
		r.errors[text]++
		return
	}
	r.count++
	r.sum += took.Seconds()
	r.squares += took.Seconds() * took.Seconds()
	r.slowest = max(r.slowest, took)
}

func (r *recorder) outcome(elapsed time.Duration) Outcome {
	n := float64(r.count)
	mean := r.sum / n
	return Outcome{
		Succeeded: r.count, Elapsed: elapsed, Slowest: r.slowest, Errors: r.errors,
		// What is rounded away can make the variance of equal times negative.
		Stddev: math.Sqrt(math.Max(r.squares/n-mean*mean, 0)),
	}
}
