package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

// Bounds of one call of a history. Short ones end calls in the middle, long ones live through an election.
const (
	shortCall = 300 * time.Millisecond
	longCall  = 10 * time.Second
	// ballastBytes is the size of values that give a database something to carry.
	ballastBytes = 64 << 10
	// keptRevisions is how far behind the newest revision compactions stay.
	keptRevisions = 200
	// counters are keys that are only ever raised by one, with a transaction that names the revision it goes on from.
	counters = 4
)

// history is a load that is checked while it runs. Half of the writers put keys of their own, the others raise the
// counters; the readers read the counters. Whatever one call has returned, later ones must not go back behind.
type history struct {
	puts   *load
	writes atomic.Int64
	reads  atomic.Int64
	// revision is the newest one that any answer has shown.
	revision atomic.Int64
	// counter is what any answer has shown of each counter.
	counter [counters]atomic.Int64

	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu     sync.Mutex // guards what follows
	raised [counters]map[int64]int64
	errors map[string]int
}

// startHistory runs writers and readers, each through one member, until stop.
func startHistory(c *cluster.Cluster, writers, readers int) *history {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	h := &history{puts: &load{acked: map[string]int64{}}, cancel: cancel, errors: map[string]int{}}
	for i := range h.raised {
		h.raised[i] = map[int64]int64{}
	}
	for w := range writers + readers {
		cl := connect(c, c.Members[w%len(c.Members)])
		do := h.read
		if w < writers {
			do = h.raise
			if w%2 == 0 {
				do = func(ctx context.Context, c *client.Client, i int) error {
					return h.put(ctx, c, fmt.Sprintf("load/%02d/%06d", w, i))
				}
			}
		}
		h.workers.Go(func() {
			defer GinkgoRecover()
			for i := 0; ctx.Err() == nil; i++ {
				h.call(ctx, cl, i, do)
			}
		})
	}
	cl := connect(c)
	h.workers.Go(func() {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			h.call(ctx, cl, i, h.weigh)
			<-ticker.C
		}
	})
	return h
}

// weigh puts ballast, and compacts every now and then.
func (h *history) weigh(ctx context.Context, c *client.Client, i int) error {
	if _, err := c.Put(ctx, fmt.Sprint("ballast/", i%16), strings.Repeat("b", ballastBytes)); err != nil {
		return err
	}
	if i%10 != 0 {
		return nil
	}
	_, err := c.Compact(ctx, max(1, h.revision.Load()-keptRevisions))
	if errors.Is(err, rpctypes.ErrCompacted) {
		return nil // the call before was carried out although it failed
	}
	return err
}

func (h *history) call(ctx context.Context, c *client.Client, i int, do func(context.Context, *client.Client, int) error) {
	timeout := longCall
	if rand.IntN(10) == 0 {
		timeout = shortCall
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := do(ctx, c, i); err != nil {
		h.mu.Lock()
		h.errors[err.Error()]++
		h.mu.Unlock()
	}
}

// stop ends the load and waits for its workers.
func (h *history) stop() {
	h.cancel()
	h.workers.Wait()
}

func (h *history) put(ctx context.Context, c *client.Client, key string) error {
	floor := h.revision.Load()
	response, err := c.Put(ctx, key, key)
	h.puts.mu.Lock()
	defer h.puts.mu.Unlock()
	if err != nil {
		h.puts.unknown++
		return err
	}
	Expect(response.Header.Revision).To(BeNumerically(">", floor), "a write must be newer than all that was seen before it")
	h.puts.acked[key] = response.Header.Revision
	raiseTo(&h.revision, response.Header.Revision)
	h.writes.Add(1)
	return nil
}

// get reads a counter and holds the answer against all that came before the question.
func (h *history) get(ctx context.Context, c *client.Client, counter int) (value, revision int64, err error) {
	floor, revisionFloor := h.counter[counter].Load(), h.revision.Load()
	response, err := c.Get(ctx, counterKey(counter))
	if err != nil {
		return 0, 0, err
	}
	if len(response.Kvs) > 0 {
		kv := response.Kvs[0]
		value, err = strconv.ParseInt(string(kv.Value), 10, 64)
		Expect(err).NotTo(HaveOccurred())
		Expect(kv.Version).To(Equal(value), "every write raises by one")
		revision = kv.ModRevision
	}
	Expect(value).To(BeNumerically(">=", floor), "a stale read of counter %d", counter)
	Expect(response.Header.Revision).To(BeNumerically(">=", revisionFloor), "a read of a stale store")
	raiseTo(&h.counter[counter], value)
	raiseTo(&h.revision, response.Header.Revision)
	return value, revision, nil
}

func (h *history) read(ctx context.Context, c *client.Client, i int) error {
	_, _, err := h.get(ctx, c, i%counters)
	if err == nil {
		h.reads.Add(1)
	}
	return err
}

func (h *history) raise(ctx context.Context, c *client.Client, i int) error {
	counter := i % counters
	key := counterKey(counter)
	value, revision, err := h.get(ctx, c, counter)
	if err != nil {
		return err
	}
	response, err := c.Txn(ctx).If(client.Compare(client.ModRevision(key), "=", revision)).
		Then(client.OpPut(key, strconv.FormatInt(value+1, 10))).Commit()
	if err != nil || !response.Succeeded {
		return err
	}
	h.mu.Lock()
	Expect(h.raised[counter][value+1]).To(BeZero(), "two writers were told that they raised counter %d", counter)
	h.raised[counter][value+1] = response.Header.Revision
	h.mu.Unlock()
	raiseTo(&h.counter[counter], value+1)
	raiseTo(&h.revision, response.Header.Revision)
	h.writes.Add(1)
	return nil
}

// verify reads everything back through c.
func (h *history) verify(ctx context.Context, c *client.Client) {
	GinkgoHelper()
	h.puts.verify(ctx, c)
	for i := range counters {
		value, revision, err := h.get(ctx, c, i)
		Expect(err).NotTo(HaveOccurred())
		if raised, ok := h.raised[i][value]; ok {
			Expect(revision).To(Equal(raised))
		}
		if len(h.raised[i]) > 0 {
			Expect(value).To(BeNumerically(">=", slices.Max(slices.Collect(maps.Keys(h.raised[i])))))
		}
	}
}

// String tells what was done.
func (h *history) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := fmt.Sprintf("%d writes, %d reads, revision %d", h.writes.Load(), h.reads.Load(), h.revision.Load())
	for _, message := range slices.Sorted(maps.Keys(h.errors)) {
		text += fmt.Sprintf("\n%6d × %s", h.errors[message], message)
	}
	return text
}

func counterKey(i int) string { return fmt.Sprint("counter/", i) }

// raiseTo makes v at least n.
func raiseTo(v *atomic.Int64, n int64) {
	for old := v.Load(); old < n && !v.CompareAndSwap(old, n); {
		old = v.Load()
	}
}
