package client_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

// rounds makes n gets that must all succeed and returns how many each member answered.
func rounds(t *testing.T, c *client.Client, n int, members ...*member) []int64 {
	t.Helper()
	before := make([]int64, len(members))
	for i, m := range members {
		before[i] = m.ranges.Load()
	}
	for range n {
		if _, err := c.Get(within(t), "k"); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range members {
		before[i] = m.ranges.Load() - before[i]
	}
	return before
}

// settle waits until requests reach every one of the members.
func settle(t *testing.T, c *client.Client, members ...*member) {
	t.Helper()
	eventually(t, "every member answers", func() bool {
		for _, n := range rounds(t, c, 2*len(members), members...) {
			if n == 0 {
				return false
			}
		}
		return true
	})
}

// TestRequestsAreSpread evenly, once the health of every member is known: until then one may come and go.
func TestRequestsAreSpread(t *testing.T) {
	a, b, d := start(t, &member{}, listen(t)), start(t, &member{}, listen(t)), start(t, &member{}, listen(t))
	c := open(t, client.Config{}, a, b, d)
	eventually(t, "every member answers 10 of 30 requests", func() bool {
		for _, n := range rounds(t, c, 30, a, b, d) {
			if n != 10 {
				return false
			}
		}
		return true
	})
}

func TestMemberWithoutHealthServiceServes(t *testing.T) {
	a, b := start(t, &member{withoutHealth: true}, listen(t)), start(t, &member{}, listen(t))
	settle(t, open(t, client.Config{}, a, b), a, b)
}

func TestStoppedMemberIsLeft(t *testing.T) {
	a, b := start(t, &member{}, listen(t)), start(t, &member{}, listen(t))
	c := open(t, client.Config{}, a, b)
	settle(t, c, a, b)
	l := listen(t)
	c.SetEndpoints(a.address, b.address, l.Addr().String())
	l.Close() // an endpoint where nobody listens
	a.server.Stop()
	if n := rounds(t, c, 20, b); n[0] != 20 {
		t.Errorf("the member that is left answered %d of 20", n[0])
	}
	b.server.Stop()
	eventually(t, "a put without any member waits until its deadline", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := c.Put(ctx, "k", "v")
		return errors.Is(err, context.DeadlineExceeded)
	})
}

// A member that comes up late serves the request that waited for it.
func TestRequestWaitsForAMember(t *testing.T) {
	l := listen(t)
	address := l.Addr().String()
	l.Close()
	c := open(t, client.Config{Endpoints: []string{address}})
	result := make(chan error, 1)
	go func() {
		_, err := c.Put(within(t), "k", "v")
		result <- err
	}()
	select {
	case err := <-result:
		t.Fatalf("ended before there was a member: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	m := &member{}
	start(t, m, listenOn(t, address))
	if err := <-result; err != nil || m.puts.Load() != 1 {
		t.Errorf("error %v, %d puts", err, m.puts.Load())
	}
}

func TestMemberThatReportsUnhealthyIsAvoided(t *testing.T) {
	a := start(t, &member{}, listen(t))
	b := start(t, &member{}, listen(t))
	c := open(t, client.Config{}, a, b)
	settle(t, c, a, b)
	a.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	eventually(t, "the unhealthy member is avoided", func() bool { return rounds(t, c, 10, a)[0] == 0 })
	b.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	eventually(t, "with no healthy member the others serve", func() bool {
		n := rounds(t, c, 10, a, b)
		return n[0] > 0 && n[1] > 0
	})
	a.health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	eventually(t, "the healthy member serves alone", func() bool { return rounds(t, c, 10, b)[0] == 0 })
}

// A member can be connected and report nothing, and yet fail every request, as one on the wrong side of a partition.
func TestMemberThatFailsIsAvoided(t *testing.T) {
	var broken atomic.Bool
	a := start(t, &member{answer: func(context.Context, string) error {
		if broken.Load() {
			return rpctypes.ErrGRPCNoLeader
		}
		return nil
	}}, listen(t))
	b := start(t, &member{}, listen(t))
	c := open(t, client.Config{}, a, b)
	settle(t, c, a, b)
	broken.Store(true)
	failed := 0
	for range 50 {
		if _, err := c.Put(within(t), "k", "v"); err != nil {
			failed++
		}
	}
	if failed > 6 { // it is tried again after 1 s, 3 s, 7 s, 15 s and 31 s
		t.Errorf("%d of 50 puts went to the failing member", failed)
	}
}

func TestSetEndpoints(t *testing.T) {
	a, b := start(t, &member{}, listen(t)), start(t, &member{}, listen(t))
	c := open(t, client.Config{}, a)
	rounds(t, c, 1, a)
	c.SetEndpoints("http://"+b.address, "ftp://nonsense")
	if got := c.Endpoints(); len(got) != 1 || got[0] != "http://"+b.address {
		t.Errorf("endpoints %v", got)
	}
	eventually(t, "requests go to the new endpoint", func() bool { return rounds(t, c, 5, b)[0] == 5 })
	c.SetEndpoints()
	if len(c.Endpoints()) != 1 {
		t.Error("an empty list took the last endpoint away")
	}
}
