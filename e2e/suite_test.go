package e2e

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "quoin end to end")
}

// The processes that share the specs (ginkgo -procs) share what is built, too. The first of them removes it when all are done.
var _ = SynchronizedBeforeSuite(func() []byte {
	dir, err := cluster.NewBuilds()
	Expect(err).NotTo(HaveOccurred())
	return []byte(dir)
}, func(dir []byte) { cluster.BuildsIn(string(dir)) })

var _ = SynchronizedAfterSuite(func() {}, cluster.RemoveBuilds)

// start runs a cluster for one test; the logs of its members are shown when the test fails.
func start(o cluster.Options) *cluster.Cluster {
	GinkgoHelper()
	c := prepare(o)
	Expect(c.Start()).To(Succeed())
	return c
}

// prepare makes a cluster that the test starts itself.
func prepare(o cluster.Options) *cluster.Cluster {
	GinkgoHelper()
	c, err := cluster.New(o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		if CurrentSpecReport().Failed() {
			for _, m := range c.Members {
				AddReportEntry(m.Name, m.Log())
			}
		}
		c.Close()
	})
	return c
}

// connect returns a client of some members, or of all.
func connect(c *cluster.Cluster, members ...*cluster.Member) *client.Client {
	GinkgoHelper()
	cl, err := c.Client(members...)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(cl.Close)
	return cl
}

// within returns a context that ends the test's calls.
func within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	DeferCleanup(cancel)
	return ctx
}
