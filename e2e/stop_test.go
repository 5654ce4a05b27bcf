package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/e2e/cluster"
)

var _ = Describe("SIGTERM", func() {
	// stopping ends a member, which waits for no request to time out; that takes 15 s.
	stopping := func(m *cluster.Member) {
		GinkgoHelper()
		begin := time.Now()
		Expect(m.Stop()).To(Succeed())
		Expect(time.Since(begin)).To(BeNumerically("<", 10*time.Second))
		Expect(m.ExitCode()).To(Equal(0))
		Expect(faultsIn(m)).To(BeEmpty())
	}
	hang := func(members ...*cluster.Member) {
		GinkgoHelper()
		for _, m := range members {
			Expect(m.Pause()).To(Succeed())
		}
	}

	It("ends a leader whose followers hang", func() {
		c := start(cluster.Options{Members: 3, Flags: patientFlags})
		leader := leaderOf(within(time.Minute), c)
		hang(others(c, leader)...)
		stopping(leader)
	})

	It("ends a member with requests that wait for a quorum", func() {
		c := start(cluster.Options{Members: 3, Flags: patientFlags})
		m := c.Members[0]
		cl := connect(c, m)
		for _, other := range others(c, m) {
			Expect(other.Kill()).To(Succeed())
		}
		failed, ctx := make(chan error, 20), within(time.Minute)
		for i := range cap(failed) {
			go func() {
				_, err := cl.Get(ctx, "k")
				if i%2 == 0 {
					_, err = cl.Put(ctx, "k", "v")
				}
				failed <- err
			}()
		}
		Consistently(failed, "300ms").ShouldNot(Receive())
		stopping(m)
	})

	It("ends a member that is starting while the others hang", func() {
		c := start(cluster.Options{Members: 3, Flags: patientFlags})
		m := c.Members[0]
		Expect(m.Stop()).To(Succeed())
		hang(others(c, m)...)
		Expect(m.Launch()).To(Succeed())
		Eventually(m.Log, "30s").Should(ContainSubstring("starting a member"))
		stopping(m)
	})
})
