package e2e

import (
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

var _ = Describe("a downgrade", func() {
	// storage waits until the file of every member is for a version.
	storage := func(c *cluster.Cluster, version string) {
		GinkgoHelper()
		cl := connect(c)
		for _, m := range c.Members {
			Eventually(func(g Gomega) {
				status, err := cl.Status(within(5*time.Second), m.ClientURL)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(status.StorageVersion).To(Equal(version))
				g.Expect(status.Version).To(HavePrefix("3.7."), "that of the program stays")
			}, "1m").Should(Succeed())
		}
	}

	It("lets members be killed and started in the middle of it, and is called off", func() {
		c := start(cluster.Options{Members: 3})
		cl := connect(c)
		storage(c, "3.7.0")
		l := startLoad(cl, 4)
		l.reached(50)
		r, err := cl.Downgrade(within(time.Minute), client.DowngradeEnable, "3.6")
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Version).To(Equal("3.7"))
		storage(c, "3.6.0")
		for _, m := range c.Members {
			Eventually(m.Log, "1m").Should(ContainSubstring("The server is ready to downgrade"))
			Expect(filepath.Glob(filepath.Join(m.Dir, "member", "snap", "*.snap"))).NotTo(BeEmpty(), "an older server would read the whole log")
			Expect(m.Kill()).To(Succeed())
			Expect(m.Start()).To(Succeed())
			l.reached(20)
		}
		storage(c, "3.6.0") // the members are new enough for 3.7, but the job holds them back
		_, err = cl.Downgrade(within(time.Minute), client.DowngradeEnable, "3.6")
		Expect(err).To(MatchError(rpctypes.ErrInvalidDowngradeTargetVersion))
		_, err = cl.Downgrade(within(time.Minute), client.DowngradeEnable, "3.5")
		Expect(err).To(MatchError(rpctypes.ErrDowngradeInProcess))

		r, err = cl.Downgrade(within(time.Minute), client.DowngradeCancel, "")
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Version).To(Equal("3.6"))
		storage(c, "3.7.0")
		l.stop()
		l.verify(within(time.Minute), cl)
	})

	It("does not begin while a member is away that might be too new for it", func() {
		c := start(cluster.Options{Members: 3, Flags: []string{"--downgrade-check-time=100ms"}})
		storage(c, "3.7.0")
		Expect(c.Members[2].Kill()).To(Succeed())
		leaderOf(within(time.Minute), c) // it may have been the one
		cl := connect(c, c.Members[:2]...)
		_, err := cl.Downgrade(within(time.Minute), client.DowngradeEnable, "3.6")
		Expect(err).NotTo(HaveOccurred())
		_, err = cl.Downgrade(within(time.Minute), client.DowngradeValidate, "3.6")
		Expect(err).To(MatchError(rpctypes.ErrDowngradeInProcess), "the version is the old one, the job is there")
		Expect(c.Members[2].Start()).To(Succeed())
		storage(c, "3.6.0")
	})
})
