package member

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/server/config"
	"quoin.dev/server/membership"
	"quoin.dev/storage/schema"
)

// newcomer is a member that joins a running cluster; its peer port is there before it is.
type newcomer struct {
	*Member
	cfg     *config.Config
	url     string
	handler atomic.Pointer[http.Handler]
}

func newNewcomer(t testing.TB, name string) *newcomer {
	t.Helper()
	n := new(newcomer)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler := n.handler.Load()
		if handler == nil {
			http.Error(w, "not there", http.StatusServiceUnavailable)
			return
		}
		(*handler).ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	n.url, n.cfg = server.URL, settings(t, name, server.URL)
	n.cfg.Cluster.InitialClusterState = config.ClusterStateExisting
	lenient(n.cfg)
	return n
}

// start joins the cluster that the given members describe.
func (n *newcomer) start(t testing.TB, members []membership.Member) {
	t.Helper()
	parts := []string{}
	for _, m := range members {
		name := m.Name
		if name == "" {
			name = n.cfg.Name
		}
		parts = append(parts, name+"="+strings.Join(m.PeerURLs, ","+name+"="))
	}
	n.cfg.Cluster.InitialCluster = strings.Join(parts, ",")
	n.Member = begin(t, n.cfg)
	handler := n.PeerHandler()
	n.handler.Store(&handler)
}

// lenient lets members be changed without the waits of --strict-reconfig-check.
func lenient(cfg *config.Config) { cfg.Cluster.StrictReconfigCheck = false }

func soonCtx(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// leading waits until the running members of c agree on a leader, and returns it and a follower.
func (c *trio) leading(t testing.TB) (leader, follower *Member) {
	t.Helper()
	leader = c.members[c.awaitLeader(t)]
	for i, m := range c.members {
		if m != leader && c.handlers[i].Load() != nil {
			follower = m
		}
	}
	return leader, follower
}

// expectSameMembers waits until all members list the same, in memory, in their rows and in raft.
func expectSameMembers(t testing.TB, members ...*Member) {
	t.Helper()
	w := NewWithT(t)
	w.Eventually(func() bool {
		for _, m := range members {
			if !reflect.DeepEqual(m.Members(), members[0].Members()) || m.applied.index() != members[0].applied.index() {
				return false
			}
		}
		return true
	}, "30s").Should(BeTrue())
	want := members[0].Members()
	for _, m := range members {
		view := m.backend.View()
		rows, err := schema.Members(view)
		view.Close()
		w.Expect(err).NotTo(HaveOccurred())
		slices.SortFunc(rows, func(a, b membership.Member) int {
			if a.ID < b.ID {
				return -1
			}
			return 1
		})
		w.Expect(rows).To(Equal(want), "etcd#19557: what is in memory is in the rows")
		voters, learners := map[uint64]struct{}{}, map[uint64]struct{}{}
		for _, one := range want {
			if one.IsLearner {
				learners[one.ID] = struct{}{}
			} else {
				voters[one.ID] = struct{}{}
			}
		}
		raft := m.node.Status().Config
		w.Expect(raft.Voters.IDs()).To(Equal(voters))
		w.Expect(len(raft.Learners)).To(Equal(len(learners)))
	}
}

// A learner is added, started, promoted, moved to another URL and removed, each through another member than the leader.
func TestMembersComeAndGo(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, lenient)
	c.start(t, 0, 1, 2)
	leader, follower := c.leading(t)
	n := newNewcomer(t, "m3")
	added, all, err := follower.AddMember(soonCtx(t), []string{n.url}, true)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(all).To(HaveLen(4))
	w.Expect(all).To(ContainElement(added))

	_, err = follower.PromoteMember(soonCtx(t), added.ID)
	w.Expect(err).To(MatchError(ErrLearnerNotReady), "etcd#15096: it was never started")
	n.start(t, all)
	w.Eventually(n.Ready(), "30s").Should(BeClosed())
	w.Expect(n.ID()).To(Equal(added.ID))
	w.Expect(n.IsLearner()).To(BeTrue())
	expectSameMembers(t, leader, follower, n.Member)

	w.Eventually(func() error { _, err := follower.PromoteMember(soonCtx(t), added.ID); return err }, "30s").Should(Succeed())
	w.Eventually(n.IsLearner, "30s").Should(BeFalse())
	_, err = follower.PromoteMember(soonCtx(t), added.ID)
	w.Expect(err).To(MatchError(membership.ErrNotLearner))
	expectSameMembers(t, leader, follower, n.Member)

	moved := strings.Replace(n.url, "127.0.0.1", "localhost", 1)
	all, err = n.UpdateMember(soonCtx(t), added.ID, []string{moved})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(all).To(ContainElement(HaveField("PeerURLs", []string{moved})))
	expectSameMembers(t, leader, follower, n.Member)
	leader.put(t, "a", "1")

	all, err = n.RemoveMember(soonCtx(t), added.ID)
	w.Expect(err).NotTo(HaveOccurred(), "it stays for its own answer")
	w.Expect(all).To(HaveLen(3))
	w.Eventually(n.Removed(), "30s").Should(BeClosed())
	n.Stop()
	expectSameMembers(t, c.members[:]...)
	_, err = follower.RemoveMember(soonCtx(t), added.ID)
	w.Expect(err).To(MatchError(membership.ErrIDRemoved))
	_, err = follower.PromoteMember(soonCtx(t), added.ID)
	w.Expect(err).To(MatchError(membership.ErrIDNotFound))

	n.Member = begin(t, n.cfg) // it does not come back
	w.Eventually(n.Removed(), "30s").Should(BeClosed())
}

// etcd#19557, etcd#21694: what a change did is still so after every member was restarted, with and without its database.
func TestChangesOfMembershipSurviveRestarts(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, func(cfg *config.Config) { lenient(cfg); cfg.Limits.MaxLearners = 2 })
	c.start(t, 0, 1, 2)
	leader, follower := c.leading(t)
	n := newNewcomer(t, "m3")
	n.cfg.Limits.MaxLearners = 2
	voter, all, err := leader.AddMember(soonCtx(t), []string{n.url}, true)
	w.Expect(err).NotTo(HaveOccurred())
	n.start(t, all)
	w.Eventually(func() error { _, err := follower.PromoteMember(soonCtx(t), voter.ID); return err }, "30s").Should(Succeed())
	learner, _, err := leader.AddMember(soonCtx(t), []string{"http://127.0.0.1:2"}, true)
	w.Expect(err).NotTo(HaveOccurred())
	_, err = leader.UpdateMember(soonCtx(t), learner.ID, []string{"http://127.0.0.1:3"})
	w.Expect(err).NotTo(HaveOccurred())
	gone, _, err := leader.AddMember(soonCtx(t), []string{"http://127.0.0.1:4"}, true)
	w.Expect(err).NotTo(HaveOccurred())
	_, err = leader.RemoveMember(soonCtx(t), gone.ID)
	w.Expect(err).NotTo(HaveOccurred())
	expectSameMembers(t, append(c.members[:], n.Member)...)
	want := leader.Members()

	for i := range c.members {
		c.stop(i)
		c.start(t, i)
		expectSameMembers(t, append(c.members[:], n.Member)...)
		w.Expect(c.members[i].Members()).To(Equal(want))
		w.Expect(c.members[i].cluster().IsLearner(learner.ID)).To(BeTrue())
		w.Expect(c.members[i].cluster().Removed()).To(Equal([]uint64{gone.ID}))
	}
}

func TestStrictReconfigurationRules(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	now := time.Now()
	c.start(t, 0, 1, 2)
	leader, follower := c.leading(t)
	w.Eventually(func() int { return leader.steady(leader.voters(), time.Now().Add(time.Minute)) }, "30s").Should(Equal(3))
	w.Expect(leader.mayAdd(false, now)).To(MatchError(ErrUnhealthy), "the others are not connected for long enough")
	w.Expect(leader.mayAdd(true, now)).To(MatchError(ErrUnhealthy))
	w.Expect(leader.mayRemove(follower.id, now)).To(MatchError(ErrUnhealthy))
	now = time.Now().Add(time.Minute)
	w.Expect(leader.mayAdd(false, now)).To(Succeed())
	w.Expect(leader.mayAdd(true, now)).To(Succeed())
	w.Expect(leader.mayRemove(follower.id, now)).To(Succeed())
	w.Expect(leader.mayRemove(leader.id, now)).To(Succeed())
	w.Expect(leader.mayRemove(77, now)).To(Succeed(), "that nobody is called so is for the log to say")

	c.stop(slices.Index(c.members[:], follower))
	other, _ := c.leading(t)
	w.Eventually(func() int { return other.steady(other.voters(), time.Now().Add(time.Minute)) }, "30s").Should(Equal(2))
	now = time.Now().Add(time.Minute)
	w.Expect(other.mayAdd(false, now)).To(MatchError(ErrUnhealthy))
	w.Expect(other.mayRemove(other.id, now)).To(MatchError(ErrUnhealthy))
	w.Expect(other.mayRemove(follower.id, now)).To(Succeed(), "it is away")
	lenient(other.cfg)
	w.Expect(other.mayAdd(false, time.Now())).To(Succeed())
	w.Expect(other.mayRemove(other.id, time.Now())).To(Succeed())
}

// The last voter stays, whatever the flags say: without it no member could apply anything any more.
func TestLastVoterStays(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	m := beginReady(t, cfg)
	_, err := m.RemoveMember(soonCtx(t), m.id)
	w.Expect(err).To(MatchError(ErrNotEnoughStarted))
	lenient(cfg)
	_, err = m.RemoveMember(soonCtx(t), m.id)
	w.Expect(err).To(MatchError(membership.ErrLastVoter))
	m.put(t, "still", "here")
}

// While a leader is removed, through itself or another member, the cluster goes on without an election timeout.
func TestLeaderIsRemovedWithoutAPause(t *testing.T) {
	for _, through := range []string{"itself", "another member"} {
		t.Run(through, func(t *testing.T) {
			w := NewWithT(t)
			c := newTrio(t, func(cfg *config.Config) {
				lenient(cfg)
				cfg.Raft.HeartbeatInterval, cfg.Raft.ElectionTimeout = 100*time.Millisecond, 40*time.Second
			})
			for i := range c.cfgs {
				c.members[i] = begin(t, c.cfgs[i])
				handler := c.members[i].PeerHandler()
				c.handlers[i].Store(&handler)
			}
			w.Eventually(func() <-chan struct{} { // nobody wants to wait for the election timeout
				c.members[0].node.Campaign()
				return c.members[0].Ready()
			}, "30s", "500ms").Should(BeClosed())
			leader, follower := c.leading(t)
			at := leader
			if through != "itself" {
				at = follower
			}
			left, err := at.RemoveMember(soonCtx(t), leader.id)
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(left).To(HaveLen(2))
			// One that is forwarded to a leader on its way out may be lost, so it may have to be repeated.
			w.Eventually(func() int64 { return follower.tryPut(t, "a", 3*time.Second) }, "30s").ShouldNot(BeZero())
			w.Eventually(leader.Removed(), "30s").Should(BeClosed())
			w.Expect(follower.node.Leader()).NotTo(Equal(leader.id))
		})
	}
}

// Changes that come at once wait for each other instead of being lost.
func TestChangesOfMembershipAtOnce(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, func(cfg *config.Config) { lenient(cfg); cfg.Limits.MaxLearners = 100 })
	c.start(t, 0, 1, 2)
	results := make(chan error, 12)
	for i := range 12 {
		go func() {
			_, _, err := c.members[i%3].AddMember(soonCtx(t), []string{"http://127.0.0.1:" + string(rune('0'+i%10)) + string(rune('0'+i/10))}, true)
			results <- err
		}()
	}
	for range 12 {
		w.Expect(<-results).To(Succeed())
	}
	w.Eventually(c.members[0].Members, "30s").Should(HaveLen(15))
	expectSameMembers(t, c.members[:]...)
}

// One who adds, removes and adds within a second means another member each time.
func TestMemberIsAddedAgainInTheSameSecond(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	lenient(cfg)
	m := beginReady(t, cfg)
	seen := map[uint64]bool{}
	for range 5 {
		added, _, err := m.AddMember(soonCtx(t), []string{"http://127.0.0.1:2"}, true)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(seen[added.ID]).To(BeFalse())
		seen[added.ID] = true
		_, err = m.RemoveMember(soonCtx(t), added.ID)
		w.Expect(err).NotTo(HaveOccurred())
	}
}

func TestMoveLeader(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, lenient)
	c.start(t, 0, 1, 2)
	leader, follower := c.leading(t)
	w.Expect(follower.MoveLeader(soonCtx(t), leader.id)).To(MatchError(ErrNotLeader))
	learner, _, err := leader.AddMember(soonCtx(t), []string{"http://127.0.0.1:2"}, true)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(leader.MoveLeader(soonCtx(t), learner.ID)).To(MatchError(ErrBadTransferee))
	w.Expect(leader.MoveLeader(soonCtx(t), 77)).To(MatchError(ErrBadTransferee))
	w.Expect(leader.MoveLeader(soonCtx(t), leader.id)).To(Succeed())
	term := leader.node.Term()
	w.Expect(leader.MoveLeader(soonCtx(t), follower.id)).To(Succeed())
	w.Expect(leader.node.Leader()).To(Equal(follower.id))
	w.Expect(leader.node.Term()).To(Equal(term + 1))
	w.Eventually(follower.node.Leader, "30s").Should(Equal(follower.id))

	c.stop(slices.Index(c.members[:], leader))
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	w.Expect(follower.MoveLeader(short, leader.id)).To(MatchError(ErrTransferTimeout))
	follower.put(t, "it", "still leads")
}

// Captured from etcd 3.7.3.
func TestPromotionOverThePeerPort(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	lenient(cfg)
	m := beginReady(t, cfg)
	learner, _, err := m.AddMember(soonCtx(t), []string{"http://127.0.0.1:2"}, true)
	w.Expect(err).NotTo(HaveOccurred())
	for _, r := range []struct {
		method, id, body string
		code             int
	}{
		{"GET", "1", "Method Not Allowed\n", 405},
		{"POST", "1", "membership: ID not found\n", 404},
		{"POST", "abc", "member abc not found in cluster\n", 404},
		{"POST", decimal(m.id), "membership: can only promote a learner member\n", 412},
		{"POST", decimal(learner.ID), "etcdserver: can only promote a learner member which is in sync with leader\n", 412},
	} {
		answer := httptest.NewRecorder()
		m.PeerHandler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), r.method, "/members/promote/"+r.id, nil))
		w.Expect(answer.Code).To(Equal(r.code))
		w.Expect(answer.Body.String()).To(Equal(r.body))
		if r.method == "GET" {
			w.Expect(answer.Header().Get("Allow")).To(Equal("POST"))
			continue
		}
		w.Expect(answer.Header().Get("X-Etcd-Cluster-ID")).To(Equal(membership.FormatID(m.clusterID)))
		if r.code != 404 || r.id == "1" {
			w.Expect(isAnswer(promotionRefusal(r.code, r.body))).To(BeTrue())
		}
	}
}

// The change before may have come through another member: what is allowed is decided by what is so, not by what is known here.
func TestStrictRulesSeeTheChangeBefore(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, lenient)
	c.start(t, 0, 1, 2)
	leader, follower := c.leading(t)
	for i, at := range []*Member{leader, follower} { // that are not started: as many as three bear
		_, _, err := at.AddMember(soonCtx(t), []string{"http://127.0.0.1:" + decimal(uint64(i+1))}, false)
		w.Expect(err).NotTo(HaveOccurred())
	}
	leader.cfg.Cluster.StrictReconfigCheck = true
	w.Expect(leader.twice(soonCtx(t), func() error {
		if !leader.cluster().MayAddVoter() {
			return ErrNotEnoughStarted
		}
		return nil
	})).To(MatchError(ErrNotEnoughStarted))
}
