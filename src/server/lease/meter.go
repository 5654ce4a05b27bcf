package lease

import (
	"time"

	"quoin.dev/pkg/meter"
)

// Meter is what happened to leases at one member. It belongs to the member's Clock, which stays when the table is replaced.
type Meter struct {
	Granted, Revoked meter.Counter
	Renewed          meter.Counter    // by this member, as the leader
	Expired          meter.Counter    // that this member, as the leader, has revoked since their time was over
	TTL              *meter.Histogram // of granted leases, in seconds
}

func newMeter() *Meter {
	return &Meter{TTL: meter.New(meter.Layout{First: 1, Buckets: 24, PerUnit: 1})}
}

// Meter is what happened to the leases that the clock was told of, whether it ran or not.
func (c *Clock) Meter() *Meter { return c.meter }

// Overdue is how many leases are over whose revoke is under way or has not begun.
func (c *Clock) Overdue(now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.of) - len(c.due) + c.due.over(now, 0)
}

// over counts the leases below a place in the heap whose time is over. It looks at those only whose queued deadline is.
func (h dueHeap) over(now time.Time, at int) int {
	if at >= len(h) || h[at].queued.After(now) {
		return 0
	}
	n := h.over(now, 2*at+1) + h.over(now, 2*at+2)
	if !h[at].deadline.After(now) {
		n++
	}
	return n
}
