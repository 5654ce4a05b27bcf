package raftnode

import (
	"fmt"
	"testing"
	"testing/synctest"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// TestTheOnlyVoterHasNobodyToAsk, and has somebody as soon as there is another.
func TestTheOnlyVoterHasNobodyToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := newGroup(t, 1, nil)
		n := g.nodes[1]
		alone := func() bool {
			_, ok := n.CommitAlone()
			return ok
		}
		w.Eventually(alone, "10s").Should(BeTrue())
		for i := range 50 {
			w.Expect(n.Propose(Proposal{Data: fmt.Append(nil, i)})).To(Succeed())
			// Who knows that a proposal was applied finds its index covered.
			w.Eventually(func() int { return len(g.logs[1].list()) }, "10s", "1ms").Should(Equal(i + 1))
			index, ok := n.CommitAlone()
			w.Expect(ok).To(BeTrue())
			w.Expect(index).To(BeNumerically(">=", i+1))
		}
		data, err := proto.Marshal(&raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(2))})
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(n.Propose(Proposal{Data: data, Type: raftpb.EntryConfChange})).To(Succeed())
		w.Eventually(alone, "10s").Should(BeFalse())
		w.Consistently(alone, "200ms").Should(BeFalse())
	})
}

// TestOneOfManyHasToAsk, also the leader.
func TestOneOfManyHasToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := newGroup(t, 3, nil)
		w.Eventually(g.leader, "10s").ShouldNot(BeZero())
		for _, n := range g.nodes {
			_, ok := n.CommitAlone()
			w.Expect(ok).To(BeFalse())
		}
	})
}
