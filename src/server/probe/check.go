package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	pb "quoin.dev/api/etcdserverpb"
)

// check is one question to a member. All who ask it at one time share an answer, so that a member that hangs holds one goroutine
// for it, however often it is asked.
type check struct {
	name string
	// quiet is one that etcd does not have: it is mentioned only when it fails.
	quiet bool
	ask   func(ctx context.Context) error

	mu  sync.Mutex // guards now; never held while asking
	now *asking    // nil if nobody asks
}

type asking struct {
	done chan struct{} // closed when err is set
	err  error
}

// run asks, and gives up with ctx.
func (c *check) run(ctx context.Context) error {
	c.mu.Lock()
	a := c.now
	if a == nil {
		a = &asking{done: make(chan struct{})}
		c.now = a
		go c.answer(a)
	}
	c.mu.Unlock()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return errTimeout
	}
}

func (c *check) answer(a *asking) {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	err := c.ask(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errTimeout
	}
	c.mu.Lock()
	c.now = nil
	c.mu.Unlock()
	a.err = err
	close(a.done)
}

// runAll runs checks beside each other, and returns their errors in their order.
func runAll(ctx context.Context, list []*check) []error {
	results := make([]error, len(list))
	var running sync.WaitGroup
	for i, c := range list {
		running.Go(func() { results[i] = c.run(ctx) })
	}
	running.Wait()
	return results
}

// errNoLeader is the answer of a member that knows no leader.
var errNoLeader = errors.New("etcdserver: no leader")

// alarmsRaised is the answer of a member with alarms.
type alarmsRaised []*pb.AlarmMember

// Error implements error.
func (a alarmsRaised) Error() string { return fmt.Sprintf("alarms activated: %d", len(a)) }

// checks are all that a member is asked.
type checks struct {
	observer Observer

	local, latest, alarms, leader, known *check
	live, ready                          []*check
}

func newChecks(m Member) *checks {
	c := &checks{
		local:  &check{name: "serializable_read", ask: m.ReadLocal},
		latest: &check{name: "linearizable_read", ask: m.ReadLatest},
		alarms: &check{name: "alarms", ask: func(context.Context) error {
			if raised := m.Alarms(); len(raised) > 0 {
				return alarmsRaised(raised)
			}
			return nil
		}},
		leader: &check{name: "leader", ask: func(context.Context) error {
			if !m.HasLeader() {
				return errNoLeader
			}
			return nil
		}},
		known: &check{name: "member", quiet: true, ask: func(context.Context) error { return known(m) }},
	}
	learner := &check{name: "non_learner", ask: func(context.Context) error {
		if m.IsLearner() {
			return errors.New("not supported for learner")
		}
		return nil
	}}
	corruption := &check{name: "data_corruption", ask: func(context.Context) error {
		if slices.ContainsFunc(m.Alarms(), func(a *pb.AlarmMember) bool { return a.Alarm == pb.AlarmType_CORRUPT }) {
			return fmt.Errorf("alarm activated: %s", pb.AlarmType_CORRUPT)
		}
		return m.Trusted()
	}}
	c.live = []*check{c.local}
	c.ready = []*check{c.local, c.latest, learner, corruption, c.known}
	return c
}

// known is what a member knows against itself, such as a disk that is stuck; that it differs is for another check.
func known(m Member) error {
	reasons, _ := m.Health()
	differs := m.Trusted()
	var texts []string
	for _, r := range reasons {
		if r != differs {
			texts = append(texts, r.Error())
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return errors.New(strings.Join(texts, "; "))
}
