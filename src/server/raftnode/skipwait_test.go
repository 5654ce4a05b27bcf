package raftnode

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// No time passes here but what is skipped: one skip is short of an election timeout of 10 ticks, three are longer than any.
func TestSkipWait(t *testing.T) {
	w := NewWithT(t)
	d := &disk{}
	var n *Node
	n, err := New(Config{
		ID: 1, TickInterval: time.Hour, ElectionTicks: 10, PreVote: true, Storage: raft.NewMemoryStorage(), Bootstrap: []raft.Peer{{ID: 1}}, WAL: d,
		Machine:       confLog{&log{disk: d}, func() *Node { return n }},
		SaveSnapshot:  func(*raftpb.Snapshot) error { return nil },
		Send:          func([]*raftpb.Message) {},
		SendSnapshot:  func(*raftpb.Message) {},
		LeaderChanged: func(uint64, uint64) {},
		ReadReady:     func(raft.ReadState) {},
		Fatal:         func(err error) { t.Error(err) },
		Logger:        zap.NewNop(),
	})
	w.Expect(err).NotTo(HaveOccurred())
	n.Run()
	t.Cleanup(n.Stop)
	n.SkipWait()
	w.Consistently(n.Leader, "50ms").Should(BeZero())
	n.SkipWait()
	n.SkipWait()
	w.Eventually(n.Leader, "10s").Should(BeEquivalentTo(1))
	term := n.Term()
	for range 10 {
		n.SkipWait() // who leads waits for nobody
	}
	w.Consistently(n.Term, "50ms").Should(Equal(term))
}
