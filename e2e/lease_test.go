package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

// grantMany makes leases of a time to live, each with a key, and returns their ids.
func grantMany(ctx context.Context, c *client.Client, prefix string, n int, ttl int64) []client.LeaseID {
	GinkgoHelper()
	ids := make([]client.LeaseID, n)
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			defer GinkgoRecover()
			for i := w; i < n; i += 8 {
				Expect(persist(ctx, func(ctx context.Context) error {
					if ids[i] == client.NoLease {
						r, err := c.Grant(ctx, ttl)
						if err != nil {
							return err
						}
						ids[i] = r.ID
					}
					_, err := c.Put(ctx, fmt.Sprint(prefix, i), "v", client.WithLease(ids[i]))
					if errors.Is(err, rpctypes.ErrLeaseNotFound) {
						ids[i] = client.NoLease // a short one, which has ended before
					}
					return err
				})).To(Succeed())
			}
		})
	}
	workers.Wait()
	return ids
}

// leasesOf lists what one member knows, sorted by id.
func leasesOf(ctx context.Context, c *client.Client) ([]client.LeaseID, error) {
	r, err := c.Leases(ctx)
	if err != nil {
		return nil, err
	}
	var ids []client.LeaseID
	for _, l := range r.Leases {
		ids = append(ids, l.ID)
	}
	slices.Sort(ids)
	return ids, nil
}

var _ = Describe("leases", func() {
	// etcd#10686, etcd#10693, etcd#14087
	It("that end while leaders change leave nothing behind on any member", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(3 * time.Minute)
		cl := connect(c)
		kept := grantMany(ctx, cl, "kept/", 20, 3600)
		const short = 1000
		count := func(cl *client.Client, prefix string) func() (int64, error) {
			return func() (int64, error) {
				r, err := cl.Get(ctx, prefix, client.WithPrefix(), client.WithCountOnly(), client.WithSerializable())
				if err != nil {
					return -1, err
				}
				return r.Count, nil
			}
		}
		grantMany(ctx, cl, "short/", short, 2)
		for range 2 {
			leader := leaderOf(ctx, c)
			Expect(leader.Kill()).To(Succeed())
			leaderOf(ctx, c)
			Expect(leader.Start()).To(Succeed())
		}
		for _, m := range c.Members {
			cl := connect(c, m)
			Eventually(count(cl, "short/"), "60s").Should(BeZero(), m.Name)
			Eventually(func() (int, error) {
				ids, err := leasesOf(ctx, cl)
				return len(ids), err
			}, "60s").Should(Equal(len(kept)), m.Name)
			Expect(count(cl, "kept/")()).To(BeEquivalentTo(len(kept)))
		}
		expectEqualHashes(ctx, c)
	})

	// etcd#12651
	It("are the same after all members were killed, and keep their keys", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(2 * time.Minute)
		cl := connect(c)
		want := grantMany(ctx, cl, "k/", 300, 3600)
		_, err := cl.Revoke(ctx, want[0])
		Expect(err).NotTo(HaveOccurred())
		keys := map[client.LeaseID]string{}
		for i, id := range want {
			keys[id] = fmt.Sprint("k/", i)
		}
		want = want[1:]
		slices.Sort(want)
		for _, m := range c.Members {
			Expect(m.Kill()).To(Succeed())
		}
		Expect(c.Start()).To(Succeed())
		for _, m := range c.Members {
			cl := connect(c, m)
			Eventually(func() ([]client.LeaseID, error) { return leasesOf(ctx, cl) }, "30s").Should(Equal(want), m.Name)
			for _, id := range want[:20] {
				r, err := cl.TimeToLive(ctx, id, client.WithAttachedKeys())
				Expect(err).NotTo(HaveOccurred())
				Expect(r.Keys).To(Equal([][]byte{[]byte(keys[id])}))
			}
		}
		expectEqualHashes(ctx, c)
	})

	// etcd#15247, etcd#12528
	It("that are renewed elsewhere outlive a leader that was suspended for longer than they last", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(2 * time.Minute)
		asleep := leaderOf(ctx, c)
		rest := others(c, asleep)
		cl := connect(c, rest...)
		leases := grantMany(ctx, cl, "alive/", 20, 8)
		Expect(asleep.Pause()).To(Succeed())
		renewed := func() {
			GinkgoHelper()
			for _, id := range leases {
				Expect(persist(ctx, func(ctx context.Context) error {
					once, cancel := context.WithTimeout(ctx, 2*time.Second)
					defer cancel()
					_, err := cl.KeepAliveOnce(once, id)
					if errors.Is(err, rpctypes.ErrLeaseNotFound) {
						Fail(fmt.Sprintf("lease %x ended although it was renewed", int64(id)))
					}
					return err
				})).To(Succeed())
			}
		}
		for slept := time.Now(); time.Since(slept) < 12*time.Second; {
			renewed()
		}
		Expect(asleep.Resume()).To(Succeed())
		term := func(m *cluster.Member) func() (uint64, error) {
			return func() (uint64, error) {
				s, err := connect(c, m).Status(ctx, m.ClientURL)
				if err != nil {
					return 0, err
				}
				return s.RaftTerm, nil
			}
		}
		now, err := term(rest[0])()
		Expect(err).NotTo(HaveOccurred())
		Eventually(term(asleep), "30s").Should(BeNumerically(">=", now), "the old leader knows of the new one")
		for range 3 {
			renewed()
		}
		r, err := cl.Get(ctx, "alive/", client.WithPrefix(), client.WithCountOnly())
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Count).To(BeEquivalentTo(len(leases)))
	})

	// etcd#20615
	It("are not renewed by any member once their revoke was answered", func() {
		c := start(cluster.Options{Members: 3})
		ctx := within(2 * time.Minute)
		cl := connect(c)
		for i, id := range grantMany(ctx, cl, "revoked/", 50, 3600) {
			var (
				revoked  atomic.Bool
				renewers sync.WaitGroup
			)
			renewing := make(chan struct{}, len(c.Members))
			for _, m := range c.Members {
				through := connect(c, m)
				renewers.Go(func() {
					defer GinkgoRecover()
					for {
						late := revoked.Load()
						r, err := through.KeepAliveOnce(ctx, id)
						if err == nil {
							Expect(late).To(BeFalse(), "%s renewed lease %d for %d s after its revoke", m.Name, i, r.TTL)
							select {
							case renewing <- struct{}{}:
							default:
							}
							continue
						}
						Expect(err).To(MatchError(rpctypes.ErrLeaseNotFound))
						return
					}
				})
			}
			<-renewing
			_, err := cl.Revoke(ctx, id)
			Expect(err).NotTo(HaveOccurred())
			revoked.Store(true)
			renewers.Wait()
		}
	})
})
