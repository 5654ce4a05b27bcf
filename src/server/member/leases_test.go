package member

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/auth"
	"quoin.dev/server/config"
	"quoin.dev/server/lease"
)

// grant makes a lease with a key on it.
func (m *Member) grant(t testing.TB, id, ttl int64, key string) {
	t.Helper()
	if _, err := m.LeaseGrant(t.Context(), auth.Identity{}, &pb.LeaseGrantRequest{ID: id, TTL: ttl}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Propose(t.Context(), &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte(key), Value: []byte("1"), Lease: id}}); err != nil {
		t.Fatal(err)
	}
}

func TestLeasesEndByThemselves(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	m.grant(t, 1, 5, "short")
	m.grant(t, 2, 1000, "long")
	w.Eventually(func() string { return m.get(t, "short") }, "30s").Should(BeEmpty())
	w.Expect(m.get(t, "long")).To(Equal("1"))
	_, err := m.LeaseRenew(t.Context(), 1)
	w.Expect(err).To(MatchError(lease.ErrNotFound))
	_, err = m.LeaseTimeToLive(t.Context(), &pb.LeaseTimeToLiveRequest{ID: 1})
	w.Expect(err).To(MatchError(lease.ErrNotFound))
	r, err := m.LeaseTimeToLive(t.Context(), &pb.LeaseTimeToLiveRequest{ID: 2, Keys: true})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(r.GrantedTTL).To(BeEquivalentTo(1000))
	w.Expect(r.TTL).To(BeNumerically("~", 999, 60))
	w.Expect(r.Keys).To(Equal([][]byte{[]byte("long")}))
}

// longReign is for tests that need the same leader from their beginning to their end.
func longReign(cfg *config.Config) { cfg.Raft.ElectionTimeout = 10 * time.Second }

// TestLeasesThroughAFollower: who does not lead asks the leader.
func TestLeasesThroughAFollower(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	follower := c.members[(c.awaitLeader(t)+1)%3]
	follower.grant(t, -5, 6, "kept") // a client may choose a negative id (etcd#14239)
	for until := time.Now().Add(7 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		ttl, err := follower.LeaseRenew(t.Context(), -5)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(ttl).To(BeEquivalentTo(6))
	}
	w.Expect(follower.get(t, "kept")).To(Equal("1"))
	r, err := follower.LeaseTimeToLive(t.Context(), &pb.LeaseTimeToLiveRequest{ID: -5, Keys: true})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(r.Keys).To(HaveLen(1))
	_, err = follower.LeaseRevoke(t.Context(), auth.Identity{}, &pb.LeaseRevokeRequest{ID: -5})
	w.Expect(err).NotTo(HaveOccurred())
	// etcd#20615: nobody renews what was revoked before.
	for _, m := range c.members {
		_, err := m.LeaseRenew(t.Context(), -5)
		w.Expect(err).To(MatchError(lease.ErrNotFound))
	}
}

// TestLeasesOutliveTheirLeader: the next leader gives every lease its time, and what was left of it when that is known
// (etcd#9395, etcd#20273).
func TestLeasesOutliveTheirLeader(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	leader := c.awaitLeader(t)
	m := c.members[leader]
	m.grant(t, 1, 100, "whole")
	m.grant(t, 2, 1000, "part")
	_, err := m.Propose(t.Context(), &pb.InternalRaftRequest{LeaseCheckpoint: &pb.LeaseCheckpointRequest{
		Checkpoints: []*pb.LeaseCheckpoint{{ID: 2, Remaining_TTL: 50}},
	}})
	w.Expect(err).NotTo(HaveOccurred())
	c.stop(leader)
	other := c.members[(leader+1)%3]
	left := func(id int64) int64 {
		r, err := other.LeaseTimeToLive(t.Context(), &pb.LeaseTimeToLiveRequest{ID: id})
		w.Expect(err).NotTo(HaveOccurred())
		return r.TTL
	}
	w.Expect(left(1)).To(BeNumerically("~", 100, 40))
	w.Expect(left(2)).To(BeNumerically("<=", 51))

	// A renewal gives the whole time back, for the leaders to come, too.
	ttl, err := other.LeaseRenew(t.Context(), 2)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(ttl).To(BeEquivalentTo(1000))
	w.Expect(other.ReadIndex(t.Context())).To(Succeed())
	leases, _, err := other.Leases()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(leases).To(ContainElement(lease.Lease{ID: 2, TTL: 1000}))
}

// TestARevokeOfAnotherTermGoesNowhere: etcd#15247. A leader that was deposed while it slept must not end leases that are
// renewed elsewhere.
func TestARevokeOfAnotherTermGoesNowhere(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, longReign)
	c.start(t, 0, 1, 2)
	leader := c.members[c.awaitLeader(t)]
	leader.grant(t, 1, 1000, "kept")
	term := leader.node.Term()
	revoke := func(m *Member, term uint64) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.proposeIn(ctx, term, auth.Identity{}, &pb.InternalRaftRequest{LeaseRevoke: &pb.LeaseRevokeRequest{ID: 1}})
		return err
	}
	for _, m := range c.members {
		w.Expect(revoke(m, term-1)).To(MatchError(context.DeadlineExceeded))
		if m != leader {
			w.Expect(revoke(m, term)).To(MatchError(context.DeadlineExceeded))
		}
	}
	w.Expect(leader.get(t, "kept")).To(Equal("1"))
	w.Expect(leader.node.Term()).To(Equal(term), "the test needs a leader that stays")
	w.Expect(revoke(leader, term)).To(Succeed())
	w.Expect(leader.get(t, "kept")).To(BeEmpty())
}

// TestWhoOnceLedEndsNoLease: etcd#15247. A leader that slept goes on with its leases when it wakes, before it hears that another one
// leads. What it sends then ends nothing.
func TestWhoOnceLedEndsNoLease(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, longReign)
	c.start(t, 0, 1, 2)
	leader := c.awaitLeader(t)
	c.members[leader].grant(t, 1, 1000, "kept")
	m := c.members[(leader+1)%3]
	for _, term := range []uint64{m.node.Term() - 1, m.node.Term()} {
		r := revoker{m: m, term: term, logger: m.logger, sent: make(chan revoke, 1)}
		m.clock.Start(func() []lease.Lease { return []lease.Lease{{ID: 1, TTL: 1000}} }, time.Now().Add(-time.Hour), 0)
		r.step(time.Now())
		m.clock.Stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.await(ctx, (<-r.sent).pending)
		w.Expect(err).To(MatchError(context.DeadlineExceeded))
	}
	w.Expect(c.members[leader].get(t, "kept")).To(Equal("1"))
}

// TestManyLeasesEndTogether, more of them than may be on their way at once, and writes go on.
func TestManyLeasesEndTogether(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	const leases, granters = 2*revokesAtOnce + 100, 64
	var all sync.WaitGroup
	for g := range int64(granters) {
		all.Go(func() {
			for id := g + 1; id <= leases; id += granters {
				if _, err := m.LeaseGrant(t.Context(), auth.Identity{}, &pb.LeaseGrantRequest{ID: id, TTL: 1}); err != nil {
					t.Errorf("lease %d: %v", id, err)
				}
			}
		})
	}
	all.Wait()
	w.Eventually(func() int {
		m.put(t, "written", "meanwhile")
		left, _, err := m.Leases()
		w.Expect(err).NotTo(HaveOccurred())
		return len(left)
	}, "60s", "10ms").Should(BeZero())
}

// endless is a body that goes on for ever; it counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	e.read += len(p)
	return len(p), nil
}

// TestEndlessQuestions: etcd#22147. Of a question that goes on for ever no more is read than any question has.
func TestEndlessQuestions(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	for _, path := range []string{leasesPath, leasesInternalPath} {
		var body endless
		answer := httptest.NewRecorder()
		m.PeerHandler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, io.NopCloser(&body)))
		w.Expect(answer.Code).To(Equal(http.StatusRequestEntityTooLarge), path)
		w.Expect(body.read).To(BeNumerically("<=", 2*leaseBodyMaxBytes), path)
	}
}
