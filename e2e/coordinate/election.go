package main

import (
	"context"
	"errors"
	"fmt"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
)

// election has candidates stand in a known order, of whom each leads in its turn, with the trouble while the first one
// leads. An observer sees each of them.
func election(r *run) error {
	sessions, err := r.sessions(4)
	if err != nil {
		return err
	}
	o := &office{r: r, name: r.prefix + "office", won: make(chan victory, len(sessions))}
	o.observed = concurrency.NewElection(sessions[3], o.name).Observe(r.ctx)
	for i, s := range sessions[:3] {
		if err := o.stand(i, s); err != nil {
			return err
		}
	}
	if err := o.led(0, "0"); err != nil {
		return err
	}
	first, rev := o.candidates[0], o.candidates[0].Rev()
	if _, err := r.trouble(); err != nil {
		return err
	}
	if err := persist(r.ctx, func(ctx context.Context) error { return first.Proclaim(ctx, "0, still") }); err != nil {
		return err
	}
	if err := errors.Join(o.sees("0, still"), r.mend()); err != nil {
		return err
	}
	if len(o.won) > 0 || first.Rev() != rev {
		return errors.New("leadership went on without a reason")
	}
	return o.succession(sessions[1])
}

// office is an election with its candidates.
type office struct {
	r          *run
	name       string
	candidates []*concurrency.Election
	won        chan victory
	observed   <-chan *client.GetResponse
	last       string // what the observer saw last
}

type victory struct {
	candidate int
	err       error
}

// stand adds a candidate, and returns when it has its place in the line.
func (o *office) stand(i int, s *concurrency.Session) error {
	e := concurrency.NewElection(s, o.name)
	o.candidates = append(o.candidates, e)
	go func() { o.won <- victory{i, e.Campaign(o.r.ctx, fmt.Sprint(i))} }()
	return o.r.waitFor(s.Client(), o.name+"/", int64(i+1))
}

// led waits until a candidate has won, and until the observer has seen its value.
func (o *office) led(candidate int, value string) error {
	select {
	case v := <-o.won:
		if v.err != nil || v.candidate != candidate {
			return fmt.Errorf("candidate %d leads, expected %d: %v", v.candidate, candidate, v.err)
		}
	case <-o.r.ctx.Done():
		return fmt.Errorf("candidate %d does not lead", candidate)
	}
	return o.sees(value)
}

// sees waits for the next value, which must be this one. A proclamation whose answer was lost is made again, and seen twice.
func (o *office) sees(value string) error {
	for {
		select {
		case resp, ok := <-o.observed:
			if !ok {
				return fmt.Errorf("the observer ended and did not see %q", value)
			}
			got := string(resp.Kvs[0].Value)
			if got != value && got != o.last {
				return fmt.Errorf("the observer saw %q, expected %q", got, value)
			}
			if o.last = got; got == value {
				return nil
			}
		case <-o.r.ctx.Done():
			return fmt.Errorf("the observer did not see %q", value)
		}
	}
}

// succession lets the first leader resign, and the session of the second end.
func (o *office) succession(second *concurrency.Session) error {
	ctx := o.r.ctx
	one, two, three := o.candidates[0], o.candidates[1], o.candidates[2]
	if leader, err := two.Leader(ctx); err != nil || string(leader.Kvs[0].Value) != o.last {
		return fmt.Errorf("the leader is %v, %v", leader, err)
	}
	rev := one.Rev()
	if err := one.Resign(ctx); err != nil {
		return err
	}
	if err := o.led(1, "1"); err != nil {
		return err
	}
	next := two.Rev()
	if err := second.Close(); err != nil {
		return err
	}
	if err := o.led(2, "2"); err != nil {
		return err
	}
	if err := two.Proclaim(ctx, "late"); err != concurrency.ErrElectionNotLeader {
		return fmt.Errorf("a leader whose session has ended proclaims: %v", err)
	}
	if !(rev < next && next < three.Rev()) {
		return fmt.Errorf("leaders of the revisions %d, %d, %d", rev, next, three.Rev())
	}
	if err := three.Resign(ctx); err != nil {
		return err
	}
	if _, err := three.Leader(ctx); err != concurrency.ErrElectionNoLeader {
		return fmt.Errorf("after the last one: %v", err)
	}
	return nil
}
