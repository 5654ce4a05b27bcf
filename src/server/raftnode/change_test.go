package raftnode

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Raft takes one change of membership at a time and puts nothing into the log in place of the others. They must get their
// turn, whichever member they come from; a change that was taken must not come twice.
func TestChangesOfMembershipWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := newGroup(t, 3, nil)
		w.Eventually(g.leader, "10s").ShouldNot(BeZero())
		var want []uint64
		for round := range uint64(10) {
			if lead := g.leader(); round%4 == 3 && lead != 0 {
				g.nodes[lead].TransferLeader(lead%3 + 1) // a new leader refuses changes at first
			}
			for id, n := range g.nodes {
				change := &raftpb.ConfChange{Id: new(10*round + id), Type: raftpb.ConfChangeUpdateNode.Enum(), NodeId: new(id)}
				data, err := proto.Marshal(change)
				w.Expect(err).NotTo(HaveOccurred())
				w.Expect(n.Propose(Proposal{Data: data, Type: raftpb.EntryConfChange})).To(Succeed())
				w.Expect(n.Propose(Proposal{Data: []byte("x")})).To(Succeed())
				want = append(want, change.GetId())
			}
			for _, n := range g.nodes {
				n.Status() // the core has seen it
			}
		}
		for id := range g.nodes {
			w.Eventually(func() []uint64 { return g.logs[id].changeList() }, "20s").Should(HaveLen(len(want)))
			w.Expect(g.logs[id].changeList()).To(ConsistOf(slices.Clone(want)))
			w.Eventually(func() int { return len(g.logs[id].list()) }, "10s").Should(Equal(len(want)))
		}
	})
}

// A change that nobody waits for any more is not proposed when its turn comes.
func TestChangeThatWasWithdrawnIsNotProposed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g, d := newHung(t) // the first change does not get applied before the second is withdrawn
		var gone atomic.Bool
		for i, owner := range []Owner{nil, owner{&gone}} {
			data, err := proto.Marshal(&raftpb.ConfChange{Id: new(uint64(i)), Type: raftpb.ConfChangeUpdateNode.Enum(), NodeId: new(uint64(1))})
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(g.nodes[1].Propose(Proposal{Data: data, Type: raftpb.EntryConfChange, Owner: owner})).To(Succeed())
			g.nodes[1].Status()
		}
		gone.Store(true)
		for range 900 {
			d.gate <- struct{}{}
		}
		w.Expect(g.nodes[1].Propose(Proposal{Data: []byte("after")})).To(Succeed())
		w.Eventually(func() []string { return g.logs[1].list() }, "10s").Should(Equal([]string{"after"}))
		w.Expect(g.logs[1].changeList()).To(Equal([]uint64{0}))
	})
}

type owner struct{ gone *atomic.Bool }

func (o owner) Gone() bool { return o.gone.Load() }

func (owner) Taken(uint64, bool) {}
