package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

// watcher collects the revisions of events, each of which has one.
type watcher struct {
	name string
	mu   sync.Mutex // guards what follows
	seen []int64
	err  error
}

// watchLoad watches the keys of a load until the end of the test.
func watchLoad(name string, c *client.Client) *watcher {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	w, ch := &watcher{name: name}, c.Watch(ctx, "load/", client.WithPrefix(), client.WithProgressNotify())
	go func() {
		for r := range ch {
			w.mu.Lock()
			for _, e := range r.Events {
				if n := len(w.seen); n > 0 && e.Kv.ModRevision <= w.seen[n-1] {
					w.err = fmt.Errorf("%s: revision %d came after %d", name, e.Kv.ModRevision, w.seen[n-1])
				}
				w.seen = append(w.seen, e.Kv.ModRevision)
			}
			if err := r.Err(); err != nil {
				w.err = fmt.Errorf("%s: %w", name, err)
			}
			w.mu.Unlock()
		}
	}()
	return w
}

func (w *watcher) state() ([]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen), w.err
}

var _ = Describe("watchers", func() {
	It("see every revision once and in order through kills, restarts and compaction", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(3 * time.Minute)
		cl := connect(c)
		watchers := []*watcher{watchLoad("through all", cl)}
		for _, m := range c.Members {
			watchers = append(watchers, watchLoad("through "+m.Name, connect(c, m)))
		}
		l := startLoad(cl, 4)
		for range 2 {
			l.reached(100)
			leader := leaderOf(ctx, c)
			Expect(leader.Kill()).To(Succeed())
			l.reached(50)
			Expect(leader.Start()).To(Succeed())
			follower := others(c, leaderOf(ctx, c))[0]
			Expect(follower.Stop()).To(Succeed())
			l.reached(50)
			Expect(follower.Start()).To(Succeed())
			Eventually(func() error {
				_, err := cl.Compact(ctx, leastSeen(watchers))
				return err
			}, "60s").Should(Succeed())
		}
		l.stop()
		// The last writes were given up by their clients, and may be done a little later than the first look.
		Eventually(func(g Gomega) {
			all := revisions(ctx, g, cl)
			for _, w := range watchers {
				seen, err := w.state()
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(slices.Equal(seen, all)).To(BeTrue(), "%s: %d events, %d revisions", w.name, len(seen), len(all))
			}
		}, "60s", "200ms").Should(Succeed())
	})
})

// revisions are those of the keys of a load, each of which is written once.
func revisions(ctx context.Context, g Gomega, c *client.Client) (all []int64) {
	response, err := c.Get(ctx, "load/", client.WithPrefix())
	g.Expect(err).NotTo(HaveOccurred())
	for _, kv := range response.Kvs {
		all = append(all, kv.ModRevision)
	}
	slices.Sort(all)
	return all
}

// leastSeen waits until every watcher has seen something, and returns a revision that all have seen.
func leastSeen(watchers []*watcher) int64 {
	GinkgoHelper()
	var least int64
	for _, w := range watchers {
		var seen []int64
		Eventually(func() ([]int64, error) {
			var err error
			seen, err = w.state()
			return seen, err
		}, "60s").ShouldNot(BeEmpty())
		if last := seen[len(seen)-1]; least == 0 || last < least {
			least = last
		}
	}
	return least
}
