package raftnode

import (
	"testing"

	. "github.com/onsi/gomega"
)

// What makes room gets in where nothing else does, and goes first.
func TestUrgentProposals(t *testing.T) {
	w := NewWithT(t)
	in := &inbox{wake: make(chan struct{}, 1)}
	large := Proposal{Data: make([]byte, maxPendingProposalBytes)}
	w.Expect(in.addProposal(large)).To(Succeed())
	w.Expect(in.addProposal(Proposal{Data: []byte("x")})).To(MatchError(ErrTooManyProposals))
	w.Expect(in.addProposal(Proposal{Data: []byte("x"), Urgent: true})).To(Succeed())
	in.settle([]Proposal{large})
	for range maxPendingProposals - 1 {
		w.Expect(in.addProposal(Proposal{})).To(Succeed())
	}
	w.Expect(in.addProposal(Proposal{})).To(MatchError(ErrTooManyProposals))
	for range maxPendingProposals {
		w.Expect(in.addProposal(Proposal{Urgent: true})).To(Succeed())
	}
	w.Expect(in.addProposal(Proposal{Urgent: true})).To(MatchError(ErrTooManyProposals))

	var order []string
	for _, p := range urgentFirst([]Proposal{{Data: []byte("a")}, {Data: []byte("b"), Urgent: true}, {Data: []byte("c")}, {Data: []byte("d"), Urgent: true}}) {
		order = append(order, string(p.Data))
	}
	w.Expect(order).To(Equal([]string{"b", "d", "a", "c"}))
}
