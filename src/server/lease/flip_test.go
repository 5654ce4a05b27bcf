package lease_test

import (
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/server/lease"
)

// TestLeadershipFlips: etcd#14087. The clock starts and stops while leases are granted, renewed, checkpointed and revoked and run
// out by the hundred; the race detector looks on. Nobody waits for ever, and the last leader finds every lease that is left.
func TestLeadershipFlips(t *testing.T) {
	w := NewWithT(t)
	const leases, flips = 4000, 20
	c := lease.NewClock()
	var (
		mu   sync.Mutex // guards left
		left = map[lease.ID]lease.Lease{}
	)
	for id := range lease.ID(leases) {
		left[id+1] = lease.Lease{ID: id + 1, TTL: 1 + int64(id)%5}
	}
	list := func() (all []lease.Lease) {
		mu.Lock()
		defer mu.Unlock()
		for _, l := range left {
			all = append(all, l)
		}
		return all
	}
	revoke := func(id lease.ID) {
		mu.Lock()
		delete(left, id)
		mu.Unlock()
		c.Revoked(id)
	}
	over := make(chan struct{})
	var works sync.WaitGroup
	work := func(do func(i int)) {
		works.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
					do(i)
				}
			}
		})
	}
	now := func(i int) time.Time { return at(float64(i%20) / 2) }
	work(func(i int) {
		for n, id := range first(c.Expired(now(i), 100)) {
			if n%2 == 0 {
				revoke(id)
			} else {
				c.Retry(id, now(i))
			}
		}
	})
	work(func(i int) { c.Checkpoints(now(i), time.Second, 100) })
	work(func(i int) { c.Checkpointed(lease.ID(i%leases+1), 1) })
	work(func(i int) {
		_, gone, err := c.Renew(lease.ID(i%leases+1), now(i))
		if err == nil && gone != nil {
			<-gone // by its revoke or by the end of the leadership
		}
	})
	for range flips {
		c.Start(list, begin, 0)
		c.Stop()
	}
	close(over)
	works.Wait()

	c.Start(list, begin, 0)
	for _, id := range first(c.Expired(at(1000), leases)) {
		revoke(id)
	}
	w.Expect(list()).To(BeEmpty(), "leases that nobody would end")
	ids, _ := c.Expired(at(2000), leases)
	w.Expect(ids).To(BeEmpty())
}

func first(ids []lease.ID, _ time.Time) []lease.ID { return ids }
