package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/e2e/cluster"
)

var _ = Describe("three members", func() {
	It("serve the same keys through every member", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(time.Minute)
		for i, m := range c.Members {
			_, err := connect(c, m).Put(ctx, fmt.Sprint("k", i), m.Name)
			Expect(err).NotTo(HaveOccurred())
		}
		for _, m := range c.Members {
			for i := range c.Members {
				response, err := connect(c, m).Get(ctx, fmt.Sprint("k", i))
				Expect(err).NotTo(HaveOccurred())
				Expect(response.Kvs).To(HaveLen(1))
			}
		}
		expectEqualHashes(ctx, c)
		members, err := connect(c).MemberList(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(members.Members).To(HaveLen(3))
	})

	DescribeTable("keep every acknowledged write, once, through kill -9", func(victims func(context.Context, *cluster.Cluster) []*cluster.Member) {
		c := start(cluster.Options{Members: 3})
		cl := connect(c)
		l := startLoad(cl, 8)
		for range 2 {
			l.reached(200)
			killed := victims(within(time.Minute), c)
			for _, m := range killed {
				Expect(m.Kill()).To(Succeed())
			}
			if len(killed) < 2 {
				l.reached(50) // the rest goes on without it
			}
			for _, m := range killed {
				Expect(m.Launch()).To(Succeed())
			}
			for _, m := range killed {
				Expect(m.WaitReady(time.Minute)).To(Succeed())
			}
		}
		l.reached(50)
		l.stop()
		ctx := within(time.Minute)
		for _, m := range c.Members {
			l.verify(ctx, connect(c, m))
		}
		expectEqualHashes(ctx, c)
	},
		Entry("of a follower", func(ctx context.Context, c *cluster.Cluster) []*cluster.Member {
			leader := leaderOf(ctx, c)
			for _, m := range c.Members {
				if m != leader {
					return []*cluster.Member{m}
				}
			}
			return nil
		}),
		Entry("of the leader", func(ctx context.Context, c *cluster.Cluster) []*cluster.Member {
			return []*cluster.Member{leaderOf(ctx, c)}
		}),
		Entry("of all three", func(_ context.Context, c *cluster.Cluster) []*cluster.Member { return c.Members }),
	)

	It("bring back a member that was away too long for the log by a snapshot", func() {
		c := start(cluster.Options{Members: 3, Flags: []string{"--snapshot-count=100", "--snapshot-catchup-entries=20"}})
		ctx := within(2 * time.Minute)
		leader := leaderOf(ctx, c)
		var away *cluster.Member
		for _, m := range c.Members {
			if m != leader {
				away = m
			}
		}
		Expect(away.Kill()).To(Succeed())
		l := startLoad(connect(c), 4)
		l.reached(1000)
		Expect(away.Start()).To(Succeed())
		Eventually(away.Log, "30s").Should(ContainSubstring("applied snapshot"))
		l.reached(200)
		l.stop()
		l.verify(ctx, connect(c, away))
		expectEqualHashes(ctx, c)

		// What came by snapshot is as durable as what came by log.
		Expect(away.Kill()).To(Succeed())
		Expect(away.Start()).To(Succeed())
		l.verify(ctx, connect(c, away))
		expectEqualHashes(ctx, c)
	})

	It("hand leadership over when the leader is stopped", func() {
		c := start(cluster.Options{Members: 3, Flags: patientFlags})
		ctx := within(time.Minute)
		leader := leaderOf(ctx, c)
		before, err := connect(c, leader).Status(ctx, leader.ClientURL)
		Expect(err).NotTo(HaveOccurred())
		Expect(leader.Stop()).To(Succeed())
		Expect(leader.ExitCode()).To(Equal(0))
		next := leaderOf(ctx, c)
		after, err := connect(c, next).Status(ctx, next.ClientURL)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.RaftTerm).To(Equal(before.RaftTerm + 1))
	})

	It("answer status but no linearizable read without a quorum", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(time.Minute)
		Expect(c.Members[1].Kill()).To(Succeed())
		Expect(c.Members[2].Kill()).To(Succeed())
		cl := connect(c, c.Members[0])
		Eventually(func() (uint64, error) {
			s, err := cl.Status(ctx, c.Members[0].ClientURL)
			if err != nil {
				return 1, err
			}
			return s.Leader, nil
		}, "30s").Should(BeZero())
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err := cl.Get(short, "a")
		Expect(err).To(HaveOccurred())
	})
})

// patientFlags let members wait for long before they elect, so that the leader does not change because the machine is busy.
var patientFlags = []string{"--heartbeat-interval=500", "--election-timeout=5000"}

func leaderOf(ctx context.Context, c *cluster.Cluster) *cluster.Member {
	GinkgoHelper()
	m, err := c.Leader(ctx)
	Expect(err).NotTo(HaveOccurred())
	return m
}

// expectEqualHashes waits until all members have applied the same, and compares what they hold.
func expectEqualHashes(ctx context.Context, c *cluster.Cluster) {
	GinkgoHelper()
	cl := connect(c)
	Eventually(func() ([]string, error) {
		var seen []string
		for _, m := range c.Members {
			h, err := cl.HashKV(ctx, m.ClientURL, 0)
			if err != nil {
				return nil, err
			}
			seen = append(seen, fmt.Sprintf("revision %d hash %d", h.HashRevision, h.Hash))
		}
		return seen, nil
	}, "30s", "100ms").Should(SatisfyAll(HaveLen(len(c.Members)), WithTransform(distinct, Equal(1))))
}

func distinct(list []string) int {
	set := map[string]bool{}
	for _, s := range list {
		set[s] = true
	}
	return len(set)
}
