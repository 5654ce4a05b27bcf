package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
)

// sees expects the next value that an observer is told.
func sees(t *testing.T, ch <-chan *client.GetResponse, want string) {
	t.Helper()
	select {
	case r, ok := <-ch:
		if !ok || len(r.Kvs) != 1 || string(r.Kvs[0].Value) != want {
			t.Fatalf("saw %v, want %s", r, want)
		}
	case <-within(t).Done():
		t.Fatalf("%s is not seen", want)
	}
}

func TestElection(t *testing.T) {
	_, c := serve(t)
	a, b := session(t, c), session(t, c)
	one, two := concurrency.NewElection(a, "office"), concurrency.NewElection(b, "office")
	if _, err := one.Leader(within(t)); err != concurrency.ErrElectionNoLeader {
		t.Error(err)
	}
	if err := one.Proclaim(within(t), "x"); err != concurrency.ErrElectionNotLeader {
		t.Error(err)
	}
	must(t, one.Resign(within(t)))
	ctx, cancel := context.WithCancel(t.Context())
	observer := one.Observe(ctx)
	must(t, one.Campaign(within(t), "one"))
	sees(t, observer, "one")
	if want := fmt.Sprintf("office/%x", int64(a.Lease())); one.Key() != want || one.Rev() == 0 || one.Header().Revision < one.Rev() {
		t.Errorf("key %q, want %q; created at %d", one.Key(), want, one.Rev())
	}
	rev := one.Rev()
	must(t, one.Campaign(within(t), "one again"))
	sees(t, observer, "one again")
	got := make(chan error)
	go func() { got <- two.Campaign(within(t), "two") }()
	waits(t, c, "office/", 2)
	must(t, one.Proclaim(within(t), "one, still"))
	sees(t, observer, "one, still")
	if r, err := two.Leader(within(t)); err != nil || string(r.Kvs[0].Value) != "one, still" || one.Rev() != rev {
		t.Errorf("leader %v, %v", r, err)
	}
	must(t, one.Resign(within(t)))
	must(t, <-got)
	sees(t, observer, "two") // changed before the last value of one
	if one.Key() != "" || one.Rev() != 0 || two.Rev() <= rev {
		t.Errorf("keys %q and %q", one.Key(), two.Key())
	}
	resumed := concurrency.ResumeElection(b, "office", two.Key(), two.Rev())
	must(t, resumed.Proclaim(within(t), "resumed"))
	sees(t, observer, "resumed")
	must(t, b.Close())
	if err := resumed.Proclaim(within(t), "x"); err != concurrency.ErrElectionNotLeader {
		t.Error(err)
	}
	cancel()
	if r, ok := <-observer; ok {
		t.Errorf("saw %v", r)
	}
}

func TestCampaignEnds(t *testing.T) {
	m, c := serve(t)
	must(t, concurrency.NewElection(session(t, c), "office").Campaign(within(t), "leader"))
	ctx, cancel := context.WithCancel(t.Context())
	s := session(t, c, concurrency.WithTTL(6))
	e := concurrency.NewElection(s, "office")
	got := make(chan error)
	go func() { got <- e.Campaign(ctx, "candidate") }()
	waits(t, c, "office/", 2)
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) || count(t, c, "office/") != 1 {
		t.Error(err)
	}
	go func() { got <- e.Campaign(within(t), "candidate") }()
	waits(t, c, "office/", 2)
	m.Expire(int64(s.Lease()))
	if err := <-got; err != concurrency.ErrSessionExpired || e.Key() != "" {
		t.Error(err)
	}
}
