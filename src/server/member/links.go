package member

import (
	"context"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/server/membership"
)

// peerSide is what the transport sees of the member.
type peerSide struct{ m *Member }

// Process implements peer.Raft.
func (p peerSide) Process(_ context.Context, message *raftpb.Message) error {
	if p.m.hears(message.GetFrom()) {
		p.m.node.Step(message)
	}
	return nil
}

// IsRemoved implements peer.Raft.
func (p peerSide) IsRemoved(id uint64) bool {
	p.m.stateMu.RLock()
	defer p.m.stateMu.RUnlock()
	return p.m.state.Members.IsRemoved(id)
}

// ReportUnreachable implements peer.Raft.
func (p peerSide) ReportUnreachable(id uint64) { p.m.node.ReportUnreachable(id) }

// ReportUnsent implements peer.Raft.
func (p peerSide) ReportUnsent(message *raftpb.Message) { p.m.proposeUnsent(message) }

// ReportSnapshot implements peer.Raft.
func (p peerSide) ReportSnapshot(id uint64, ok bool) { p.m.node.ReportSnapshot(id, ok) }

// ReportGone implements peer.Raft.
func (p peerSide) ReportGone(id uint64) { p.m.node.ReportGone(id) }

// connect follows a change of membership with the connections.
func (m *Member) connect(e membership.Effect) {
	switch {
	case e.Member.ID == m.id:
		if e.Kind == membership.Removed {
			m.leave()
		}
	case e.Kind == membership.Added:
		m.transport.AddPeer(e.Member.ID, e.Member.PeerURLs)
	case e.Kind == membership.Updated:
		m.transport.UpdatePeer(e.Member.ID, e.Member.PeerURLs)
	case e.Kind == membership.Removed:
		m.farewell(e.Member.ID)
	}
}

// connectAll makes the connections those of the member list.
func (m *Member) connectAll() {
	m.transport.RemoveAll()
	for _, member := range m.state.Members.Members() {
		if member.ID != m.id {
			m.transport.AddPeer(member.ID, member.PeerURLs)
		}
	}
}

// connectedSince reports whether another member has been connected without a break since a time.
func (m *Member) connectedSince(id uint64, since time.Time) bool {
	active := m.transport.ActiveSince(id)
	return !active.IsZero() && active.Before(since)
}

// quorumConnected reports whether this member and those it has been connected to since a time are a majority of the voters.
func (m *Member) quorumConnected(since time.Time) bool {
	voters, connected := m.voters(), 0
	for _, id := range voters {
		if id == m.id || m.connectedSince(id, since) {
			connected++
		}
	}
	return connected > len(voters)/2
}

// voters lists the members that have a vote.
func (m *Member) voters() []uint64 {
	var ids []uint64
	for _, member := range m.Members() {
		if !member.IsLearner {
			ids = append(ids, member.ID)
		}
	}
	return ids
}
