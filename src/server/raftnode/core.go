package raftnode

import (
	"errors"
	"slices"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// runCore is the only goroutine that touches the RawNode.
func (n *Node) runCore() {
	ticker := time.NewTicker(n.cfg.TickInterval)
	defer ticker.Stop()
	ticked := time.Now()
	for {
		select {
		case <-n.stop:
			return
		case <-ticker.C:
			now := time.Now()
			if n.leader.Load() == n.cfg.ID && now.Sub(ticked) >= 2*n.cfg.TickInterval {
				n.meter.LateTicks.Inc()
			}
			ticked = now
			n.raw.Tick()
			n.fillVacancy()
			n.blocked = false
			n.propose(nil) // raft may take what it refused before, and the owners of held proposals may be gone
			n.yieldIfUnfit(now)
		case <-n.inbox.wake:
		}
		n.handle(n.inbox.take())
		for n.raw.HasReady() {
			n.dispatch(n.raw.Ready())
		}
	}
}

// handle gives a batch of work to raft. Messages go first: they may bring the leader that proposals wait for.
func (n *Node) handle(b *batch) {
	for _, m := range b.messages {
		if n.logIsLost(m) {
			continue
		}
		if carriesChange(m) {
			n.holdForwarded(m)
			continue
		}
		// Any other error means that the message came from a stranger or answers something that is no longer asked.
		if err := n.raw.Step(m); errors.Is(err, raft.ErrProposalDropped) {
			n.holdForwarded(m)
		} else if err != nil {
			n.cfg.Logger.Debug("raft ignored a message", zap.String("type", m.GetType().String()), zap.Error(err))
		}
	}
	n.propose(b.proposals)
	for _, token := range b.reads {
		n.raw.ReadIndex(token)
	}
	for _, f := range b.calls {
		f(n.raw)
	}
	n.inbox.release(b)
}

// propose steps the held proposals and then fresh ones, in as few messages as maxMessageBytes allows. What raft cannot
// take now is held in order; it has not entered any log, so trying again cannot apply it twice. That is done at the next
// tick or when there is another leader, and not for every message that arrives: there may be many held.
func (n *Node) propose(fresh []Proposal) {
	if n.blocked {
		n.held = append(n.held, fresh...)
		return
	}
	pending := n.live(fresh)
	if n.leader.Load() == raft.None {
		n.hold(pending)
		return
	}
	var later []Proposal // changes of membership that wait for another one
	for len(pending) > 0 {
		if n.mustWait(pending[0]) {
			later, pending = append(later, pending[0]), pending[1:]
			continue
		}
		used := prefixWithin(pending, maxMessageBytes)
		entries := entriesOf(pending[:used])
		err := n.raw.Step(&raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(n.cfg.ID), Entries: entries})
		if errors.Is(err, raft.ErrProposalDropped) {
			later = append(later, pending...) // a transfer of leadership is under way, or too much is uncommitted
			break
		}
		if n.refused(pending[0], entries[0]) {
			continue
		}
		n.tellTaken(pending[:used])
		n.inbox.settle(pending[:used])
		pending = pending[used:]
	}
	n.held = later
}

// tellTaken tells owners what raft did with their proposals just now.
func (n *Node) tellTaken(proposals []Proposal) {
	s := n.raw.BasicStatus()
	for _, p := range proposals {
		if p.Owner != nil {
			p.Owner.Taken(s.HardState.GetTerm(), s.RaftState == raft.StateLeader)
		}
	}
}

func entriesOf(proposals []Proposal) []*raftpb.Entry {
	entries := make([]*raftpb.Entry, len(proposals))
	for i, p := range proposals {
		entries[i] = &raftpb.Entry{Data: p.Data}
		if p.Type != raftpb.EntryNormal {
			entries[i].Type = p.Type.Enum()
		}
	}
	return entries
}

// hold keeps what raft did not take.
func (n *Node) hold(pending []Proposal) {
	n.held = slices.Clone(pending)
	n.blocked = len(pending) > 0
}

// holdForwarded holds proposals of another member that raft can not take now: leadership is being handed over, and the
// next leader is known in a moment. In here they would be lost, and their clients would wait for nothing.
func (n *Node) holdForwarded(m *raftpb.Message) {
	until := expiry(time.Now().Add(forwardedElections * n.electionTimeout()))
	for _, e := range m.GetEntries() {
		p := Proposal{Data: e.GetData(), Type: e.GetType(), Owner: until}
		if !n.inbox.admit(p) {
			return
		}
		n.held = append(n.held, p)
	}
}

// forwardedElections is for how many election timeouts a proposal of another member is held: nobody tells this one when
// the client that waits for it has given up.
const forwardedElections = 2

// expiry is the owner of a proposal who leaves at a time.
type expiry time.Time

// Gone implements Owner.
func (e expiry) Gone() bool { return time.Now().After(time.Time(e)) }

// Taken implements Owner: who waits for it is on another member.
func (expiry) Taken(uint64, bool) {}

// live returns the held and the fresh proposals that somebody still waits for, and takes them out of held.
func (n *Node) live(fresh []Proposal) []Proposal {
	all := fresh
	if len(n.held) > 0 {
		all = append(n.held, fresh...)
		n.held = nil
	}
	kept := all[:0]
	for i, p := range all {
		if (p.Owner != nil && p.Owner.Gone()) || (p.Term != 0 && !n.leadsIn(p.Term)) {
			n.inbox.settle(all[i : i+1])
			continue
		}
		kept = append(kept, p)
	}
	return urgentFirst(kept)
}

// urgentFirst moves urgent proposals to the front; otherwise the order stays.
func urgentFirst(proposals []Proposal) []Proposal {
	if slices.ContainsFunc(proposals, func(p Proposal) bool { return p.Urgent }) {
		slices.SortStableFunc(proposals, func(a, b Proposal) int {
			switch {
			case a.Urgent && !b.Urgent:
				return -1
			case b.Urgent && !a.Urgent:
				return 1
			}
			return 0
		})
	}
	return proposals
}

// leadsIn says whether this node leads in a term, with everything that it was told so far.
func (n *Node) leadsIn(term uint64) bool {
	s := n.raw.BasicStatus()
	return s.RaftState == raft.StateLeader && s.HardState.GetTerm() == term
}

// prefixWithin returns how many leading proposals go into one message: those that fit in limit bytes, at least one, however
// large. A change of membership goes alone, since raft may refuse it.
func prefixWithin(proposals []Proposal, limit int) int {
	size := 0
	for i, p := range proposals {
		size += len(p.Data)
		if i > 0 && (size > limit || p.changes()) {
			return i
		}
		if p.changes() {
			return 1
		}
	}
	return len(proposals)
}

// dispatch sends everything that a Ready asks for on its way. The commit index comes first: somebody may learn by these
// messages that a request is done, and ask for what it did.
func (n *Node) dispatch(rd raft.Ready) {
	if !raft.IsEmptyHardState(rd.HardState) {
		n.commit.Store(rd.HardState.GetCommit())
	}
	out := rd.Messages[:0:0]
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			n.appends.push(appendWork{message: m})
		case raft.LocalApplyThread:
			n.applies.push(applyWork{message: m})
		default:
			if m.GetType() == raftpb.MsgSnap {
				n.cfg.SendSnapshot(m)
				continue
			}
			out = append(out, m)
		}
	}
	if len(out) > 0 {
		n.cfg.Send(out)
	}
	for _, rs := range rd.ReadStates {
		n.cfg.ReadReady(rs)
	}
	if rd.SoftState != nil || !raft.IsEmptyHardState(rd.HardState) {
		n.publishStatus()
	}
}

// publishStatus makes the core's view readable without asking the core.
func (n *Node) publishStatus() {
	s := n.raw.BasicStatus()
	n.commit.Store(s.HardState.GetCommit())
	term, lead := s.HardState.GetTerm(), s.Lead
	termChanged := n.term.Swap(term) != term
	leadChanged := n.leader.Swap(lead) != lead
	if leadChanged && lead != raft.None {
		n.meter.LeaderChanges.Inc()
	}
	if termChanged || leadChanged {
		n.blocked, n.refusedAt = false, nil
		n.cfg.LeaderChanged(lead, term)
	}
	if termChanged || leadChanged || n.young {
		n.lookAround()
	}
}

// lookAround finds out whether this node is alone. While nothing of its own term is committed it does not know yet what is
// (raft thesis, section 6.4).
func (n *Node) lookAround() {
	s := n.raw.Status()
	sole := s.RaftState == raft.StateLeader && len(s.Config.Voters[0]) == 1 && len(s.Config.Voters[1]) == 0
	n.young = false
	if sole {
		term, err := n.cfg.Storage.Term(s.HardState.GetCommit())
		n.young = err != nil || term != s.HardState.GetTerm()
	}
	n.alone.Store(sole && !n.young)
}
