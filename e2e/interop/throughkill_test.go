package interop

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"quoin.dev/quoin/e2e/interop/lab"
)

// work is what programs on etcd's client do over and over, and how often they did it.
type work struct {
	t       *testing.T
	members []*lab.Member
	ctx     context.Context // ends when the work should
	group   sync.WaitGroup
}

// patience is how long one step of the work may take: longer than an election.
const patience = 10 * time.Second

// begin does something in n goroutines, each with a client of its own at all members, and waits until it was done once.
func (w *work) begin(n int, do func(ctx context.Context, c *clientv3.Client, worker int) bool) *atomic.Int64 {
	var done atomic.Int64
	for worker := range n {
		c := lab.Client(w.t, w.members...)
		w.group.Go(func() {
			for w.ctx.Err() == nil {
				ctx, cancel := context.WithTimeout(w.t.Context(), patience)
				if do(ctx, c, worker) {
					done.Add(1)
				}
				cancel()
			}
		})
	}
	return &done
}

// reach waits until each kind of work was done n times more.
func reach(t *testing.T, n int64, counts ...*atomic.Int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var goals []int64
	for _, c := range counts {
		goals = append(goals, c.Load()+n)
	}
	for i, c := range counts {
		for c.Load() < goals[i] {
			if ctx.Err() != nil {
				t.Fatalf("work %d was done %d times, not %d", i, c.Load(), goals[i])
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// TestEtcdsClientThroughKills runs what programs do with etcd's client while the leader of three members is killed, comes
// back, and the next one is killed.
func TestEtcdsClientThroughKills(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	c := lab.StartCluster(t, subject, subject, subject)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := &work{t: t, members: c.Members, ctx: ctx}
	seen := watchers(t, c.Members)
	var key atomic.Int64
	puts := w.begin(3, func(ctx context.Context, c *clientv3.Client, _ int) bool { // each key once, by one request
		_, err := c.Put(ctx, fmt.Sprint("load/", key.Add(1)), "")
		return err == nil
	})
	transfers := bank(w)
	turns, numbers := counts(w)
	kept := must[*clientv3.LeaseGrantResponse](t)(lab.Client(t, c.Members...).Grant(t.Context(), 30))
	alive := must[<-chan *clientv3.LeaseKeepAliveResponse](t)(lab.Client(t, c.Members...).KeepAlive(t.Context(), kept.ID))
	for range 2 {
		reach(t, 30, puts, transfers, turns)
		m := killLeader(t, c)
		reach(t, 30, puts, transfers, turns)
		m.Start(t, subject)
	}
	reach(t, 30, puts, transfers, turns)
	stop()
	w.group.Wait()

	expectAllSeen(t, lab.Client(t, c.Members...), seen)
	expectBalance(t, lab.Client(t, c.Members...))
	numbers.Range(func(n, times any) bool {
		if times.(*atomic.Int64).Load() != 1 {
			t.Errorf("%d holders of the lock wrote %d", times.(*atomic.Int64).Load(), n)
		}
		return true
	})
	for renewals := 0; renewals < 2; renewals++ {
		select {
		case r, ok := <-alive:
			if !ok || r.TTL != 30 {
				t.Fatalf("kept alive with %v", r)
			}
		case <-time.After(time.Minute):
			t.Fatal("the lease is not kept alive")
		}
	}
	expectEqualMembers(t, c.Members, "account/", accounts)
}

// sight is the revisions that a watcher has seen.
type sight struct {
	mu        sync.Mutex
	revisions []int64
	err       error
}

// watchers watch through each member and through all.
func watchers(t *testing.T, members []*lab.Member) (all []*sight) {
	for i := range len(members) + 1 {
		at := members
		if i < len(members) {
			at = members[i : i+1]
		}
		s := &sight{}
		all = append(all, s)
		ch := lab.Client(t, at...).Watch(t.Context(), "load/", clientv3.WithPrefix())
		go func() {
			for r := range ch {
				s.take(r)
			}
		}()
	}
	return all
}

func (s *sight) take(r clientv3.WatchResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = errors.Join(s.err, r.Err())
	for _, e := range r.Events {
		if n := len(s.revisions); n > 0 && e.Kv.ModRevision <= s.revisions[n-1] {
			s.err = errors.Join(s.err, fmt.Errorf("revision %d came after %d", e.Kv.ModRevision, s.revisions[n-1]))
		}
		s.revisions = append(s.revisions, e.Kv.ModRevision)
	}
}

// expectAllSeen waits until the watchers have seen every revision of the keys, each of which was written once.
func expectAllSeen(t *testing.T, c *clientv3.Client, seen []*sight) {
	t.Helper()
	ctx := deadline(t)
	for i, s := range seen {
		for {
			r, err := c.Get(ctx, "load/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
			if err != nil {
				t.Fatalf("watcher %d has not seen all: %v", i, err)
			}
			var all []int64
			for _, kv := range r.Kvs {
				all = append(all, kv.ModRevision)
			}
			slices.Sort(all)
			s.mu.Lock()
			err, same := s.err, slices.Equal(all, s.revisions)
			s.mu.Unlock()
			if err != nil {
				t.Fatalf("watcher %d: %v", i, err)
			}
			if same {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

const accounts = 4

var isolations = []concurrency.Isolation{
	concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads, concurrency.ReadCommitted,
}

// bank moves money between accounts in transactions of several steps, at each level of isolation that keeps the sum.
func bank(w *work) *atomic.Int64 {
	account := func(i int) string { return fmt.Sprint("account/", i) }
	for i := range accounts {
		must[*clientv3.PutResponse](w.t)(lab.Client(w.t, w.members...).Put(w.t.Context(), account(i), "100"))
	}
	return w.begin(3, func(ctx context.Context, c *clientv3.Client, worker int) bool {
		from := rand.IntN(accounts)
		to := (from + 1 + rand.IntN(accounts-1)) % accounts
		_, err := concurrency.NewSTM(c, func(s concurrency.STM) error {
			a, errA := strconv.Atoi(s.Get(account(from)))
			b, errB := strconv.Atoi(s.Get(account(to)))
			s.Put(account(from), strconv.Itoa(a-1))
			s.Put(account(to), strconv.Itoa(b+1))
			return errors.Join(errA, errB)
		}, concurrency.WithIsolation(isolations[worker]), concurrency.WithAbortContext(ctx))
		return err == nil
	})
}

func expectBalance(t *testing.T, c *clientv3.Client) {
	t.Helper()
	r := must[*clientv3.GetResponse](t)(c.Get(deadline(t), "account/", clientv3.WithPrefix()))
	sum := 0
	for _, kv := range r.Kvs {
		n, err := strconv.Atoi(string(kv.Value))
		check(t, err)
		sum += n
	}
	if len(r.Kvs) != accounts || sum != accounts*100 {
		t.Errorf("%d accounts have %d, expected %d", len(r.Kvs), sum, accounts*100)
	}
}

// counts lets workers add to a number under a lock. It returns how often that was done, and how many wrote each number.
func counts(w *work) (*atomic.Int64, *sync.Map) {
	const workers = 3
	var locks []*concurrency.Mutex
	for range workers {
		s, err := concurrency.NewSession(lab.Client(w.t, w.members...), concurrency.WithTTL(60))
		check(w.t, err)
		locks = append(locks, concurrency.NewMutex(s, "lock"))
	}
	numbers := &sync.Map{}
	return w.begin(workers, func(ctx context.Context, c *clientv3.Client, worker int) bool {
		m := locks[worker]
		if m.Lock(ctx) != nil {
			return false
		}
		defer func() {
			for ctx := deadline(w.t); m.Unlock(ctx) != nil && ctx.Err() == nil; {
			}
		}()
		r, err := c.Get(ctx, "number")
		if err != nil {
			return false
		}
		n := 1
		if len(r.Kvs) > 0 {
			n, _ = strconv.Atoi(string(r.Kvs[0].Value))
			n++
		}
		txn, err := c.Txn(ctx).If(m.IsOwner()).Then(clientv3.OpPut("number", strconv.Itoa(n))).Commit()
		if err != nil || !txn.Succeeded {
			return false
		}
		times, _ := numbers.LoadOrStore(n, &atomic.Int64{})
		times.(*atomic.Int64).Add(1)
		return true
	}), numbers
}
