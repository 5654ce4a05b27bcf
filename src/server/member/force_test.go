package member

import (
	"fmt"
	"os"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/pkg/vfs"

	"quoin.dev/server/config"
	"quoin.dev/server/membership"
	"quoin.dev/storage/mvcc"
	"quoin.dev/storage/schema"
	"quoin.dev/storage/wal"
)

// lost is a cluster of three and a learner whose members have all stopped, and what it held.
type lost struct {
	*trio
	learner membership.Member
	held    mvcc.HashKV
}

func loseCluster(t *testing.T, adapt func(*config.Config)) *lost {
	t.Helper()
	w := NewWithT(t)
	c := &lost{trio: newTrio(t, func(cfg *config.Config) {
		lenient(cfg)
		if adapt != nil {
			adapt(cfg)
		}
	})}
	c.start(t, 0, 1, 2)
	leader, _ := c.leading(t)
	for i := range 50 {
		leader.put(t, fmt.Sprint("k", i%7), fmt.Sprint(i))
	}
	var err error
	c.learner, _, err = leader.AddMember(soonCtx(t), []string{"http://127.0.0.1:2"}, true)
	w.Expect(err).NotTo(HaveOccurred())
	for i := range 50 {
		leader.put(t, fmt.Sprint("k", i%7), fmt.Sprint(i))
	}
	expectSameMembers(t, c.members[:]...)
	c.held = leader.hash(t)
	for i := range c.members {
		c.stop(i)
	}
	return c
}

// force starts a member alone, and expects that it is, with everything that was committed.
func (c *lost) force(t *testing.T, i int) *Member {
	t.Helper()
	w := NewWithT(t)
	forced := *c.cfgs[i]
	forced.Storage.ForceNewCluster = true
	m := beginReady(t, &forced)
	c.expectAlone(t, m)
	w.Expect(m.hash(t)).To(Equal(c.held))
	return m
}

func (c *lost) expectAlone(t *testing.T, m *Member) {
	t.Helper()
	w := NewWithT(t)
	w.Expect(m.Members()).To(HaveExactElements(HaveField("ID", m.id)))
	w.Expect(m.IsLearner()).To(BeFalse())
	expectSameMembers(t, m)
	for _, other := range c.members {
		if other != nil && other.id != m.id {
			w.Expect(m.cluster().IsRemoved(other.id)).To(BeTrue())
		}
	}
	view := m.backend.View()
	defer view.Close()
	removed, err := schema.RemovedMembers(view)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(removed).To(ConsistOf(m.cluster().Removed()))
}

// etcd#12288, etcd#20896, etcd#20071: with a learner, with a raft snapshot in front, and from the log alone, exactly one
// member is left; and it is one like any other then.
func TestForcedToBeAlone(t *testing.T) {
	for name, prepare := range map[string]struct {
		adapt  func(*config.Config)
		before func(*testing.T, *Member)
	}{
		"with the database": {},
		"after a snapshot": {adapt: func(cfg *config.Config) {
			cfg.Raft.SnapshotCount, cfg.Raft.SnapshotCatchupEntries = 20, 5
		}},
		"from the log alone": {before: func(t *testing.T, m *Member) {
			NewWithT(t).Expect(os.Remove(m.dbPath())).To(Succeed())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			c := loseCluster(t, prepare.adapt)
			w.Expect(c.members[1].snapshots.last.Load() > 0).To(Equal(prepare.adapt != nil))
			if prepare.before != nil {
				prepare.before(t, c.members[1])
			}
			m := c.force(t, 1)
			m.Stop()
			m = c.force(t, 1) // again: nothing is left to do
			m.put(t, "a", "1")
			m.Stop()

			m = beginReady(t, c.cfgs[1]) // and without the flag
			c.expectAlone(t, m)
			w.Expect(m.get(t, "a")).To(Equal("1"))
			handler := m.PeerHandler()
			c.members[1] = m
			c.handlers[1].Store(&handler)
			n := newNewcomer(t, "m9")
			_, all, err := m.AddMember(soonCtx(t), []string{n.url}, false)
			w.Expect(err).NotTo(HaveOccurred())
			n.start(t, all)
			w.Eventually(n.Ready(), "30s").Should(BeClosed())
			n.put(t, "a", "2")
			expectSameMembers(t, m, n.Member)
			w.Expect(n.hash(t)).To(Equal(m.hash(t)))
		})
	}
}

// appendTo writes to the log of a stopped member as a member does that is killed before it says what of it is committed.
func appendTo(t *testing.T, m *Member, entries func(term, next uint64) []*raftpb.Entry) {
	t.Helper()
	w := NewWithT(t)
	log, contents, err := wal.Open(m.cfg.WALPath(), wal.Mark{}, wal.Options{FS: vfs.OS()})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(log.Append(nil, entries(contents.HardState.GetTerm(), uint64(len(contents.Entries))+1))).To(Succeed())
	w.Expect(log.Sync()).To(Succeed())
	w.Expect(log.Close()).To(Succeed())
}

// How far the log is committed is written later than its entries: the last of them may have been acknowledged.
func TestForcingKeepsTheEndOfTheLog(t *testing.T) {
	w := NewWithT(t)
	c := loseCluster(t, nil)
	appendTo(t, c.members[0], func(term, next uint64) (list []*raftpb.Entry) {
		for i := range uint64(20) {
			r := &pb.InternalRaftRequest{Header: &pb.RequestHeader{ID: i + 1}, Put: &pb.PutRequest{Key: []byte("last"), Value: []byte(fmt.Sprint(i))}}
			data, err := r.MarshalVT()
			w.Expect(err).NotTo(HaveOccurred())
			list = append(list, &raftpb.Entry{Index: new(next + i), Term: new(term), Data: data})
		}
		return list
	})
	forced := *c.cfgs[0]
	forced.Storage.ForceNewCluster = true
	for _, cfg := range []*config.Config{&forced, &forced, c.cfgs[0]} {
		m := beginReady(t, cfg)
		c.expectAlone(t, m)
		w.Expect(m.get(t, "last")).To(Equal("19"))
		m.Stop()
	}
}

// A crash in the middle leaves some of the changes, and nothing that commits them. The next forced start makes the others.
func TestForcingIsFinishedAfterACrash(t *testing.T) {
	w := NewWithT(t)
	c := loseCluster(t, nil)
	appendTo(t, c.members[0], func(term, next uint64) []*raftpb.Entry {
		data, err := proto.Marshal(membership.RemoveChange(c.members[1].id))
		w.Expect(err).NotTo(HaveOccurred())
		return []*raftpb.Entry{{Index: new(next), Term: new(term), Type: raftpb.EntryConfChange.Enum(), Data: data}}
	})
	c.force(t, 0)
}

// The data of a learner are as good as those of a voter.
func TestForcedLearnerIsAVoter(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, lenient)
	c.start(t, 0, 1, 2)
	leader, _ := c.leading(t)
	n := newNewcomer(t, "m3")
	_, all, err := leader.AddMember(soonCtx(t), []string{n.url}, true)
	w.Expect(err).NotTo(HaveOccurred())
	n.start(t, all)
	w.Eventually(n.Ready(), "30s").Should(BeClosed())
	leader.put(t, "a", "1")
	expectSameMembers(t, leader, n.Member)
	for i := range c.members {
		c.stop(i)
	}
	n.Stop()
	forced := *n.cfg
	forced.Storage.ForceNewCluster = true
	m := beginReady(t, &forced)
	(&lost{trio: c}).expectAlone(t, m)
	w.Expect(m.get(t, "a")).To(Equal("1"))
}

// A member may be all that is left before its log told it of itself; the member before it may have had its URLs.
func TestForcedMemberThatItsLogDoesNotKnow(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	cfg.Storage.ForceNewCluster = true
	w.Expect(os.MkdirAll(cfg.SnapDir(), 0o700)).To(Succeed())
	log, err := wal.Create(cfg.WALPath(), identity(99, 7), wal.Options{FS: vfs.OS()})
	w.Expect(err).NotTo(HaveOccurred())
	data, err := proto.Marshal(membership.AddChange(membership.Member{ID: 5, Name: "before", PeerURLs: config.Strings(cfg.Cluster.InitialAdvertisePeerURLs)}))
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(log.Append(&raftpb.HardState{Term: new(uint64(1)), Commit: new(uint64(1))},
		[]*raftpb.Entry{{Index: new(uint64(1)), Term: new(uint64(1)), Type: raftpb.EntryConfChange.Enum(), Data: data}})).To(Succeed())
	w.Expect(log.Sync()).To(Succeed())
	w.Expect(log.Close()).To(Succeed())
	m := beginReady(t, cfg)
	w.Expect(m.Members()).To(HaveExactElements(And(HaveField("ID", uint64(99)), HaveField("Name", "m0"))))
	w.Expect(m.cluster().Removed()).To(Equal([]uint64{5}))
	expectSameMembers(t, m)
}

func TestRemovedMemberIsNotForced(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, lenient)
	c.start(t, 0, 1, 2)
	_, follower := c.leading(t)
	_, err := follower.RemoveMember(soonCtx(t), follower.id)
	w.Expect(err).NotTo(HaveOccurred())
	w.Eventually(func() bool { return follower.cluster().IsRemoved(follower.id) }, "30s").Should(BeTrue())
	follower.Stop()
	cfg := *follower.cfg
	cfg.Storage.ForceNewCluster = true
	w.Expect(refused(t, &cfg)).To(MatchError(ContainSubstring("was removed from its cluster")))
}

// A member that was forced to be alone hears nobody of its former cluster.
func TestForcedMemberListensToNobody(t *testing.T) {
	w := NewWithT(t)
	c := loseCluster(t, nil)
	m := c.force(t, 0)
	w.Expect(m.hears(c.members[1].id)).To(BeFalse())
	w.Expect(m.hears(12345)).To(BeFalse(), "one that was added after the end of this log")
	term := m.node.Term()
	w.Expect(peerSide{m}.Process(t.Context(), &raftpb.Message{
		Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(12345)), To: new(m.id), Term: new(term + 5),
	})).To(Succeed())
	w.Expect(m.node.Status().Term).To(Equal(&term))
	m.put(t, "a", "1")
}

// A member that was forced to be alone while the others still run tells them that it has removed them. They know better.
func TestForcedMemberDoesNotEndTheOthers(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, lenient)
	var logged [3]*observer.ObservedLogs
	for i := range c.cfgs {
		var core zapcore.Core
		core, logged[i] = observer.New(zap.WarnLevel)
		m, err := Start(Options{Config: c.cfgs[i], Logger: zap.New(core), Fatal: func(err error) { t.Error(err) }})
		w.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(m.Stop)
		handler := m.PeerHandler()
		c.members[i] = m
		c.handlers[i].Store(&handler)
	}
	leader, follower := c.leading(t)
	leader.put(t, "a", "1")
	w.Expect(follower.ReadIndex(t.Context())).To(Succeed())
	rogue := slices.Index(c.members[:], follower)
	c.stop(rogue)
	forced := *c.cfgs[rogue]
	forced.Storage.ForceNewCluster = true
	c.cfgs[rogue] = &forced
	c.start(t, rogue)
	for i, m := range c.members {
		if i == rogue {
			continue
		}
		w.Eventually(func() int { return logged[i].FilterMessageSnippet("a quorum does not know").Len() }, "30s").Should(BeNumerically(">", 0))
		m.put(t, "a", "2")
		w.Expect(m.Removed()).NotTo(BeClosed())
		w.Expect(m.Members()).To(HaveLen(3))
	}
	w.Expect(c.members[rogue].get(t, "a")).To(Equal("1"))
}

// A learner gets a vote by itself where that is wanted, once it has been connected for long enough.
func TestLearnersArePromotedByThemselves(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, func(cfg *config.Config) {
		lenient(cfg)
		cfg.Cluster.AutoPromoteLearners = true
		cfg.Limits.MaxLearners = 2
	})
	c.start(t, 0, 1, 2)
	leader, _ := c.leading(t)
	never, _, err := leader.AddMember(soonCtx(t), []string{"http://127.0.0.1:2"}, true)
	w.Expect(err).NotTo(HaveOccurred())
	n := newNewcomer(t, "m3")
	n.cfg.Limits.MaxLearners = 2
	added, all, err := leader.AddMember(soonCtx(t), []string{n.url}, true)
	w.Expect(err).NotTo(HaveOccurred())
	for i := range all {
		if all[i].ID == never.ID {
			all[i].Name = "never"
		}
	}
	n.start(t, all)
	w.Eventually(func() bool { return leader.cluster().IsLearner(added.ID) }, "30s").Should(BeFalse())
	w.Expect(leader.cluster().IsLearner(never.ID)).To(BeTrue(), "etcd#15096")
}
