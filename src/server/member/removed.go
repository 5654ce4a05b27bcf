package member

import (
	"context"
	"time"

	"go.uber.org/zap"

	"quoin.dev/server/membership"
)

// removedGrace is how long a member that was removed stays: for its answer to the client that removed it, and for the
// others to learn that they may go on without it.
const removedGrace = time.Second

// confirmTimeout is how long a quorum may take to say that this member still belongs to it. One that was removed gets no answer.
const confirmTimeout = removedGrace / 2

// farewellTimeout is how long a removed member is still sent what waits for it: that its removal is committed. Nothing that it
// says itself is listened to any more.
const farewellTimeout = removedGrace / 2

// farewell ends the connections to a member that was removed.
func (m *Member) farewell(id uint64) {
	m.loops.Go(func() {
		select {
		case <-time.After(farewellTimeout):
			m.transport.RemovePeer(id)
		case <-m.stopping:
		}
	})
}

// toldRemoved is called when another member says that this one was removed. That member may be wrong: one that was forced to be
// alone says so to all others. If the others still answer this one, and its log knows nothing of it, it stays.
func (m *Member) toldRemoved(by uint64) {
	m.loops.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), confirmTimeout)
		defer cancel()
		if err := m.ReadIndex(ctx); err == nil && !m.cluster().IsRemoved(m.id) {
			m.logger.Warn("a quorum does not know that this member was removed, so it stays; the member that says so does not belong to "+
				"this cluster any more: stop it, remove its data directory, and add it again", zap.String("remote-peer-id", membership.FormatID(by)))
			return
		}
		m.leave()
	})
}

// leave ends this member's part in the cluster; whoever runs it stops it then.
func (m *Member) leave() {
	m.removing.Do(func() {
		close(m.leaving)
		m.logger.Warn("the member has been permanently removed from the cluster; the data-dir used by this member must be removed "+
			"before it can be added again", zap.String("local-member-id", membership.FormatID(m.id)), zap.String("data-dir", m.cfg.DataDir))
		m.loops.Go(func() {
			defer close(m.removed)
			grace := time.NewTimer(removedGrace)
			defer grace.Stop()
			// One heartbeat tells the others that the removal is committed; before they know, they do not take over.
			select {
			case <-time.After(m.cfg.Raft.HeartbeatInterval):
				m.handOver(context.Background(), m.id)
			case <-m.stopping:
				return
			}
			select {
			case <-grace.C:
			case <-m.stopping:
			}
		})
	})
}
