package interop

import (
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestSessionsOfEtcdsClient: a session that is orphaned leaves its lease, which another one may take over, at another
// member; the end of the lease ends its session, and its keys.
func TestSessionsOfEtcdsClient(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	members := lab.StartCluster(t, subject, subject, subject).Members
	ctx := deadline(t)
	session := func(m *lab.Member, opts ...concurrency.SessionOption) *concurrency.Session {
		t.Helper()
		s, err := concurrency.NewSession(lab.Client(t, m), opts...)
		check(t, err)
		return s
	}
	ended := func(s *concurrency.Session) {
		t.Helper()
		select {
		case <-s.Done():
		case <-ctx.Done():
			t.Fatal("the session does not end")
		}
	}
	first := session(members[0], concurrency.WithTTL(30))
	lock := concurrency.NewMutex(first, "session")
	check(t, lock.Lock(ctx))
	first.Orphan()
	ended(first)
	left := must[*clientv3.LeaseTimeToLiveResponse](t)(lab.Client(t, members[1]).TimeToLive(ctx, first.Lease(), clientv3.WithAttachedKeys()))
	if left.GrantedTTL != 30 || left.TTL < 1 || len(left.Keys) != 1 || string(left.Keys[0]) != lock.Key() {
		t.Fatalf("an orphaned session leaves %v", left)
	}
	second := session(members[1], concurrency.WithLease(first.Lease()))
	again := concurrency.NewMutex(second, "session")
	check(t, again.Lock(ctx)) // the lease has it already
	if again.Key() != lock.Key() {
		t.Errorf("keys %q and %q", lock.Key(), again.Key())
	}
	waiting := make(chan error, 1)
	third := concurrency.NewMutex(session(members[2]), "session")
	go func() { waiting <- third.Lock(ctx) }()
	waitFor(t, members[0], "session/", 2)
	must[*clientv3.LeaseRevokeResponse](t)(lab.Client(t, members[2]).Revoke(ctx, second.Lease()))
	ended(second)
	check(t, <-waiting)

	short := session(members[0], concurrency.WithTTL(shortTTL))
	check(t, concurrency.NewMutex(short, "short").Lock(ctx))
	began := time.Now()
	short.Orphan()
	check(t, concurrency.NewMutex(session(members[1]), "short").Lock(ctx))
	if took := time.Since(began); took < time.Second {
		t.Errorf("an orphan of %d s lost its lock after %v", shortTTL, took)
	}
}

// TestSTMOfEtcdsClient measures, at etcd and at the server under test, what each level of isolation of etcd's transactional
// memory does about another's write between its reads: what is expected here is what e2e/coordinate expects of quoin's client.
func TestSTMOfEtcdsClient(t *testing.T) {
	t.Parallel()
	for _, kind := range []lab.Kind{lab.Etcd, lab.Subject(t)} {
		c := lab.Client(t, lab.StartOne(t, kind))
		for _, tc := range []struct {
			between string
			runs    [4]int
			sees    [4]string
		}{
			{"a", [4]int{2, 2, 2, 1}, [4]string{"old", "old", "old", "old"}},
			{"b", [4]int{2, 2, 1, 1}, [4]string{"old", "old", "new", "new"}},
			{"w", [4]int{2, 1, 1, 1}, [4]string{"old", "old", "old", "old"}},
		} {
			for _, level := range isolations {
				runs, saw := interleave(t, c, tc.between, level)
				if runs != tc.runs[level] || saw != tc.sees[level] {
					t.Errorf("%s, isolation %d, %s written between: %d runs, saw %s; expected %d, %s",
						kind, level, tc.between, runs, saw, tc.runs[level], tc.sees[level])
				}
			}
		}
	}
}

// interleave reads a and b and writes w in a transaction, while another writes one of them after the first read. It tells how
// often the transaction ran, and what it saw of b in its first run.
func interleave(t *testing.T, c *clientv3.Client, between string, level concurrency.Isolation) (runs int, saw string) {
	t.Helper()
	ctx := deadline(t)
	put := func(ctx context.Context, key, value string) error {
		_, err := c.Put(ctx, "stm/"+key, value)
		return err
	}
	for _, key := range []string{"a", "b", "w"} {
		check(t, put(ctx, key, "old"))
	}
	_, err := concurrency.NewSTM(c, func(s concurrency.STM) error {
		s.Get("stm/a")
		if runs++; runs == 1 {
			if err := put(ctx, between, "new"); err != nil {
				return fmt.Errorf("the other one: %w", err)
			}
		}
		if b := s.Get("stm/b"); runs == 1 {
			saw = b
		}
		s.Put("stm/w", "mine")
		return nil
	}, concurrency.WithIsolation(level))
	check(t, err)
	return runs, saw
}
