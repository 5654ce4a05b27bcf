package interop

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// lead makes a member of a kind the leader, and returns it. Leadership is moved; where that fails, as it may while a follower
// is behind, the leader is killed and another one elected, or, of two members, it is tried again.
func lead(t *testing.T, c *lab.Cluster, kind lab.Kind) *lab.Member {
	t.Helper()
	for range 30 {
		leader := leaderOf(t, c.Members...)
		if leader.Kind == kind {
			return leader
		}
		for _, m := range c.Members {
			if m.Kind != kind {
				continue
			}
			status := must[*pb.StatusResponse](t)(pb.NewMaintenanceClient(m.Conn(t)).Status(deadline(t), &pb.StatusRequest{}))
			_, err := pb.NewMaintenanceClient(leader.Conn(t)).MoveLeader(deadline(t), &pb.MoveLeaderRequest{TargetID: status.Header.MemberId})
			switch {
			case err == nil:
			case len(c.Members) == 2:
				time.Sleep(time.Second)
			default:
				leader.Kill(t)
				leaderOf(t, others(c.Members, leader)...)
				leader.Start(t, leader.Kind)
			}
			break
		}
	}
	t.Fatalf("no member of %s became leader", kind)
	return nil
}

// shortTTL, in seconds, is that of leases that run out in a test. It has to be long enough for a slow machine to put a key with it.
const shortTTL = 6

// TestLeasesInMixedClusters uses leases through every member of clusters of etcd and the server under test, with either as
// leader.
func TestLeasesInMixedClusters(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, kinds := range [][]lab.Kind{
		{subject, lab.Etcd, lab.Etcd},
		{subject, subject, lab.Etcd},
	} {
		t.Run(fmt.Sprintf("%s-%s-%s", kinds[0], kinds[1], kinds[2]), func(t *testing.T) {
			t.Parallel()
			c := lab.StartCluster(t, kinds...)
			client := lab.Client(t, c.Members...)
			ctx := t.Context()
			kept := must[*clientv3.LeaseGrantResponse](t)(client.Grant(ctx, 30)).ID
			alive := must[<-chan *clientv3.LeaseKeepAliveResponse](t)(client.KeepAlive(ctx, kept))
			idle := must[*clientv3.LeaseGrantResponse](t)(client.Grant(ctx, 3600)).ID
			must[*clientv3.PutResponse](t)(client.Put(ctx, "held/kept", "1", clientv3.WithLease(kept)))
			must[*clientv3.PutResponse](t)(client.Put(ctx, "held/idle", "1", clientv3.WithLease(idle)))
			for round := range 2 {
				for _, kind := range []lab.Kind{subject, lab.Etcd} {
					leader := lead(t, c, kind)
					t.Logf("round %d: %s (%s) leads", round, leader.Name, leader.Kind)
					leasesThroughEach(t, c.Members, round)
					for _, m := range c.Members {
						expectLease(t, m, kept, 30, 0, "held/kept")
						expectLease(t, m, idle, 3600, 3000, "held/idle")
					}
				}
			}
			select {
			case r, ok := <-alive:
				if !ok || r.TTL != 30 {
					t.Errorf("kept alive with %v", r)
				}
			default:
				t.Error("the lease was not kept alive")
			}
			expectEqualMembers(t, c.Members, "held/", 2)
		})
	}
}

// expectLease asks a member what is left of a lease with one key.
func expectLease(t *testing.T, m *lab.Member, id clientv3.LeaseID, granted, least int64, key string) {
	t.Helper()
	r, err := pb.NewLeaseClient(m.Conn(t)).LeaseTimeToLive(deadline(t), &pb.LeaseTimeToLiveRequest{ID: int64(id), Keys: true})
	check(t, err)
	// A new leader gives an election timeout on top.
	if r.GrantedTTL != granted || r.TTL < least || r.TTL > granted+1 || len(r.Keys) != 1 || string(r.Keys[0]) != key {
		t.Errorf("%s (%s): lease %d has %v", m.Name, m.Kind, id, r)
	}
}

// leasesThroughEach grants, renews, lists and revokes leases, each step through every member, and lets some run out.
func leasesThroughEach(t *testing.T, members []*lab.Member, round int) {
	t.Helper()
	const ttl = 60
	for i, by := range members {
		ctx := deadline(t)
		id := clientv3.LeaseID(int64(1000*(round+1) + i))
		key := fmt.Sprintf("through-%d", id)
		grant := must[*pb.LeaseGrantResponse](t)(pb.NewLeaseClient(by.Conn(t)).LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: int64(id), TTL: ttl}))
		if grant.ID != int64(id) || grant.TTL != ttl {
			t.Errorf("%s (%s) grants %v", by.Name, by.Kind, grant)
		}
		must[*pb.PutResponse](t)(pb.NewKVClient(by.Conn(t)).Put(ctx, &pb.PutRequest{Key: []byte(key), Lease: int64(id)}))
		for _, m := range members {
			if got := renew(t, ctx, m, id); got != ttl {
				t.Errorf("%s (%s) renews for %d s, expected %d", m.Name, m.Kind, got, ttl)
			}
			expectLease(t, m, id, ttl, ttl-20, key)
			awaitListed(t, m, id, true)
		}
		revoker := members[(i+1)%len(members)]
		must[*pb.LeaseRevokeResponse](t)(pb.NewLeaseClient(revoker.Conn(t)).LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: int64(id)}))
		for _, m := range members {
			if got := renew(t, ctx, m, id); got > 0 { // etcd#20615
				t.Errorf("%s (%s) renews a revoked lease for %d s", m.Name, m.Kind, got)
			}
			left := must[*pb.LeaseTimeToLiveResponse](t)(pb.NewLeaseClient(m.Conn(t)).LeaseTimeToLive(ctx, &pb.LeaseTimeToLiveRequest{ID: int64(id)}))
			if left.TTL != -1 || left.GrantedTTL != 0 {
				t.Errorf("%s (%s) has %v of a revoked lease", m.Name, m.Kind, left)
			}
			awaitListed(t, m, id, false)
			awaitGone(t, m, key)
		}
	}
	runOutThroughEach(t, members)
}

// runOutThroughEach grants a short lease through every member, and waits until each has deleted the key.
func runOutThroughEach(t *testing.T, members []*lab.Member) {
	t.Helper()
	ctx := deadline(t)
	began := time.Now()
	var keys []string
	for _, by := range members {
		grant := must[*pb.LeaseGrantResponse](t)(pb.NewLeaseClient(by.Conn(t)).LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: shortTTL}))
		key := fmt.Sprintf("short-%x", grant.ID)
		must[*pb.PutResponse](t)(pb.NewKVClient(by.Conn(t)).Put(ctx, &pb.PutRequest{Key: []byte(key), Lease: grant.ID}))
		keys = append(keys, key)
	}
	for _, m := range members {
		for _, key := range keys {
			awaitGone(t, m, key)
		}
	}
	if took := time.Since(began); took < shortTTL*time.Second {
		t.Errorf("leases of %d s ended after %v", shortTTL, took)
	}
}

// renew asks a member once for a renewal of a lease.
func renew(t *testing.T, ctx context.Context, m *lab.Member, id clientv3.LeaseID) int64 {
	t.Helper()
	stream, err := pb.NewLeaseClient(m.Conn(t)).LeaseKeepAlive(ctx)
	check(t, err)
	check(t, stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(id)}))
	r, err := stream.Recv()
	check(t, err)
	if r.ID != int64(id) {
		t.Errorf("%s (%s) answers about %d, asked about %d", m.Name, m.Kind, r.ID, id)
	}
	return r.TTL
}

// awaitListed waits until a member, which lists what it has applied, has a lease or not.
func awaitListed(t *testing.T, m *lab.Member, id clientv3.LeaseID, want bool) {
	t.Helper()
	ctx, client := deadline(t), pb.NewLeaseClient(m.Conn(t))
	for {
		r, err := client.LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
		check(t, err)
		if slices.ContainsFunc(r.Leases, func(l *pb.LeaseStatus) bool { return l.ID == int64(id) }) == want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// awaitGone waits until a member has deleted a key.
func awaitGone(t *testing.T, m *lab.Member, key string) {
	t.Helper()
	ctx, client := deadline(t), pb.NewKVClient(m.Conn(t))
	for {
		r, err := client.Range(ctx, &pb.RangeRequest{Key: []byte(key), Serializable: true})
		check(t, err)
		if len(r.Kvs) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestRecordsOfLeasesDoNoHarm: a leader of quoin records what is left of leases. To a leader of etcd that would be all that a
// renewal gives, so it is taken back when a member is swapped for one of etcd.
func TestRecordsOfLeasesDoNoHarm(t *testing.T) {
	if lab.Subject(t) != lab.Quoin {
		t.Skip("only quoin records what is left of leases")
	}
	t.Parallel()
	c := lab.StartCluster(t, lab.Quoin, lab.Quoin, lab.Quoin)
	const granted = 200
	id := must[*clientv3.LeaseGrantResponse](t)(lab.Client(t, c.Members...).Grant(t.Context(), granted)).ID
	must[*clientv3.PutResponse](t)(lab.Client(t, c.Members...).Put(t.Context(), "held/by", "1", clientv3.WithLease(id)))
	left := func() int64 {
		t.Helper()
		r, err := pb.NewLeaseClient(leaderOf(t, c.Members...).Conn(t)).LeaseTimeToLive(deadline(t), &pb.LeaseTimeToLiveRequest{ID: int64(id)})
		check(t, err)
		return r.TTL
	}
	for left() > granted-65 { // by then it is recorded
		time.Sleep(time.Second)
	}
	swapped := killLeader(t, c)
	next := leaderOf(t, others(c.Members, swapped)...)
	r, err := pb.NewLeaseClient(next.Conn(t)).LeaseTimeToLive(deadline(t), &pb.LeaseTimeToLiveRequest{ID: int64(id)})
	check(t, err)
	if r.TTL < 10 || r.TTL > granted-25 { // etcd#9395
		t.Fatalf("the next leader begins with %d s", r.TTL)
	}
	if got := renew(t, deadline(t), next, id); got != granted {
		t.Fatalf("renewed for %d s", got)
	}
	swapped.Start(t, swapped.Kind)
	for left() > granted-65 {
		time.Sleep(time.Second)
	}
	swapped.Stop(t)
	swapped.Start(t, lab.Etcd)
	leaderOf(t, c.Members...).AwaitLog(t, "stopped recording what is left of leases")
	leader := lead(t, c, lab.Etcd)
	if got := renew(t, deadline(t), leader, id); got != granted {
		t.Errorf("%s renews for %d s", leader.Kind, got)
	}
	if got := left(); got < granted-20 || got > granted+1 {
		t.Errorf("after a renewal by %s, %d s are left of %d", leader.Kind, got, granted)
	}
	expectEqualMembers(t, c.Members, "held/", 1)
}
