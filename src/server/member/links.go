package member

import (
	"context"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	"quoin.dev/server/membership"
)

// handOverTimeout bounds how long a stopping leader waits for another member to take over.
const handOverTimeout = 500 * time.Millisecond

// peerSide is what the transport sees of the member.
type peerSide struct{ m *Member }

// Process implements peer.Raft.
func (p peerSide) Process(_ context.Context, message *raftpb.Message) error {
	p.m.node.Step(message)
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

// ReportSnapshot implements peer.Raft.
func (p peerSide) ReportSnapshot(id uint64, ok bool) { p.m.node.ReportSnapshot(id, ok) }

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
		m.transport.RemovePeer(e.Member.ID)
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

// leave ends this member's part in the cluster; whoever runs it stops it then.
func (m *Member) leave() {
	m.removing.Do(func() {
		m.logger.Warn("the cluster has removed this member", zap.String("local-member-id", membership.FormatID(m.id)))
		close(m.removed)
	})
}

// quorumConnected reports whether this member and those it is connected to are a majority of the voters.
func (m *Member) quorumConnected() bool {
	voters, connected := m.voters(), 0
	for _, id := range voters {
		if id == m.id || !m.transport.ActiveSince(id).IsZero() {
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

// handOver gives leadership to the voter that has been connected the longest, if this member leads and there is one.
func (m *Member) handOver() {
	if m.node.Leader() != m.id {
		return
	}
	var target uint64
	var since time.Time
	for _, id := range m.voters() {
		active := m.transport.ActiveSince(id)
		if id == m.id || active.IsZero() {
			continue
		}
		if target == 0 || active.Before(since) {
			target, since = id, active
		}
	}
	if target == 0 {
		return
	}
	m.logger.Info("leadership transfer starting", zap.String("local-member-id", membership.FormatID(m.id)), zap.String("transferee-member-id", membership.FormatID(target)))
	m.node.TransferLeader(target)
	deadline := time.After(handOverTimeout)
	poll := time.NewTicker(handOverTimeout / 100)
	defer poll.Stop()
	for m.node.Leader() == m.id || m.node.Leader() == 0 {
		select {
		case <-deadline:
			m.logger.Warn("leadership transfer took too long")
			return
		case <-poll.C:
		}
	}
}
