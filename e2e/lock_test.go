package e2e

import (
	"context"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
	"quoin.dev/quoin/e2e/cluster"
)

// newSession returns a session of a client of its own, which outlives a change of leader.
func newSession(c *cluster.Cluster) *concurrency.Session {
	GinkgoHelper()
	s, err := concurrency.NewSession(connect(c), concurrency.WithTTL(30))
	Expect(err).NotTo(HaveOccurred())
	return s
}

// persist repeats what may be repeated until it succeeds or the context ends.
func persist(ctx context.Context, do func(context.Context) error) error {
	for {
		err := do(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

var _ = Describe("when the leader is killed", func() {
	It("a mutex is held by one at a time", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(2 * time.Minute)
		var (
			mu    sync.Mutex
			turns = map[int]int{} // by the value that was written
			wg    sync.WaitGroup
		)
		work, stop := context.WithCancel(ctx)
		DeferCleanup(wg.Wait)
		DeferCleanup(stop)
		total := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(turns)
		}
		for range 3 {
			s := newSession(c)
			wg.Go(func() {
				m := concurrency.NewMutex(s, "lock")
				for work.Err() == nil {
					if persist(work, m.Lock) != nil {
						return
					}
					if n, ok := increment(ctx, s.Client(), m); ok {
						mu.Lock()
						turns[n]++
						mu.Unlock()
					}
					_ = persist(ctx, m.Unlock)
				}
			})
		}
		reach := func(n int) {
			goal := total() + n
			Eventually(total, "60s").Should(BeNumerically(">=", goal))
		}
		reach(30)
		leader := leaderOf(ctx, c)
		Expect(leader.Kill()).To(Succeed())
		reach(30)
		Expect(leader.Start()).To(Succeed())
		stop()
		wg.Wait()
		for value, n := range turns {
			Expect(n).To(Equal(1), "two holders wrote %d", value)
		}
	})

	It("an election keeps its leader, and observers see each one", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(2 * time.Minute)
		a, b := concurrency.NewElection(newSession(c), "office"), concurrency.NewElection(newSession(c), "office")
		Expect(a.Campaign(ctx, "a")).To(Succeed())
		seen := concurrency.NewElection(newSession(c), "office").Observe(ctx)
		sees := func(want string) {
			GinkgoHelper()
			// A proclamation whose answer was lost is made again, and seen twice.
			Eventually(seen, "60s").Should(Receive(WithTransform(func(r *client.GetResponse) string {
				return string(r.Kvs[0].Value)
			}, Equal(want))))
		}
		sees("a")
		elected := make(chan error, 1)
		go func() {
			defer GinkgoRecover()
			elected <- persist(ctx, func(ctx context.Context) error { return b.Campaign(ctx, "b") })
		}()
		Eventually(func() (int64, error) {
			r, err := connect(c).Get(ctx, "office/", client.WithPrefix(), client.WithCountOnly())
			if err != nil {
				return 0, err
			}
			return r.Count, nil
		}, "20s").Should(Equal(int64(2)))
		rev := a.Rev()
		Expect(leaderOf(ctx, c).Kill()).To(Succeed())
		leaderOf(ctx, c)
		Consistently(elected, "1s").ShouldNot(Receive())
		Expect(persist(ctx, func(ctx context.Context) error { return a.Proclaim(ctx, "a, still") })).To(Succeed())
		Expect(a.Rev()).To(Equal(rev))
		sees("a, still")
		Expect(persist(ctx, a.Resign)).To(Succeed())
		Eventually(elected, "60s").Should(Receive(BeNil()))
		Expect(b.Rev()).To(BeNumerically(">", rev))
		sees("b")
	})
})

// increment adds one to a counter that the holder of the lock alone may change, and returns its value if it is known to be
// written.
func increment(ctx context.Context, c *client.Client, m *concurrency.Mutex) (int, bool) {
	r, err := c.Get(ctx, "counter")
	if err != nil {
		return 0, false
	}
	n := 0
	if len(r.Kvs) > 0 {
		n, _ = strconv.Atoi(string(r.Kvs[0].Value))
	}
	t, err := c.Txn(ctx).If(m.IsOwner()).Then(client.OpPut("counter", strconv.Itoa(n+1))).Commit()
	return n + 1, err == nil && t.Succeeded
}
