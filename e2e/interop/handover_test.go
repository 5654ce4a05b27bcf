package interop

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestDirectoriesWithEverythingChangeHands opens directories in which there is something of everything with another server, and again
// with another one: keys, leases, members of which one is a learner and one was removed, an active alarm. They are left by a
// graceful stop or by kill -9, with all of it in the log or most of it in snapshots.
func TestDirectoriesWithEverythingChangeHands(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, chain := range [][]lab.Kind{
		{lab.Etcd, subject, lab.Etcd, subject},
		{subject, lab.Etcd, subject, lab.Etcd},
		{lab.Etcd36, subject, lab.Etcd, subject},
	} {
		for _, ending := range []string{"stop", "kill"} {
			for _, kept := range []string{"log", "snapshots"} {
				t.Run(fmt.Sprintf("%s-%s-%s-%s %s %s", chain[0], chain[1], chain[2], chain[3], ending, kept), func(t *testing.T) {
					t.Parallel()
					var flags []string
					if kept == "snapshots" {
						flags = []string{"--snapshot-count=100", "--snapshot-catchup-entries=50"}
					}
					m := lab.StartOne(t, chain[0], flags...)
					e := furnish(t, m)
					for _, next := range chain[1:] {
						e.hand(t, m, ending, next)
					}
					files := must[[]string](t)(filepath.Glob(filepath.Join(m.Dir, "member", "snap", "*.snap")))
					if kept == "snapshots" && len(files) == 0 {
						t.Error("there was no snapshot")
					}
				})
			}
		}
	}
}

// estate is what is in a directory.
type estate struct {
	w *writer
	n int // handed over so often
}

// furnish puts something of everything into the only member of a cluster.
func furnish(t *testing.T, m *lab.Member) *estate {
	t.Helper()
	e := &estate{w: newWriter(seed(t))}
	e.w.write(t, m, 250)
	gone := addMember(t, m, &lab.Member{PeerURL: "http://127.0.0.1:1"}, true)
	removeMember(t, m, gone)
	id := addMember(t, m, &lab.Member{PeerURL: "http://127.0.0.1:2"}, true)
	must[*pb.MemberUpdateResponse](t)(pb.NewClusterClient(m.Conn(t)).MemberUpdate(deadline(t), &pb.MemberUpdateRequest{
		ID: id, PeerURLs: []string{"http://127.0.0.1:3"},
	}))
	e.lease(t, m)
	return e
}

// lease makes leases with two keys, with none, and one that is revoked, and lets a key go from one lease to another.
func (e *estate) lease(t *testing.T, m *lab.Member) {
	t.Helper()
	e.n++
	leases, kv := pb.NewLeaseClient(m.Conn(t)), pb.NewKVClient(m.Conn(t))
	first := int64(1000 * e.n)
	for id := first; id < first+3; id++ {
		must[*pb.LeaseGrantResponse](t)(leases.LeaseGrant(deadline(t), &pb.LeaseGrantRequest{ID: id, TTL: 5000 + id}))
		for _, key := range []string{"a", "b"} {
			must[*pb.PutResponse](t)(kv.Put(deadline(t), &pb.PutRequest{Key: fmt.Appendf(nil, "held/%d/%s", id, key), Lease: id}))
		}
	}
	must[*pb.PutResponse](t)(kv.Put(deadline(t), &pb.PutRequest{Key: fmt.Appendf(nil, "held/%d/a", first), Lease: first + 1}))
	must[*pb.LeaseRevokeResponse](t)(leases.LeaseRevoke(deadline(t), &pb.LeaseRevokeRequest{ID: first + 2}))
	must[*pb.LeaseGrantResponse](t)(leases.LeaseGrant(deadline(t), &pb.LeaseGrantRequest{ID: first + 3, TTL: 9000}))
	renew(t, deadline(t), m, 1000)
}

// hand ends a member while an alarm is active, lets another server go on, and changes something of everything with it.
func (e *estate) hand(t *testing.T, m *lab.Member, ending string, next lab.Kind) {
	t.Helper()
	raise(t, m, idOf(t, m))
	before, facts := readState(t, m, e.w.compacted), factsOf(t, m)
	if ending == "kill" {
		m.Kill(t)
	} else {
		m.Stop(t)
	}
	from := m.Kind
	m.Start(t, next)
	expectState(t, m, before)
	if after := factsOf(t, m); after != facts {
		t.Errorf("%s shows\n%s\nbefore %s showed\n%s", next, after, from, facts)
	}
	_, err := pb.NewKVClient(m.Conn(t)).Put(deadline(t), &pb.PutRequest{Key: []byte("full")})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("%s: a put while the alarm is active: %v", next, err)
	}
	clearAlarms(t, m)
	e.revokeOne(t, m)
	e.w.write(t, m, 60)
	e.lease(t, m)
}

// revokeOne revokes a lease that another server granted. Its keys go, those that went to another lease stay.
func (e *estate) revokeOne(t *testing.T, m *lab.Member) {
	t.Helper()
	must[*pb.LeaseRevokeResponse](t)(pb.NewLeaseClient(m.Conn(t)).LeaseRevoke(deadline(t), &pb.LeaseRevokeRequest{ID: int64(1000*e.n + 1)}))
	r := must[*pb.RangeResponse](t)(pb.NewKVClient(m.Conn(t)).Range(deadline(t), &pb.RangeRequest{
		Key: fmt.Appendf(nil, "held/%d/", 1000*e.n), RangeEnd: fmt.Appendf(nil, "held/%d0", 1000*e.n+2),
	}))
	var left []string
	for _, kv := range r.Kvs {
		left = append(left, string(kv.Key))
	}
	if want := []string{fmt.Sprintf("held/%d/b", 1000*e.n)}; !slices.Equal(left, want) {
		t.Errorf("%s: of the keys with leases %q are left, expected %q", m.Kind, left, want)
	}
}

// factsOf is what a member shows of leases, alarms and members.
func factsOf(t *testing.T, m *lab.Member) string {
	t.Helper()
	leases := pb.NewLeaseClient(m.Conn(t))
	var lines []string
	for _, l := range must[*pb.LeaseLeasesResponse](t)(leases.LeaseLeases(deadline(t), &pb.LeaseLeasesRequest{})).Leases {
		r := must[*pb.LeaseTimeToLiveResponse](t)(leases.LeaseTimeToLive(deadline(t), &pb.LeaseTimeToLiveRequest{ID: l.ID, Keys: true}))
		if r.TTL < r.GrantedTTL-600 || r.TTL > r.GrantedTTL+5 {
			t.Errorf("%s: lease %d has %d s of %d", m.Kind, l.ID, r.TTL, r.GrantedTTL)
		}
		slices.SortFunc(r.Keys, slices.Compare)
		lines = append(lines, fmt.Sprintf("lease %d for %d s with %q", l.ID, r.GrantedTTL, r.Keys))
	}
	slices.Sort(lines)
	alarms := must[string](t)(alarmsAt(t)(m))
	if alarms == "" || len(lines) < 3 {
		t.Errorf("%s has the alarms %q and %d leases", m.Kind, alarms, len(lines))
	}
	return strings.Join(append(lines, "alarms "+alarms, listed(t, m)), "\n")
}
