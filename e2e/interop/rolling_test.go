package interop

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestRollingReplacement takes a cluster of etcd to the server under test and back, one member after the other, while clients
// write: a write that was acknowledged is there once, one of unknown fate at most once.
func TestRollingReplacement(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	t.Run("on the same directories", func(t *testing.T) {
		t.Parallel()
		c := lab.StartCluster(t, lab.Etcd, lab.Etcd, lab.Etcd)
		w := startWrites(t, c.Members)
		for _, kind := range []lab.Kind{subject, lab.Etcd} {
			for i, m := range c.Members {
				w.reach(t, 100)
				if i == 1 {
					m.Kill(t)
				} else {
					m.Stop(t)
				}
				w.reach(t, 50) // the others go on
				m.Start(t, kind)
				w.reach(t, 50)
				leaderOf(t, c.Members...)
			}
		}
		w.verify(t, c.Members)
	})
	t.Run("by new members", func(t *testing.T) {
		t.Parallel()
		c := lab.StartCluster(t, lab.Etcd, lab.Etcd, lab.Etcd)
		all := c.Members
		var next []*lab.Member
		for range 6 {
			next = append(next, c.Newcomer(t))
		}
		w := startWrites(t, append(append([]*lab.Member{}, all...), next...))
		for i, m := range next {
			kind := subject
			if i >= 3 {
				kind = lab.Etcd
			}
			gone, at := all[0], all[1]
			if i%3 == 1 { // the leader, too
				gone = leaderOf(t, all...)
				at = others(all, gone)[0]
			}
			w.reach(t, 50)
			removeMember(t, at, idOf(t, gone))
			gone.AwaitEnd(t)
			w.reach(t, 50)
			all = others(all, gone)
			addMember(t, all[0], m, false)
			m.Start(t, kind)
			all = append(all, m)
			awaitName(t, m)
			expectEqualLists(t, all...)
		}
		w.reach(t, 100)
		w.verify(t, all)
	})
}

// writes are a load of which every write has a key of its own.
type writes struct {
	stop    context.CancelFunc
	workers sync.WaitGroup
	done    atomic.Int64

	mu    sync.Mutex // guards the rest
	acked map[string]int64
	tried map[string]bool
}

func startWrites(t *testing.T, members []*lab.Member) *writes {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &writes{stop: cancel, acked: map[string]int64{}, tried: map[string]bool{}}
	c := lab.Client(t, members...)
	for worker := range 4 {
		w.workers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				w.write(c, fmt.Sprintf("rolling/%d/%06d", worker, i))
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		w.workers.Wait()
	})
	return w
}

// write is not cut short by the end of the load: what is on its way then could arrive while members are compared.
func (w *writes) write(c *clientv3.Client, key string) {
	w.mu.Lock()
	w.tried[key] = true
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	response, err := c.Put(ctx, key, key)
	if err != nil {
		return
	}
	w.mu.Lock()
	w.acked[key] = response.Header.Revision
	w.mu.Unlock()
	w.done.Add(1)
}

// reach waits until n more writes were acknowledged.
func (w *writes) reach(t *testing.T, n int64) {
	t.Helper()
	goal, end := w.done.Load()+n, time.Now().Add(2*time.Minute)
	for w.done.Load() < goal {
		if time.Now().After(end) {
			t.Fatalf("%d writes of %d were acknowledged", n-(goal-w.done.Load()), n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// verify ends the load, and holds every member to what it has done.
func (w *writes) verify(t *testing.T, members []*lab.Member) {
	t.Helper()
	w.stop()
	w.workers.Wait()
	keys := 0
	for _, m := range members {
		response := succeeding(t, func() (*pb.RangeResponse, error) {
			return pb.NewKVClient(m.Conn(t)).Range(deadline(t), &pb.RangeRequest{
				Key: []byte("rolling/"), RangeEnd: []byte(clientv3.GetPrefixRangeEnd("rolling/")),
			})
		})
		found, revisions := map[string]int64{}, map[int64]bool{}
		for _, kv := range response.Kvs {
			key := string(kv.Key)
			if kv.Version != 1 || string(kv.Value) != key || !w.tried[key] || revisions[kv.ModRevision] {
				t.Errorf("%s (%s) holds %v, of a key that was written once at most", m.Name, m.Kind, kv)
			}
			found[key], revisions[kv.ModRevision] = kv.ModRevision, true
		}
		for key, revision := range w.acked {
			if found[key] != revision {
				t.Errorf("%s (%s) has %s at revision %d, it was acknowledged at %d", m.Name, m.Kind, key, found[key], revision)
			}
		}
		keys = len(found)
	}
	expectEqualMembers(t, members, "rolling/", keys)
}
