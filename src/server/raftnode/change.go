package raftnode

import (
	"slices"

	"go.etcd.io/raft/v3/raftpb"
)

// A leader takes one change of membership at a time: while another is not applied, and for a moment after its election,
// raft puts an empty entry into the log in place of a change. Whoever proposed it would wait for an answer until the
// request times out, so such a change is held here and proposed again once more has been applied.

// changes reports whether a proposal changes the membership.
func (p Proposal) changes() bool { return p.Type != raftpb.EntryNormal }

// carriesChange reports whether a message of another member proposes a change of membership.
func carriesChange(m *raftpb.Message) bool {
	return m.GetType() == raftpb.MsgProp && slices.ContainsFunc(m.GetEntries(), func(e *raftpb.Entry) bool {
		return e.GetType() != raftpb.EntryNormal
	})
}

// mustWait reports whether raft would still refuse a change.
func (n *Node) mustWait(p Proposal) bool {
	return p.changes() && n.refusedAt != nil && *n.refusedAt == n.raw.BasicStatus().Applied
}

// refused reports whether raft has put something empty in the place of a change.
func (n *Node) refused(p Proposal, entry *raftpb.Entry) bool {
	if !p.changes() || entry.GetType() != raftpb.EntryNormal {
		return false
	}
	n.refusedAt = new(n.raw.BasicStatus().Applied)
	return true
}
