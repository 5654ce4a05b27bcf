package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
	"quoin.dev/client/internal/standin"
)

// serve starts a member and returns it with a client, until the end of the test.
func serve(t *testing.T) (*standin.Member, *client.Client) {
	t.Helper()
	m, err := standin.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	c, err := client.New(client.Config{Endpoints: []string{m.Address}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return m, c
}

func session(t *testing.T, c *client.Client, opts ...concurrency.SessionOption) *concurrency.Session {
	t.Helper()
	s, err := concurrency.NewSession(c, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// count returns how many keys have a prefix.
func count(t *testing.T, c *client.Client, prefix string) int64 {
	t.Helper()
	r, err := c.Get(within(t), prefix, client.WithPrefix())
	must(t, err)
	return r.Count
}

// waits returns when a number of keys have a prefix.
func waits(t *testing.T, c *client.Client, prefix string, n int64) {
	t.Helper()
	for ctx := within(t); count(t, c, prefix) != n; {
		if ctx.Err() != nil {
			t.Fatalf("there are not %d keys with prefix %s", n, prefix)
		}
	}
}

func TestSession(t *testing.T) {
	m, c := serve(t)
	s := session(t, c, concurrency.WithTTL(5), concurrency.WithTTL(-1))
	if s.Client() != c || s.Lease() == client.NoLease || s.Ctx().Err() != nil || m.Leases() != 1 {
		t.Errorf("%+v", s)
	}
	taken := session(t, c, concurrency.WithLease(s.Lease()))
	if taken.Lease() != s.Lease() || m.Leases() != 1 {
		t.Error("the lease was not taken over")
	}
	taken.Orphan()
	<-taken.Done()
	if taken.Ctx().Err() == nil || m.Leases() != 1 {
		t.Error("Orphan revoked the lease")
	}
	must(t, s.Close())
	<-s.Done()
	if m.Leases() != 0 {
		t.Error("Close did not revoke the lease")
	}
	ctx, cancel := context.WithCancel(t.Context())
	s = session(t, c, concurrency.WithContext(ctx))
	cancel()
	<-s.Done()
	if err := s.Close(); !errors.Is(err, context.Canceled) || m.Leases() != 1 {
		t.Errorf("after the end of the context: %v, %d leases", err, m.Leases())
	}
}

func TestSessionEndsWithItsLease(t *testing.T) {
	m, c := serve(t)
	s := session(t, c, concurrency.WithTTL(6))
	m.Expire(int64(s.Lease()))
	select {
	case <-s.Done():
	case <-within(t).Done():
		t.Error("the session does not end")
	}
}

func TestMutex(t *testing.T) {
	_, c := serve(t)
	a, b := session(t, c), session(t, c)
	one, two := concurrency.NewMutex(a, "lock"), concurrency.NewMutex(b, "lock")
	if err := one.Unlock(within(t)); err != concurrency.ErrLockReleased {
		t.Error(err)
	}
	must(t, one.Lock(within(t)))
	if want := fmt.Sprintf("lock/%x", int64(a.Lease())); one.Key() != want || one.Header().Revision == 0 {
		t.Errorf("key %q, want %q", one.Key(), want)
	}
	must(t, one.Lock(within(t))) // the session has it already
	if err := two.TryLock(within(t)); err != concurrency.ErrLocked || count(t, c, "lock/") != 1 {
		t.Errorf("%v, %d keys", err, count(t, c, "lock/"))
	}
	got := make(chan error)
	go func() { got <- two.Lock(within(t)) }()
	waits(t, c, "lock/", 2)
	// To try in the name of the session that waits must not cost it its place.
	if err := concurrency.NewMutex(b, "lock").TryLock(within(t)); err != concurrency.ErrLocked || count(t, c, "lock/") != 2 {
		t.Errorf("%v, %d keys", err, count(t, c, "lock/"))
	}
	must(t, one.Unlock(within(t)))
	must(t, <-got)
	if one.Key() != "" {
		t.Error("the lock was given back and has a key")
	}
	for m, want := range map[*concurrency.Mutex]bool{one: false, two: true} {
		r, err := c.Txn(within(t)).If(m.IsOwner()).Commit()
		must(t, err)
		if r.Succeeded != want {
			t.Errorf("owner: %v, want %v", r.Succeeded, want)
		}
	}
	must(t, b.Close())
	must(t, one.TryLock(within(t)))
}

func TestContextEndsLock(t *testing.T) {
	_, c := serve(t)
	holder := concurrency.NewMutex(session(t, c), "lock")
	must(t, holder.Lock(within(t)))
	ctx, cancel := context.WithCancel(t.Context())
	waiter := concurrency.NewMutex(session(t, c), "lock")
	got := make(chan error)
	go func() { got <- waiter.Lock(ctx) }()
	waits(t, c, "lock/", 2)
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) || count(t, c, "lock/") != 1 || waiter.Key() != "" {
		t.Errorf("%v, %d keys", err, count(t, c, "lock/"))
	}
}

// Jepsen 3.4.3: whoever waits in a place that it lost must not get the lock when those in front are gone.
func TestLockOfALostSession(t *testing.T) {
	m, c := serve(t)
	for _, orphan := range []bool{true, false} {
		holder := concurrency.NewMutex(session(t, c), "lock")
		must(t, holder.Lock(within(t)))
		s := session(t, c, concurrency.WithTTL(6))
		if orphan {
			s.Orphan() // it does not notice by itself
		}
		got := make(chan error)
		go func() { got <- concurrency.NewMutex(s, "lock").Lock(within(t)) }()
		waits(t, c, "lock/", 2)
		m.Expire(int64(s.Lease()))
		if orphan {
			must(t, holder.Unlock(within(t)))
		}
		if err := <-got; err != concurrency.ErrSessionExpired {
			t.Errorf("orphan %v: %v", orphan, err)
		}
		if !orphan {
			must(t, holder.Unlock(within(t)))
		}
	}
}

func TestLocker(t *testing.T) {
	_, c := serve(t)
	var wg sync.WaitGroup
	held, most := 0, 0
	for range 5 {
		wg.Go(func() {
			l := concurrency.NewLocker(session(t, c), "lock")
			for range 5 {
				l.Lock()
				held++
				most = max(most, held)
				held--
				l.Unlock()
			}
		})
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d held the lock together", most)
	}
	defer func() {
		if recover() != concurrency.ErrLockReleased {
			t.Error("Unlock of an open lock did not panic")
		}
	}()
	concurrency.NewLocker(session(t, c), "lock").Unlock()
}
