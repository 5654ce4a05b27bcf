package lease

import (
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// The heap is searched only where deadlines may be over; a look at all leases finds the same.
func TestOverdue(t *testing.T) {
	w := NewWithT(t)
	now := time.Now()
	c := NewClock()
	c.Start(func() (all []Lease) {
		for id := range 500 {
			all = append(all, Lease{ID: ID(id + 1), TTL: 1 + rand.Int64N(100)})
		}
		return all
	}, now, 0)
	for _, passed := range []time.Duration{0, 10 * time.Second, 30 * time.Second, 99 * time.Second, time.Hour} {
		then := now.Add(passed)
		slow := 0
		for _, d := range c.of {
			if !d.deadline.After(then) {
				slow++
			}
		}
		w.Expect(c.Overdue(then)).To(Equal(slow), passed.String())
		ids, _ := c.Expired(then, 7) // their revokes are under way
		w.Expect(c.Overdue(then)).To(Equal(slow), passed.String())
		for _, id := range ids {
			c.Revoked(id)
		}
		w.Expect(c.Overdue(then)).To(Equal(slow - len(ids)))
		_, _, _ = c.Renew(ID(1+rand.Int64N(500)), then) // one moves, and the heap does not know yet
	}
	c.Stop()
	w.Expect(c.Overdue(now.Add(time.Hour))).To(BeZero())
}
