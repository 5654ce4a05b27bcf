package interop

import (
	"fmt"
	"slices"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestLeasesSurviveSwaps swaps the members of a cluster of etcd one by one for the server under test, each on the directory
// that it has, and then back. Whatever happens to leases while a member is away, it has the same ones as the others after.
func TestLeasesSurviveSwaps(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	c := lab.StartCluster(t, lab.Etcd, lab.Etcd, lab.Etcd)
	l := &leases{t: t, c: c, held: map[int64]int64{}}
	l.grant(c.Members[0], -5, 3600) // a client may choose a negative id (etcd#14239)
	l.grant(c.Members[1], 6, 9_000_000_000)
	l.grant(c.Members[2], 7, 3600)
	next := int64(100)
	for _, kind := range []lab.Kind{subject, lab.Etcd} {
		for i, m := range c.Members {
			other := c.Members[(i+1)%3]
			l.grant(m, next, 3600)
			l.grant(m, next+1, shortTTL)
			m.Stop(t)
			leaderOf(t, others(c.Members, m)...)
			l.grant(other, next+2, 3600)
			l.revoke(other, next)
			awaitGone(t, other, keyOf(next+1))
			delete(l.held, next+1)
			next += 3
			m.Start(t, kind)
			l.expectAll()
		}
		leaderOf(t, c.Members...)
	}
	for id := range l.held {
		l.revoke(c.Members[0], id)
	}
	l.expectAll()
}

// leases are those that a cluster should have, with what was granted, each with one key.
type leases struct {
	t    *testing.T
	c    *lab.Cluster
	held map[int64]int64
}

func keyOf(id int64) string { return fmt.Sprint("leased/", id) }

func (l *leases) grant(m *lab.Member, id, ttl int64) {
	l.t.Helper()
	conn := m.Conn(l.t)
	grant := must[*pb.LeaseGrantResponse](l.t)(pb.NewLeaseClient(conn).LeaseGrant(deadline(l.t), &pb.LeaseGrantRequest{ID: id, TTL: ttl}))
	if grant.TTL != ttl {
		l.t.Errorf("%s (%s) grants %v, asked for %d s", m.Name, m.Kind, grant, ttl)
	}
	must[*pb.PutResponse](l.t)(pb.NewKVClient(conn).Put(deadline(l.t), &pb.PutRequest{Key: []byte(keyOf(id)), Lease: id}))
	l.held[id] = ttl
}

func (l *leases) revoke(m *lab.Member, id int64) {
	l.t.Helper()
	must[*pb.LeaseRevokeResponse](l.t)(pb.NewLeaseClient(m.Conn(l.t)).LeaseRevoke(deadline(l.t), &pb.LeaseRevokeRequest{ID: id}))
	delete(l.held, id)
}

// expectAll holds every member to the leases, their time and their keys.
func (l *leases) expectAll() {
	t := l.t
	t.Helper()
	var want []int64
	for id := range l.held {
		want = append(want, id)
	}
	slices.Sort(want)
	for _, m := range l.c.Members {
		conn := m.Conn(t)
		must[*pb.RangeResponse](t)(pb.NewKVClient(conn).Range(deadline(t), &pb.RangeRequest{Key: []byte("a")})) // has applied all, then
		r := must[*pb.LeaseLeasesResponse](t)(pb.NewLeaseClient(conn).LeaseLeases(deadline(t), &pb.LeaseLeasesRequest{}))
		var got []int64
		for _, lease := range r.Leases {
			got = append(got, lease.ID)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s (%s) has the leases %v, expected %v", m.Name, m.Kind, got, want)
		}
		for id, ttl := range l.held {
			left := must[*pb.LeaseTimeToLiveResponse](t)(pb.NewLeaseClient(conn).LeaseTimeToLive(deadline(t), &pb.LeaseTimeToLiveRequest{ID: id, Keys: true}))
			if left.GrantedTTL != ttl || left.TTL < ttl-1200 || left.TTL > ttl+1 || len(left.Keys) != 1 || string(left.Keys[0]) != keyOf(id) {
				t.Errorf("%s (%s) has %v of lease %d, granted for %d s", m.Name, m.Kind, left, id, ttl)
			}
		}
	}
	expectEqualMembers(t, l.c.Members, "leased/", len(want))
}
