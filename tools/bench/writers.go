package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"quoin.dev/api/etcdserverpb"
)

const (
	writerCount = 12
	// writerPause lies between two puts of one writer: the cluster shall be busy, and not out of breath.
	writerPause = 5 * time.Millisecond
	// putTimeout is how long a put may take before its writer goes on with another member. What became of it is not known, so
	// it does not count.
	putTimeout    = 500 * time.Millisecond
	writerKeys    = 10_000
	writtenBytes  = 256
	enoughPuts    = 300 // that many in a row show that a cluster is well
	writerTimeout = time.Minute
)

// gauge finds the longest time between two successes.
type gauge struct {
	mu      sync.Mutex // guards the rest
	count   int
	last    time.Time
	longest time.Duration
}

// succeed takes a success. Many may come at once, so the time is taken under the lock.
func (g *gauge) succeed(now func() time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := now()
	if g.count > 0 {
		g.longest = max(g.longest, at.Sub(g.last))
	}
	g.count, g.last = g.count+1, at
}

// forget begins anew; the time that runs since the last success still counts.
func (g *gauge) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.longest = 0
}

func (g *gauge) read() (count int, longest time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count, g.longest
}

// writers put to all members of a group.
type writers struct {
	gauge gauge
	group sync.WaitGroup
	end   context.CancelFunc
}

func startWriters(ctx context.Context, nodes []*node) *writers {
	w := &writers{}
	ctx, w.end = context.WithCancel(ctx)
	for i := range writerCount {
		w.group.Go(func() { w.run(ctx, nodes, i) })
	}
	return w
}

// run puts to the i-th member for as long as that goes well, and then to the next one.
func (w *writers) run(ctx context.Context, nodes []*node, i int) {
	value := make([]byte, writtenBytes)
	for at, n := i, i; ctx.Err() == nil; n += writerCount {
		put, cancel := context.WithTimeout(ctx, putTimeout)
		key := fmt.Sprintf("outage/%08d", n%writerKeys)
		if _, err := nodes[at%len(nodes)].kv.Put(put, &etcdserverpb.PutRequest{Key: []byte(key), Value: value}); err != nil {
			at++
		} else {
			w.gauge.succeed(time.Now)
		}
		cancel()
		// An end of the context is what the loop looks for.
		_ = pause(ctx, writerPause)
	}
}

func (w *writers) stop() {
	w.end()
	w.group.Wait()
}

// enough waits for some more puts that go well.
func (w *writers) enough(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, writerTimeout, fmt.Errorf("the cluster did not take %d puts within %v", enoughPuts, writerTimeout))
	defer cancel()
	before, _ := w.gauge.read()
	for {
		if count, _ := w.gauge.read(); count >= before+enoughPuts {
			return nil
		}
		if err := pause(ctx, groupPoll); err != nil {
			return context.Cause(ctx)
		}
	}
}
