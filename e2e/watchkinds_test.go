package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

// audience is watches of every kind, through every member, and writers that give them something to hear.
type audience struct {
	c         *cluster.Cluster
	ctx       context.Context
	through   []*client.Client // one of each member
	all       *client.Client
	listeners []*listener
	compacted int64 // the revision of the last compaction

	turns   atomic.Int64
	writers sync.WaitGroup
	stop    context.CancelFunc
}

func gather(c *cluster.Cluster) *audience {
	GinkgoHelper()
	a := &audience{c: c, ctx: within(4 * time.Minute), all: connect(c)}
	for _, m := range c.Members {
		a.through = append(a.through, connect(c, m))
	}
	a.join(0)
	var ctx context.Context
	ctx, a.stop = context.WithCancel(a.ctx)
	DeferCleanup(a.writers.Wait)
	DeferCleanup(a.stop)
	for w := range 2 {
		a.writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if turn(ctx, a.all, w, i) == nil {
					a.turns.Add(1)
				}
			}
		})
	}
	return a
}

// join adds watches of every kind from a revision on.
func (a *audience) join(from int64) {
	GinkgoHelper()
	for i, c := range a.through {
		for _, k := range kinds {
			k.name = fmt.Sprintf("%s through %s", k.name, a.c.Members[i].Name)
			a.listeners = append(a.listeners, listen(a.ctx, c, k, from))
		}
	}
}

// joinPast adds watches from a revision of the past that is not compacted.
func (a *audience) joinPast() {
	GinkgoHelper()
	from := a.beyond()
	a.hear(50)
	a.join(from)
}

// hear waits for n more turns.
func (a *audience) hear(n int64) {
	GinkgoHelper()
	goal := a.turns.Load() + n
	Eventually(a.turns.Load, "60s", "10ms").Should(BeNumerically(">=", goal))
}

// least waits until every watch has been told something, and returns a revision that all are beyond.
func (a *audience) least() int64 {
	GinkgoHelper()
	var least int64
	for _, l := range a.listeners {
		Eventually(l.seen, "60s").ShouldNot(BeZero(), l.name)
		if seen := l.seen(); least == 0 || seen < least {
			least = seen
		}
	}
	return least
}

// beyond is least, once that is beyond the last compaction: what was before the revision of that, nobody can be told.
func (a *audience) beyond() int64 {
	GinkgoHelper()
	Eventually(a.least, "60s", "10ms").Should(BeNumerically(">", a.compacted))
	return a.least()
}

// compact drops what every watch is beyond.
func (a *audience) compact() {
	GinkgoHelper()
	a.compacted = a.beyond()
	Eventually(func() error {
		_, err := a.all.Compact(a.ctx, a.compacted)
		if err != nil && strings.Contains(err.Error(), "has been compacted") {
			return nil // the answer to an earlier attempt was lost
		}
		return err
	}, "60s").Should(Succeed())
}

// verify ends the writers and expects everybody to be told everything.
func (a *audience) verify() {
	GinkgoHelper()
	a.stop()
	a.writers.Wait()
	// The last turns were given up by their writers, and may be done a little later than the first look.
	Eventually(func(g Gomega) {
		all := happened(a.ctx, g, a.all)
		g.Expect(len(all)).To(BeNumerically(">=", 2*a.turns.Load()))
		for _, l := range a.listeners {
			l.check(g, all)
		}
	}, "90s", "500ms").Should(Succeed())
}

// etcd#8411, etcd#9281, etcd#9086, etcd#9297, etcd#15271, etcd#15274, etcd#17247, etcd#18089: what each of these lost, repeated or
// mixed up is an event here.
var _ = Describe("watches of every kind, from the past and from now on,", func() {
	It("tell all of one member's changes through its kills and compactions", func() {
		a := gather(start(cluster.Options{Members: 1}))
		for range 2 {
			a.hear(50)
			Expect(a.c.Members[0].Kill()).To(Succeed())
			Expect(a.c.Members[0].Start()).To(Succeed())
			a.joinPast()
			a.compact()
		}
		a.hear(20)
		a.verify()
	})

	It("tell all changes of three members through kills of the leader, restarts, compactions and snapshots", func() {
		a := gather(start(cluster.Options{Members: 3, Flags: []string{"--snapshot-count=50", "--snapshot-catchup-entries=10"}}))
		a.hear(50)
		// One that sleeps for longer than the log reaches back is brought up to date by a snapshot, under its watches. This
		// comes first: a leader that has sent a snapshot keeps its log for a while.
		leader := leaderOf(a.ctx, a.c)
		asleep := others(a.c, leader)[1]
		Expect(asleep.Pause()).To(Succeed())
		overflow(a.ctx, connect(a.c, leader))
		a.hear(100)
		Expect(asleep.Resume()).To(Succeed())
		Eventually(asleep.Log, "60s").Should(ContainSubstring("applied snapshot"))
		a.joinPast()
		a.compact()

		leader = leaderOf(a.ctx, a.c)
		Expect(leader.Kill()).To(Succeed())
		a.hear(30)
		Expect(leader.Start()).To(Succeed())
		a.joinPast()
		a.compact()

		restarted := others(a.c, leaderOf(a.ctx, a.c))[0]
		Expect(restarted.Stop()).To(Succeed())
		a.hear(30)
		Expect(restarted.Start()).To(Succeed())

		a.joinPast()
		a.compact()
		a.hear(30)
		a.verify()
	})
})
