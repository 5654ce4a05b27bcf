package e2e

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

var _ = Describe("one member", func() {
	It("serves keys and still has them after it was stopped", func() {
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		ctx := within(time.Minute)
		_, err := cl.Put(ctx, "a", "1")
		Expect(err).NotTo(HaveOccurred())
		before, err := cl.HashKV(ctx, c.Members[0].ClientURL, 0)
		Expect(err).NotTo(HaveOccurred())

		Expect(c.Members[0].Stop()).To(Succeed())
		Expect(c.Members[0].ExitCode()).To(Equal(0))
		Expect(c.Members[0].Log()).NotTo(ContainSubstring(`"level":"error"`))
		Expect(c.Members[0].Start()).To(Succeed())

		response, err := cl.Get(ctx, "a")
		Expect(err).NotTo(HaveOccurred())
		Expect(response.Kvs).To(HaveLen(1))
		Expect(string(response.Kvs[0].Value)).To(Equal("1"))
		after, err := cl.HashKV(ctx, c.Members[0].ClientURL, 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Hash).To(Equal(before.Hash))
	})

	// etcd#14370: a single member acknowledged before its log was on disk.
	It("keeps every acknowledged write through kill -9", func() {
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		l := startLoad(cl, 8)
		for range 3 {
			l.reached(200)
			Expect(c.Members[0].Kill()).To(Succeed())
			Expect(c.Members[0].Start()).To(Succeed())
		}
		l.reached(50)
		l.stop()
		l.verify(within(time.Minute), cl)
	})

	It("keeps its log short and restarts from a snapshot", func() {
		c := start(cluster.Options{Members: 1, Flags: []string{"--snapshot-count=100", "--snapshot-catchup-entries=50"}})
		cl := connect(c)
		l := startLoad(cl, 4)
		l.reached(600)
		l.stop()
		Eventually(c.Members[0].Log, "30s").Should(ContainSubstring("saved snapshot"))
		Expect(c.Members[0].Kill()).To(Succeed())
		Expect(c.Members[0].Start()).To(Succeed())
		l.verify(within(time.Minute), cl)
	})

	It("starts from variables alone", func() {
		c := prepare(cluster.Options{Members: 1})
		m := c.Members[0]
		for _, arg := range m.Args() {
			name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			m.Env = append(m.Env, "ETCD_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+value)
		}
		Expect(c.Start()).To(Succeed())
		_, err := connect(c).Put(within(time.Minute), "a", "1")
		Expect(err).NotTo(HaveOccurred())
	})

	It("finishes a compaction that a kill interrupted", func() {
		c := start(cluster.Options{Members: 1})
		cl := connect(c)
		ctx := within(time.Minute)
		var last int64
		for range 50 {
			response, err := cl.Put(ctx, "k", strings.Repeat("x", 100))
			Expect(err).NotTo(HaveOccurred())
			last = response.Header.Revision
		}
		_, err := cl.Compact(ctx, last-5)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Members[0].Kill()).To(Succeed())
		Expect(c.Members[0].Start()).To(Succeed())
		_, err = cl.Get(ctx, "k", client.WithRev(last-6))
		Expect(err).To(MatchError(ContainSubstring("compacted")))
		response, err := cl.Get(ctx, "k", client.WithRev(last-5))
		Expect(err).NotTo(HaveOccurred())
		Expect(response.Kvs[0].ModRevision).To(Equal(last - 5))
	})
})
