package raftnode

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// etcd#21178, etcd#10817: a voter whose data was lost comes back under its old id, and the leader tells it to commit what
// it does not have. Raft panics; the operator gets to know what to do instead, and the member promises nothing more.
func TestMemberWhoseLogIsLostEndsWithGuidance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := newGroup(t, 3, nil)
		w.Eventually(g.leader, "10s").ShouldNot(BeZero())
		for i := range 20 {
			w.Expect(g.nodes[1].Propose(Proposal{Data: []byte(fmt.Sprint(i))})).To(Succeed())
		}
		lead := g.leader()
		victim := lead%3 + 1
		w.Eventually(func() []string { return g.logs[victim].list() }, "10s").Should(HaveLen(20))

		var sent []*raftpb.Message
		fatal := make(chan error, 10)
		empty, err := New(Config{
			ID: victim, TickInterval: time.Hour, ElectionTicks: 10, Storage: raft.NewMemoryStorage(), WAL: &disk{},
			Machine: &log{disk: &disk{}}, Send: func(m []*raftpb.Message) { sent = append(sent, m...) },
			LeaderChanged: func(uint64, uint64) {}, ReadReady: func(raft.ReadState) {},
			Fatal: func(err error) { fatal <- err }, Logger: zap.NewNop(),
		})
		w.Expect(err).NotTo(HaveOccurred())
		heartbeat := &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(lead), To: new(victim),
			Term: new(g.nodes[lead].Term()), Commit: new(g.nodes[lead].Commit())}
		vote := &raftpb.Message{Type: raftpb.MsgVote.Enum(), From: new(lead), To: new(victim),
			Term: new(g.nodes[lead].Term() + 1), LogTerm: new(uint64(9)), Index: new(uint64(99))}
		empty.Step(heartbeat)
		empty.Step(heartbeat)
		empty.Step(vote)
		empty.Run()
		w.Eventually(fatal, "10s").Should(Receive(MatchError(ErrLogLost)))
		empty.Status() // the core has seen all messages
		empty.Stop()
		w.Expect(fatal).To(BeEmpty(), "once is enough")
		w.Expect(sent).To(BeEmpty())
	})
}

// etcd#13527: heartbeats need no disk, so a leader whose disk is stuck still looks like one.
func TestLeaderWithAStuckDiskHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := newGroup(t, 3, func(d *disk) { d.gate = make(chan struct{}, 1_000_000) })
		feed := func(id uint64, n int) {
			for range n {
				g.disks[id].gate <- struct{}{}
			}
		}
		for id := range g.nodes {
			feed(id, 1000)
		}
		w.Eventually(g.leader, "10s").ShouldNot(BeZero())
		stuck := g.leader()
		g.disks[stuck].hang()
		w.Expect(g.nodes[stuck].Propose(Proposal{Data: []byte("x")})).To(Succeed())
		w.Eventually(func() uint64 { return g.nodes[stuck].Leader() }, "5s").ShouldNot(Or(BeZero(), Equal(stuck)))
		next := g.nodes[stuck].Leader()
		w.Expect(g.nodes[next].Propose(Proposal{Data: []byte("y")})).To(Succeed())
		w.Eventually(func() []string { return g.logs[next].list() }, "5s").Should(Equal([]string{"x", "y"}))
		w.Expect(g.logs[stuck].list()).To(BeEmpty())
		feed(stuck, 1000)
		w.Eventually(func() []string { return g.logs[stuck].list() }, "5s").Should(Equal([]string{"x", "y"}))
	})
}

// A snapshot drops entries that were handed to the appender before it. With a slow disk both are written in one go.
func TestSnapshotBehindEntriesInOneWrite(t *testing.T) {
	w := NewWithT(t)
	entries := func(from, to uint64) (list []*raftpb.Entry) {
		for i := from; i <= to; i++ {
			list = append(list, &raftpb.Entry{Index: new(i), Term: new(uint64(3))})
		}
		return list
	}
	storage := raft.NewMemoryStorage()
	w.Expect(storage.Append(entries(1, 19))).To(Succeed())
	n, err := New(Config{ID: 1, ElectionTicks: 10, Storage: storage, WAL: &disk{}, Logger: zap.NewNop(),
		SaveSnapshot: func(*raftpb.Snapshot) error { return nil }})
	w.Expect(err).NotTo(HaveOccurred())
	snapshot := &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: new(uint64(15)), Term: new(uint64(5)), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}},
	}}
	w.Expect(n.persist([]appendWork{
		{message: &raftpb.Message{Entries: entries(20, 25)}},
		{message: &raftpb.Message{Snapshot: snapshot}},
	})).To(Succeed())
	w.Expect(storage.LastIndex()).To(Equal(uint64(15)))
}

// A leader that is about to leave refuses proposals; those that other members forwarded to it have nobody who repeats them.
func TestForwardedProposalsSurviveATransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := newGroup(t, 3, nil)
		w.Eventually(g.leader, "10s").ShouldNot(BeZero())
		var want []string
		for i := range 300 {
			if lead := g.leader(); i%30 == 0 && lead != 0 {
				g.nodes[lead].TransferLeader(lead%3 + 1)
			}
			data := fmt.Sprint("p", i)
			want = append(want, data)
			w.Expect(g.nodes[uint64(i%3+1)].Propose(Proposal{Data: []byte(data)})).To(Succeed())
			g.nodes[uint64(i%3+1)].Status() // the core has seen it
		}
		time.Sleep(10 * time.Second) // of the bubble: what comes twice has come by then
		for id := range g.nodes {
			w.Expect(g.logs[id].list()).To(ConsistOf(want))
		}
	})
}
