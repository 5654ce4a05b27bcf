package e2e

import (
	"context"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/e2e/cluster"
)

// etcd#12288, etcd#20896, etcd#20071: whatever the directory began with, exactly one member is left.
var _ = Describe("a cluster that is lost but for one directory", func() {
	// lose runs a load on three members and a learner, and kills them all once they hold the same.
	lose := func(ctx context.Context, flags ...string) (*cluster.Cluster, *load) {
		GinkgoHelper()
		c := start(cluster.Options{Members: 3, Flags: flags})
		l := startLoad(connect(c, c.Members...), 4)
		learner := newcomer(c)
		add(ctx, connect(c, c.Members[:3]...), learner, true)
		Expect(learner.Start()).To(Succeed())
		l.reached(500)
		l.stop()
		expectSame(ctx, c, c.Members[:3]...)
		Eventually(func() int64 { return revisionOf(ctx, c, learner) }, "30s", "100ms").Should(BeNumerically(">=", revisionOf(ctx, c, c.Members[0])))
		for _, m := range c.Members {
			Expect(m.Kill()).To(Succeed())
		}
		return c, l
	}

	// rebuild adds the others again, with nothing, to a survivor that is alone.
	rebuild := func(ctx context.Context, c *cluster.Cluster, survivor *cluster.Member, l *load) {
		GinkgoHelper()
		l.verify(ctx, connect(c, survivor))
		expectMembers(ctx, c, survivor)
		survivor.Extra = nil
		Expect(survivor.Kill()).To(Succeed())
		Expect(survivor.Start()).To(Succeed())
		expectMembers(ctx, c, survivor)
		cl := connect(c, survivor)
		for _, m := range others(c, survivor) {
			Expect(os.RemoveAll(m.Dir)).To(Succeed())
			add(ctx, cl, m, false)
			Expect(m.Start()).To(Succeed())
		}
		expectMembers(ctx, c, c.Members...)
		Expect(second(connect(c, c.Members[1]).Put(ctx, "after", "all"))).To(Succeed())
		expectEqualHashes(ctx, c)
	}

	DescribeTable("goes on from there", func(place int, flags ...string) {
		ctx := within(4 * time.Minute)
		c, l := lose(ctx, flags...)
		survivor := c.Members[place]
		survivor.Extra = []string{"--force-new-cluster"}
		Expect(survivor.Start()).To(Succeed())
		rebuild(ctx, c, survivor, l)
	},
		Entry("of a voter", 1),
		Entry("of a voter, with raft snapshots", 0, "--snapshot-count=50", "--snapshot-catchup-entries=10"),
		Entry("of the learner", 3),
		Entry("of the learner, with raft snapshots", 3, "--snapshot-count=50", "--snapshot-catchup-entries=10"),
	)

	It("goes on from there, however often it is killed while it does", func() {
		ctx := within(4 * time.Minute)
		c, l := lose(ctx, "--snapshot-count=100")
		survivor := c.Members[2]
		survivor.Extra = []string{"--force-new-cluster"}
		for _, line := range []string{"starting a member", "forcing a new cluster", "forcing a new cluster", "applied a membership change", "became leader"} {
			Expect(survivor.Launch()).To(Succeed())
			Eventually(survivor.Log, "30s", "1ms").Should(Or(ContainSubstring(line), ContainSubstring("ready to serve client requests")))
			Expect(survivor.Kill()).To(Succeed())
		}
		Expect(survivor.Start()).To(Succeed())
		rebuild(ctx, c, survivor, l)
	})
})
