package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/client"
)

// load is a counted write load: every write has a key of its own, so what became of it can be told afterwards. A write
// that was acknowledged must be there once; one whose fate was unknown may be there once or not at all.
type load struct {
	cancel  context.CancelFunc
	workers sync.WaitGroup
	written atomic.Int64

	mu      sync.Mutex // guards acknowledged
	acked   map[string]int64
	unknown int
}

// startLoad writes with a number of workers until stop is called.
func startLoad(c *client.Client, workers int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel, acked: map[string]int64{}}
	for w := range workers {
		l.workers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				l.write(ctx, c, fmt.Sprintf("load/%02d/%06d", w, i))
			}
		})
	}
	return l
}

func (l *load) write(ctx context.Context, c *client.Client, key string) {
	response, err := c.Put(ctx, key, key)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.unknown++
		return
	}
	l.acked[key] = response.Header.Revision
	l.written.Add(1)
}

// stop ends the load and waits for its workers.
func (l *load) stop() {
	l.cancel()
	l.workers.Wait()
}

// reached waits until n more writes were acknowledged.
func (l *load) reached(n int64) {
	goal := l.written.Load() + n
	Eventually(l.written.Load, "60s", "10ms").Should(BeNumerically(">=", goal))
}

// verify reads everything back through c.
func (l *load) verify(ctx context.Context, c *client.Client) {
	response, err := c.Get(ctx, "load/", client.WithPrefix())
	Expect(err).NotTo(HaveOccurred())
	found := map[string]int64{}
	revisions := map[int64]string{}
	for _, kv := range response.Kvs {
		key := string(kv.Key)
		Expect(kv.Version).To(Equal(int64(1)), "%s was written more than once", key)
		Expect(string(kv.Value)).To(Equal(key))
		Expect(revisions[kv.ModRevision]).To(BeEmpty(), "two writes share a revision")
		revisions[kv.ModRevision] = key
		found[key] = kv.ModRevision
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, revision := range l.acked {
		Expect(found[key]).To(Equal(revision), "the acknowledged write of %s is missing or moved", key)
	}
	Expect(len(found)).To(BeNumerically("<=", len(l.acked)+l.unknown))
}

// overflow writes more than the connections to a member that sleeps hold for it, so that it needs a snapshot when it wakes.
func overflow(ctx context.Context, c *client.Client) {
	GinkgoHelper()
	value := strings.Repeat("v", 256<<10)
	for i := range 200 {
		Eventually(func() error { // there may be an election
			_, err := c.Put(ctx, fmt.Sprint("big", i%8), value)
			return err
		}, "60s").Should(Succeed())
	}
}
