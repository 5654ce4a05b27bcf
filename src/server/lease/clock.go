package lease

import (
	"container/heap"
	"errors"
	"slices"
	"sync"
	"time"
)

// Clock runs leases down while this member leads. A lease whose time is over is handed out once to be revoked, and again
// when that has failed; it is gone when its revoke is applied. Nothing is done per tick: the leases wait in a heap by their
// deadlines, and a renewal only moves the deadline, which the heap learns when the lease gets to its top.
type Clock struct {
	meter *Meter

	mu sync.Mutex // guards what follows
	// hears: grants and revokes count. running: every lease is known.
	hears, running bool

	of   map[ID]*countdown
	due  dueHeap
	wake chan struct{} // has one token when the earliest deadline may have changed
}

type countdown struct {
	Lease
	deadline time.Time
	queued   time.Time     // the deadline by which the heap has it
	place    int           // in the heap, -1 while its revoke is under way
	gone     chan struct{} // closed when the lease has left the clock, made when somebody waits for that
}

// NewClock returns a clock that stands still.
func NewClock() *Clock { return &Clock{meter: newMeter(), wake: make(chan struct{}, 1)} }

// Start begins to run leases down: each from what was left of it at its last checkpoint, and longer by grace, since nobody
// could renew it while there was no leader. list is called once the clock hears of grants, so none falls between. A lease
// that is revoked right then may stay, until its own revoke finds nothing and the caller says that with Revoked.
func (c *Clock) Start(list func() []Lease, now time.Time, grace time.Duration) {
	c.mu.Lock()
	c.hears, c.of, c.due = true, map[ID]*countdown{}, nil
	c.mu.Unlock()
	leases := list()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range leases {
		if c.of[l.ID] == nil {
			c.add(l, now.Add(seconds(l.Countdown())+grace))
		}
	}
	c.running = true
	c.signal()
}

// Stop forgets everything.
func (c *Clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.of {
		d.leave()
	}
	c.hears, c.running, c.of, c.due = false, false, nil, nil
}

// Granted starts the time of a new lease.
func (c *Clock) Granted(l Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hears {
		c.add(l, time.Now().Add(seconds(l.TTL)))
		c.signal()
	}
}

// Revoked forgets a lease.
func (c *Clock) Revoked(id ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.of[id]
	if d == nil {
		return
	}
	delete(c.of, id)
	if d.place >= 0 {
		heap.Remove(&c.due, d.place)
	}
	d.leave()
}

// Checkpointed notes what was recorded of a lease.
func (c *Clock) Checkpointed(id ID, remaining int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.of[id]; d != nil {
		d.RemainingTTL = remaining
	}
}

// ErrStands means that leases do not run down here, or not yet.
var ErrStands = errors.New("not a primary lessor")

// Renew gives a lease its whole time again. A lease whose time is over can not come back: then over is closed once it has
// left the clock, because it was revoked or because the clock was stopped. Errors: ErrNotFound, ErrStands.
func (c *Clock) Renew(id ID, now time.Time) (l Lease, over <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, err := c.find(id)
	switch {
	case err != nil:
		return Lease{}, nil, err
	case !d.deadline.After(now):
		if d.gone == nil {
			d.gone = make(chan struct{})
		}
		return d.Lease, d.gone, nil
	}
	d.deadline = now.Add(seconds(d.TTL))
	c.meter.Renewed.Inc()
	return d.Lease, nil, nil
}

// Remaining is what is left of a lease, zero or less when its time is over. Errors: ErrNotFound, ErrStands.
func (c *Clock) Remaining(id ID, now time.Time) (time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, err := c.find(id)
	if err != nil {
		return 0, err
	}
	return d.deadline.Sub(now), nil
}

// Sort brings leases into the order in which they end. Those that do not run down here keep theirs, behind the others.
func (c *Clock) Sort(leases []Lease) {
	deadlines := make(map[ID]time.Time, len(leases))
	c.mu.Lock()
	for id, d := range c.of {
		deadlines[id] = d.deadline
	}
	c.mu.Unlock()
	slices.SortStableFunc(leases, func(a, b Lease) int {
		first, runs := deadlines[a.ID]
		second, alsoRuns := deadlines[b.ID]
		switch {
		case runs && alsoRuns:
			return first.Compare(second)
		case runs:
			return -1
		case alsoRuns:
			return 1
		}
		return 0
	})
}

func (c *Clock) find(id ID) (*countdown, error) {
	if !c.running {
		return nil, ErrStands
	}
	if d := c.of[id]; d != nil {
		return d, nil
	}
	return nil, ErrNotFound
}

// Expired hands out leases whose time is over, at most most of them, and says when to ask again, zero for when Wake tells.
func (c *Clock) Expired(now time.Time, most int) (ids []ID, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.due) > 0 {
		d := c.due[0]
		switch {
		case d.queued.After(now) || len(ids) == most:
			return ids, d.queued
		case d.deadline.After(d.queued): // was renewed
			d.queued = d.deadline
			heap.Fix(&c.due, 0)
		default:
			heap.Pop(&c.due)
			ids = append(ids, d.ID)
		}
	}
	return ids, time.Time{}
}

// Retry takes a lease back whose revoke has failed.
func (c *Clock) Retry(id ID, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.of[id]; d != nil && d.place < 0 {
		d.queued = at
		heap.Push(&c.due, d)
		c.signal()
	}
}

// Checkpoints lists leases of which at least step has passed since what is recorded of them, with what is left, at most most.
func (c *Clock) Checkpoints(now time.Time, step time.Duration, most int) []Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Lease
	for _, d := range c.of {
		if len(list) == most {
			break
		}
		left := d.deadline.Sub(now)
		if left > 0 && seconds(d.Countdown())-left >= step {
			list = append(list, Lease{ID: d.ID, TTL: d.TTL, RemainingTTL: int64((left + time.Second - 1) / time.Second)})
		}
	}
	return list
}

// Wake has a token when the time that Expired said may be wrong.
func (c *Clock) Wake() <-chan struct{} { return c.wake }

func (c *Clock) add(l Lease, deadline time.Time) {
	d := &countdown{Lease: l, deadline: deadline, queued: deadline}
	c.of[l.ID] = d
	heap.Push(&c.due, d)
}

func (c *Clock) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (d *countdown) leave() {
	if d.gone != nil {
		close(d.gone)
	}
}

// seconds is a time to live as a duration, which the longest one almost fills.
func seconds(ttl int64) time.Duration { return time.Duration(min(ttl, MaxTTL)) * time.Second }

// dueHeap is a heap by the queued deadline.
type dueHeap []*countdown

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].queued.Before(h[j].queued) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	d := x.(*countdown)
	d.place = len(*h)
	*h = append(*h, d)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.place = -1
	return d
}
