package lease_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/server/lease"
)

var begin = time.Unix(1_700_000_000, 0)

func at(seconds float64) time.Time {
	return begin.Add(time.Duration(seconds * float64(time.Second)))
}

func started(leases ...lease.Lease) *lease.Clock {
	c := lease.NewClock()
	c.Start(func() []lease.Lease { return leases }, begin, time.Second)
	return c
}

func TestLeasesRunDown(t *testing.T) {
	w := NewWithT(t)
	c := started(lease.Lease{ID: 1, TTL: 10}, lease.Lease{ID: 2, TTL: 60, RemainingTTL: 5})
	ids, next := c.Expired(at(5.9), 10)
	w.Expect(ids).To(BeEmpty())
	w.Expect(next).To(Equal(at(6)))
	ids, next = c.Expired(at(6), 10)
	w.Expect(ids).To(Equal([]lease.ID{2}))
	w.Expect(next).To(Equal(at(11)))
	_, _, err := c.Renew(1, at(10))
	w.Expect(err).NotTo(HaveOccurred())
	ids, next = c.Expired(at(12), 10)
	w.Expect(ids).To(BeEmpty())
	w.Expect(next).To(Equal(at(20)))

	// Its time is over: it can not come back, and is handed out again only when its revoke failed.
	_, over, err := c.Renew(2, at(7))
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(over).NotTo(BeNil())
	w.Consistently(over, "10ms").ShouldNot(BeClosed())
	c.Retry(2, at(13))
	ids, _ = c.Expired(at(13), 10)
	w.Expect(ids).To(Equal([]lease.ID{2}))
	c.Revoked(2)
	w.Expect(over).To(BeClosed())
	_, _, err = c.Renew(2, at(13))
	w.Expect(err).To(MatchError(lease.ErrNotFound))
	c.Retry(2, at(14))
	ids, _ = c.Expired(at(19), 10)
	w.Expect(ids).To(BeEmpty())
}

func TestAClockThatStandsSaysSo(t *testing.T) {
	w := NewWithT(t)
	c := lease.NewClock()
	c.Granted(lease.Lease{ID: 1, TTL: 10})
	_, _, err := c.Renew(1, begin)
	w.Expect(err).To(MatchError(lease.ErrStands))

	// What is granted while the list is made is neither lost nor counted twice.
	c.Start(func() []lease.Lease {
		c.Granted(lease.Lease{ID: 2, TTL: 10})
		_, err := c.Remaining(2, begin)
		w.Expect(err).To(MatchError(lease.ErrStands))
		return []lease.Lease{{ID: 1, TTL: 10}, {ID: 2, TTL: 10}}
	}, begin, 0)
	for id := range lease.ID(2) {
		_, err := c.Remaining(id+1, begin)
		w.Expect(err).NotTo(HaveOccurred())
	}
	ids, _ := c.Expired(time.Now().Add(time.Hour), 10)
	w.Expect(ids).To(ConsistOf(lease.ID(1), lease.ID(2)))
	_, over, err := c.Renew(1, time.Now().Add(time.Hour))
	w.Expect(err).NotTo(HaveOccurred())
	c.Stop()
	w.Expect(over).To(BeClosed())
	_, err = c.Remaining(2, begin)
	w.Expect(err).To(MatchError(lease.ErrStands))
}

func TestSort(t *testing.T) {
	w := NewWithT(t)
	one, two, three, four := lease.Lease{ID: 1, TTL: 30}, lease.Lease{ID: 2, TTL: 10}, lease.Lease{ID: 3, TTL: 20}, lease.Lease{ID: 4, TTL: 5}
	c := started(one, two, three)
	list := []lease.Lease{four, one, two, three}
	c.Sort(list)
	w.Expect(list).To(Equal([]lease.Lease{two, three, one, four}))
}

func TestCheckpoints(t *testing.T) {
	w := NewWithT(t)
	c := started(lease.Lease{ID: 1, TTL: 100}, lease.Lease{ID: 2, TTL: 5})
	w.Expect(c.Checkpoints(at(20), 30*time.Second, 10)).To(BeEmpty())
	w.Expect(c.Checkpoints(at(31.5), 30*time.Second, 10)).To(Equal([]lease.Lease{{ID: 1, TTL: 100, RemainingTTL: 70}}))
	c.Checkpointed(1, 70)
	w.Expect(c.Checkpoints(at(40), 30*time.Second, 10)).To(BeEmpty())
	l, _, err := c.Renew(1, at(40))
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(l.RemainingTTL).To(BeEquivalentTo(70))
}

// TestTheLongestLease ends in the far future, not in the past.
func TestTheLongestLease(t *testing.T) {
	w := NewWithT(t)
	c := started(lease.Lease{ID: 1, TTL: lease.MaxTTL})
	left, err := c.Remaining(1, begin)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(left).To(Equal(lease.MaxTTL*time.Second + time.Second))
}

// TestClockAndItsTwin grants, renews and revokes at random, and compares what runs out with a plain map of deadlines.
func TestClockAndItsTwin(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 3))
	c := lease.NewClock()
	var all []lease.Lease
	twin := map[lease.ID]time.Time{}
	for id := range lease.ID(500) {
		l := lease.Lease{ID: id + 1, TTL: 1 + rng.Int64N(100)}
		all = append(all, l)
		twin[l.ID] = begin.Add(time.Duration(l.TTL) * time.Second)
	}
	c.Start(func() []lease.Lease { return all }, begin, 0)
	now := begin
	for range 3000 {
		now = now.Add(time.Duration(rng.IntN(100)) * time.Millisecond)
		l := all[rng.IntN(len(all))]
		switch deadline, ok := twin[l.ID]; {
		case rng.IntN(10) == 0:
			c.Revoked(l.ID)
			delete(twin, l.ID)
		case ok:
			_, over, err := c.Renew(l.ID, now)
			if err != nil || (over != nil) != !deadline.After(now) {
				t.Fatalf("lease %d of %v at %v: %v, %v", l.ID, deadline, now, over, err)
			}
			if over == nil {
				twin[l.ID] = now.Add(time.Duration(l.TTL) * time.Second)
			}
		}
		if rng.IntN(5) > 0 {
			continue
		}
		var want []lease.ID
		for id, deadline := range twin {
			if !deadline.After(now) {
				want = append(want, id)
				delete(twin, id)
			}
		}
		got, _ := c.Expired(now, len(all))
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("expired %v, want %v", got, want)
		}
	}
}
