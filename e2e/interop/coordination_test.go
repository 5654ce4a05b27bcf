package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"quoin.dev/quoin/e2e/interop/lab"
	"quoin.dev/quoin/e2e/interop/randomkv"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLeaseAnswersAreEqual sends the same requests about leases to etcd and to the server under test.
func TestLeaseAnswersAreEqual(t *testing.T) {
	t.Parallel()
	reference, subject := lab.StartOne(t, lab.Etcd), lab.StartOne(t, lab.Subject(t))
	connections := [2]*grpc.ClientConn{reference.Conn(t), subject.Conn(t)}
	var differences []string
	do := func(what string, ask func(pb.LeaseClient) (proto.Message, error)) {
		answers := both(connections, func(conn *grpc.ClientConn) (proto.Message, error) { return ask(pb.NewLeaseClient(conn)) })
		if d := randomkv.Difference(nil, answers[0], answers[1]); d != "" {
			differences = append(differences, fmt.Sprintf("%s, etcd first: %s", what, d))
		}
	}
	grant := func(id, ttl int64) {
		do(fmt.Sprintf("grant %d for %d s", id, ttl), func(c pb.LeaseClient) (proto.Message, error) {
			return c.LeaseGrant(t.Context(), &pb.LeaseGrantRequest{ID: id, TTL: ttl})
		})
	}
	revoke := func(id int64) {
		do(fmt.Sprintf("revoke %d", id), func(c pb.LeaseClient) (proto.Message, error) {
			return c.LeaseRevoke(t.Context(), &pb.LeaseRevokeRequest{ID: id})
		})
	}
	keepAlive := func(id int64) {
		do(fmt.Sprintf("keep %d alive", id), func(c pb.LeaseClient) (proto.Message, error) {
			stream, err := c.LeaseKeepAlive(t.Context())
			if err != nil {
				return nil, err
			}
			if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: id}); err != nil {
				return nil, err
			}
			return stream.Recv()
		})
	}
	timeToLive := func(id int64) {
		do(fmt.Sprintf("time to live of %d", id), func(c pb.LeaseClient) (proto.Message, error) {
			r, err := c.LeaseTimeToLive(t.Context(), &pb.LeaseTimeToLiveRequest{ID: id, Keys: true})
			if r != nil {
				r.TTL = (r.TTL + 50) / 100 // time passes between the two
				slices.SortFunc(r.Keys, bytes.Compare)
			}
			return r, err
		})
	}
	list := func() {
		do("list", func(c pb.LeaseClient) (proto.Message, error) {
			return c.LeaseLeases(t.Context(), &pb.LeaseLeasesRequest{})
		})
	}
	list()
	for _, ttl := range []int64{-1, 0, 1, 2, 60, 9_000_000_000, 9_000_000_001} {
		for began, before := time.Now(), len(differences); ; began, differences = time.Now(), differences[:before] {
			grant(1000+ttl%7, ttl)
			timeToLive(1000 + ttl%7)
			revoke(1000 + ttl%7)
			if ttl < 1 || time.Since(began) < 2*time.Second { // else the shortest may have run out
				break
			}
		}
	}
	grant(7, 5000)
	grant(7, 5000)
	list()
	grant(-7, 9000)
	for _, conn := range connections {
		for _, key := range []string{"b", "a", "c"} {
			_, err := pb.NewKVClient(conn).Put(t.Context(), &pb.PutRequest{Key: []byte(key), Lease: -7})
			check(t, err)
		}
		_, err := pb.NewKVClient(conn).Put(t.Context(), &pb.PutRequest{Key: []byte("c"), Lease: 7})
		check(t, err)
	}
	for _, id := range []int64{7, -7, 8} {
		keepAlive(id)
		timeToLive(id)
	}
	revoke(-7)
	revoke(-7)
	for _, id := range []int64{7, -7} {
		keepAlive(id)
		timeToLive(id)
	}
	list()
	for _, d := range differences {
		t.Error(d)
	}
	compareHashes(t, reference, subject, -1)
}

// TestLeasesOfEtcdsClient: sessions are kept alive, and what hangs on one that is not goes away.
func TestLeasesOfEtcdsClient(t *testing.T) {
	t.Parallel()
	m := lab.StartOne(t, lab.Subject(t))
	c := lab.Client(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const ttl = 10 // seconds, for which a busy machine does not stop this process
	kept, err := c.Grant(ctx, ttl)
	check(t, err)
	left, err := c.Grant(ctx, ttl)
	check(t, err)
	alive, err := c.KeepAlive(ctx, kept.ID)
	check(t, err)
	_, err = c.Put(ctx, "kept", "1", clientv3.WithLease(kept.ID))
	check(t, err)
	put, err := c.Put(ctx, "left", "1", clientv3.WithLease(left.ID))
	check(t, err)
	gone := c.Watch(ctx, "left", clientv3.WithRev(put.Header.Revision+1))
	for r := range gone {
		check(t, r.Err())
		if len(r.Events) == 1 && r.Events[0].Type == clientv3.EventTypeDelete {
			break
		}
	}
	if r := <-alive; r == nil || r.TTL != ttl {
		t.Fatalf("kept alive with %v", r)
	}
	r, err := c.Get(ctx, "", clientv3.WithFromKey(), clientv3.WithKeysOnly())
	check(t, err)
	if len(r.Kvs) != 1 || string(r.Kvs[0].Key) != "kept" {
		t.Fatalf("keys are %v", r.Kvs)
	}
}

// TestConcurrencyOfEtcdsClient runs its mutexes, elections and transactional memory.
func TestConcurrencyOfEtcdsClient(t *testing.T) {
	t.Parallel()
	cluster := lab.PrepareCluster(t, 3, patient...)
	cluster.Start(t, lab.Subject(t), lab.Subject(t), lab.Subject(t))
	members := cluster.Members
	const workers, rounds = 6, 10
	var holders, count int
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() {
			c := lab.Client(t, members[i%len(members)])
			session, err := concurrency.NewSession(c, concurrency.WithTTL(60))
			if err != nil {
				t.Error(err)
				return
			}
			defer session.Close()
			lock := concurrency.NewMutex(session, "/lock")
			for range rounds {
				if err := lock.Lock(t.Context()); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if holders++; holders != 1 {
					t.Errorf("%d hold the lock", holders)
				}
				count++
				mu.Unlock()
				_, err := concurrency.NewSTM(c, func(s concurrency.STM) error {
					s.Put("/sum", s.Get("/sum")+"x")
					return nil
				})
				mu.Lock()
				holders--
				mu.Unlock()
				if err := errors.Join(err, lock.Unlock(t.Context())); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	c := lab.Client(t, members...)
	r, err := c.Get(t.Context(), "/sum")
	check(t, err)
	if count != workers*rounds || len(r.Kvs) != 1 || len(r.Kvs[0].Value) != count {
		t.Fatalf("%d turns, the sum is %v", count, r.Kvs)
	}

	// An election is won by the next one in line when the leader resigns, and when its session ends.
	sessions := make([]*concurrency.Session, 3)
	elections := make([]*concurrency.Election, 3)
	for i := range sessions {
		sessions[i], err = concurrency.NewSession(lab.Client(t, members[i]), concurrency.WithTTL(60))
		check(t, err)
		elections[i] = concurrency.NewElection(sessions[i], "/election")
	}
	check(t, elections[0].Campaign(t.Context(), "first"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	second := make(chan error, 1)
	go func() { second <- elections[1].Campaign(ctx, "second") }()
	// Given up earlier, it would leave a key behind that everybody waits for.
	eventually(t, "the second one waits in line", func() bool {
		r, err := c.Get(t.Context(), "/election/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		check(t, err)
		return r.Count == 2
	})
	time.Sleep(300 * time.Millisecond) // in which it must not win
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Fatalf("a second leader: %v", err)
	}
	won := make(chan error, 1)
	go func() { won <- elections[2].Campaign(t.Context(), "third") }()
	check(t, elections[0].Resign(t.Context()))
	check(t, <-won)
	leader, err := elections[1].Leader(t.Context())
	check(t, err)
	if string(leader.Kvs[0].Value) != "third" {
		t.Fatalf("%s leads", leader.Kvs[0].Value)
	}
	go func() { won <- elections[0].Campaign(t.Context(), "first again") }()
	check(t, sessions[2].Close())
	check(t, <-won)
}
