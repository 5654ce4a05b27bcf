package raftnode

import (
	"sync"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// batch is what arrived since the core last looked.
type batch struct {
	messages  []*raftpb.Message
	proposals []Proposal
	reads     [][]byte
	calls     []func(*raft.RawNode)
}

// inbox collects work for the core. Two batches swap places, so a busy node allocates neither channels nor slices.
type inbox struct {
	wake chan struct{} // capacity 1: a token means that the current batch is not empty

	mu           sync.Mutex // guards everything below; held for a few instructions only
	current      *batch
	spare        *batch
	pending      int // proposals that raft has not taken yet, held ones included
	pendingBytes int
}

// add runs f on the current batch and wakes the core.
func (in *inbox) add(f func(*batch)) {
	in.mu.Lock()
	if in.current == nil {
		in.current = new(batch)
	}
	f(in.current)
	in.mu.Unlock()
	in.signal()
}

func (in *inbox) signal() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

func (in *inbox) addProposal(p Proposal) error {
	in.mu.Lock()
	if !in.count(p) {
		in.mu.Unlock()
		return ErrTooManyProposals
	}
	if in.current == nil {
		in.current = new(batch)
	}
	in.current.proposals = append(in.current.proposals, p)
	in.mu.Unlock()
	in.signal()
	return nil
}

// admit counts a proposal that the core itself is going to hold; false when there are too many already.
func (in *inbox) admit(p Proposal) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.count(p)
}

func (in *inbox) count(p Proposal) bool {
	factor := 1
	if p.Urgent {
		factor = urgentFactor
	}
	if in.pending >= factor*maxPendingProposals || in.pendingBytes+len(p.Data) > factor*maxPendingProposalBytes {
		return false
	}
	in.pending++
	in.pendingBytes += len(p.Data)
	return true
}

func (in *inbox) addMessages(m ...*raftpb.Message) {
	in.add(func(b *batch) { b.messages = append(b.messages, m...) })
}

func (in *inbox) addRead(token []byte) {
	in.add(func(b *batch) { b.reads = append(b.reads, token) })
}

func (in *inbox) addCall(f func(*raft.RawNode)) {
	in.add(func(b *batch) { b.calls = append(b.calls, f) })
}

// take returns everything that arrived; the caller gives it back with release.
func (in *inbox) take() *batch {
	in.mu.Lock()
	defer in.mu.Unlock()
	b := in.current
	in.current = in.spare
	in.spare = nil
	if b == nil {
		b = new(batch)
	}
	return b
}

// release returns a handled batch for reuse, without what it pointed to.
func (in *inbox) release(b *batch) {
	clear(b.messages)
	clear(b.proposals)
	clear(b.reads)
	clear(b.calls)
	*b = batch{messages: b.messages[:0], proposals: b.proposals[:0], reads: b.reads[:0], calls: b.calls[:0]}
	in.mu.Lock()
	in.spare = b
	in.mu.Unlock()
}

// settle takes proposals off the count of pending ones: raft has them, or they ended.
func (in *inbox) settle(proposals []Proposal) {
	bytes := 0
	for _, p := range proposals {
		bytes += len(p.Data)
	}
	in.mu.Lock()
	in.pending -= len(proposals)
	in.pendingBytes -= bytes
	in.mu.Unlock()
}
