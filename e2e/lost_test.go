package e2e

import (
	"fmt"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/e2e/cluster"
)

// etcd#21178, etcd#20269, etcd#10817: a voter that has forgotten what it acknowledged may help to undo it.
var _ = Describe("a member of three whose data", func() {
	// comeback lets a follower come back after the given change to its directory, and expects it to end with guidance while
	// the others go on.
	comeback := func(c *cluster.Cluster, away *cluster.Member, change func(), wanted string) {
		GinkgoHelper()
		ctx := within(time.Minute)
		Expect(away.Kill()).To(Succeed())
		change()
		Expect(away.Launch()).To(Succeed())
		Eventually(away.Running, "20s").Should(BeFalse())
		Expect(away.ExitCode()).To(Equal(1))
		Expect(away.Log()).To(And(ContainSubstring(wanted), ContainSubstring("remove")))
		Expect(away.Log()).NotTo(ContainSubstring("goroutine "))
		_, err := connect(c, others(c, away)...).Put(ctx, "still", "there")
		Expect(err).NotTo(HaveOccurred())
	}
	write := func(c *cluster.Cluster, away *cluster.Member, n int) {
		GinkgoHelper()
		cl, ctx := connect(c, away), within(time.Minute)
		for i := range n {
			_, err := cl.Put(ctx, fmt.Sprint("k", i), "v")
			Expect(err).NotTo(HaveOccurred())
		}
	}

	DescribeTable("is gone ends with guidance", func(state string) {
		c := start(cluster.Options{Members: 3})
		away := others(c, leaderOf(within(time.Minute), c))[0]
		write(c, away, 20)
		comeback(c, away, func() {
			Expect(os.RemoveAll(away.Dir)).To(Succeed())
			away.State = state
		}, "has already been bootstrapped")
	},
		Entry("when it founds again", "new"),
		Entry("when it joins again", "existing"),
	)

	It("is an older copy ends with guidance", func() {
		c := start(cluster.Options{Members: 3})
		away := others(c, leaderOf(within(time.Minute), c))[0]
		write(c, away, 20)
		older := away.Dir + ".older"
		Expect(away.Stop()).To(Succeed())
		Expect(os.CopyFS(older, os.DirFS(away.Dir))).To(Succeed())
		Expect(away.Start()).To(Succeed())
		write(c, away, 200)
		comeback(c, away, func() {
			Expect(os.RemoveAll(away.Dir)).To(Succeed())
			Expect(os.Rename(older, away.Dir)).To(Succeed())
		}, "the log of this member is shorter than what it has acknowledged")
	})
})

// others are all members but one.
func others(c *cluster.Cluster, but *cluster.Member) (list []*cluster.Member) {
	for _, m := range c.Members {
		if m != but {
			list = append(list, m)
		}
	}
	return list
}
