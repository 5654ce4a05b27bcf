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

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

// alarmed lists the alarms as a member sees them.
func alarmed(ctx context.Context, cl *client.Client) func() ([]pb.AlarmType, error) {
	return func() (list []pb.AlarmType, err error) {
		r, err := pb.NewMaintenanceClient(cl.ActiveConnection()).Alarm(ctx, &pb.AlarmRequest{})
		for _, a := range r.GetAlarms() {
			list = append(list, a.Alarm)
		}
		return list, err
	}
}

// disarm clears every alarm.
func disarm(ctx context.Context, cl *client.Client) {
	GinkgoHelper()
	maintenance := pb.NewMaintenanceClient(cl.ActiveConnection())
	r, err := maintenance.Alarm(ctx, &pb.AlarmRequest{})
	Expect(err).NotTo(HaveOccurred())
	for _, a := range r.Alarms {
		_, err := maintenance.Alarm(ctx, &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: a.MemberID, Alarm: a.Alarm})
		Expect(err).NotTo(HaveOccurred())
	}
}

const (
	noSpace = "etcdserver: mvcc: database space exceeded"
	// timedOut is in the error of a write that is there or not, for instance because there was an election.
	timedOut = "etcdserver: request timed out"
)

var _ = Describe("a quota", func() {
	It("is held, stops what grows the store on all members, and gives way when there is room again", func() {
		const quota = 4 << 20
		c := start(cluster.Options{Members: 3, Flags: []string{fmt.Sprint("--quota-backend-bytes=", quota)}})
		ctx := within(2 * time.Minute)
		cl := connect(c)
		value := strings.Repeat("x", 100_000)
		full := make(chan error, 8)
		for w := range cap(full) {
			go func() {
				for i := 0; ; i++ {
					if _, err := cl.Put(ctx, fmt.Sprint("k", w), value); err != nil && !strings.Contains(err.Error(), timedOut) {
						full <- err
						return
					}
				}
			}()
		}
		for range cap(full) {
			Expect(<-full).To(MatchError(ContainSubstring(noSpace)))
		}
		Eventually(alarmed(ctx, cl), "30s").Should(ContainElement(pb.AlarmType_NOSPACE))
		refused := func() {
			GinkgoHelper()
			for _, m := range c.Members {
				one := connect(c, m)
				_, err := one.Put(ctx, "small", "y")
				Expect(err).To(MatchError(ContainSubstring(noSpace)))
				got, err := one.Get(ctx, "k0") // the alarm has arrived here, then
				Expect(err).NotTo(HaveOccurred())
				Expect(got.Kvs).To(HaveLen(1))
				s, err := one.Status(ctx, m.ClientURL)
				Expect(err).NotTo(HaveOccurred())
				Expect(s.Errors).To(ContainElement(ContainSubstring("NOSPACE")))
				Expect(s.DbSizeQuota).To(BeEquivalentTo(quota))
				Expect(s.DbSize).To(BeNumerically("<", 2*quota))
			}
		}
		refused()
		for _, m := range c.Members {
			Expect(m.Kill()).To(Succeed())
		}
		Expect(c.Start()).To(Succeed(), "etcd#14429: the log that is applied again holds a list of alarms")
		refused()

		// The way out that operators know.
		r, err := cl.Get(ctx, "k0")
		Expect(err).NotTo(HaveOccurred())
		_, err = cl.Compact(ctx, r.Header.Revision, client.WithCompactPhysical())
		Expect(err).NotTo(HaveOccurred())
		_, err = cl.Delete(ctx, "k", client.WithPrefix())
		Expect(err).NotTo(HaveOccurred())
		for _, m := range c.Members {
			one := connect(c, m)
			Eventually(func() (int64, error) { // each removes what was compacted in its own time
				s, err := one.Status(ctx, m.ClientURL)
				if err != nil {
					return 0, err
				}
				return s.DbSizeInUse, nil
			}, "30s").Should(BeNumerically("<", quota/2))
			_, err := pb.NewMaintenanceClient(one.ActiveConnection()).Defragment(ctx, &pb.DefragmentRequest{})
			Expect(err).NotTo(HaveOccurred())
		}
		disarm(ctx, cl)
		_, err = cl.Put(ctx, "small", "y")
		Expect(err).NotTo(HaveOccurred())
		Expect(alarmed(ctx, cl)()).To(BeEmpty())
		expectEqualHashes(ctx, c)
	})
})

var _ = Describe("automatic compaction", func() {
	It("is done by whoever leads, and removes what is old", func() {
		c := start(cluster.Options{Members: 3, Flags: []string{"--auto-compaction-mode=periodic", "--auto-compaction-retention=1s"}})
		ctx := within(2 * time.Minute)
		cl := connect(c)
		compacted := func(old int64) func() error {
			return func() error {
				_, err := cl.Get(ctx, "k", client.WithRev(old))
				return err
			}
		}
		write := func() int64 {
			GinkgoHelper()
			var first int64
			Eventually(func() error { // the member that the client was at may have gone
				r, err := cl.Put(ctx, "k", "first")
				if err == nil {
					first = r.Header.Revision
				}
				return err
			}, "20s").Should(Succeed())
			for i := range 20 {
				_, err := cl.Put(ctx, "k", fmt.Sprint(i))
				Expect(err).NotTo(HaveOccurred())
			}
			return first
		}
		Eventually(compacted(write()), "20s").Should(MatchError(ContainSubstring("required revision has been compacted")))
		Expect(leaderOf(ctx, c).Stop()).To(Succeed())
		Eventually(compacted(write()), "20s").Should(MatchError(ContainSubstring("required revision has been compacted")))
		r, err := cl.Get(ctx, "k")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(r.Kvs[0].Value)).To(Equal("19"))
	})

	It("refuses a negative retention", func() { // GHSA-pm3m-32r3-7mfh
		for _, retention := range []string{"-1", "-1h"} {
			c := prepare(cluster.Options{Members: 1, Flags: []string{"--auto-compaction-retention=" + retention}})
			Expect(c.Members[0].Launch()).To(Succeed())
			Eventually(c.Members[0].Running, "30s").Should(BeFalse())
			Expect(c.Members[0].ExitCode()).NotTo(BeZero())
			Expect(c.Members[0].Log()).To(ContainSubstring("CompactionRetention"))
		}
	})
})

// etcd#16287: more at once than the settings allow is refused at once, by a text that clients know, and what was not refused is
// done. Nothing is left of it afterwards.
var _ = Describe("a burst of requests", func() {
	It("may be refused in part, and harms nobody", func() {
		c := start(cluster.Options{Members: 3, Flags: []string{"--max-apply-lag=8"}})
		ctx := within(2 * time.Minute)
		cl := connect(c)
		lease, err := cl.Grant(ctx, 100)
		Expect(err).NotTo(HaveOccurred())
		var refused, done, unknown atomic.Int64
		var burst sync.WaitGroup
		for i := range 500 {
			burst.Go(func() {
				defer GinkgoRecover()
				_, err := cl.Put(ctx, fmt.Sprint("burst/", i), strings.Repeat("v", 10_000))
				switch {
				case err == nil:
					done.Add(1)
				case strings.Contains(err.Error(), "etcdserver: too many requests"):
					refused.Add(1)
				case strings.Contains(err.Error(), timedOut):
					unknown.Add(1)
				default:
					Fail(err.Error())
				}
			})
		}
		burst.Wait()
		Expect(done.Load()).To(BeNumerically(">", 0))
		r, err := cl.Get(ctx, "burst/", client.WithPrefix(), client.WithCountOnly())
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Count).To(And(BeNumerically(">=", done.Load()), BeNumerically("<=", done.Load()+unknown.Load())), "%d were refused", refused.Load())
		for _, m := range c.Members { // one that did not answer to the burst may have some of it left to apply
			only := connect(c, m)
			Eventually(func() error {
				_, err := only.Put(ctx, "after", m.Name)
				return err
			}, "20s").Should(Succeed())
		}
		_, err = cl.Revoke(ctx, lease.ID)
		Expect(err).NotTo(HaveOccurred())
		AddReportEntry("refused", refused.Load())
		expectEqualHashes(ctx, c)
	})
})
