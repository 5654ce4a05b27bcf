package member

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"quoin.dev/server/membership"
)

// Errors of MoveLeader.
var (
	// ErrNotLeader: only the leader itself can hand leadership over. Ask the member that leads.
	ErrNotLeader = errors.New("etcdserver: not leader")
	// ErrBadTransferee: the member that should lead is not known, or is a learner.
	ErrBadTransferee = errors.New("etcdserver: bad leader transferee")
	// ErrTransferTimeout: the other member did not take over in time; it may be down, or behind.
	ErrTransferTimeout = errors.New("etcdserver: request timed out, leader transfer took too long")
)

const (
	// handOverTimeout bounds how long a leader that stops, or that is to be removed, is waited for.
	handOverTimeout = 500 * time.Millisecond
	// leaderPoll is how often the known leader is looked at while leadership moves; it takes a few milliseconds.
	leaderPoll = 5 * time.Millisecond
	// transferHeartbeats is after how many heartbeats the leader is asked again to hand over.
	transferHeartbeats = 2
)

// MoveLeader hands leadership over to another voter and returns when it leads. Errors: the three above.
func (m *Member) MoveLeader(ctx context.Context, target uint64) error {
	if m.node.Leader() != m.id {
		return ErrNotLeader
	}
	if member, known := m.cluster().Member(target); !known || member.IsLearner {
		return ErrBadTransferee
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.RequestTimeout())
	defer cancel()
	if !m.transfer(ctx, target, func(leader uint64) bool { return leader == target }) {
		return ErrTransferTimeout
	}
	m.logger.Info("leadership transfer finished", zap.String("new-leader-member-id", membership.FormatID(target)))
	return nil
}

// handOver moves leadership away from a member, if it leads and there is another voter: to this member, or from it to the
// voter that has been connected the longest. It returns when there is another leader, or after handOverTimeout.
func (m *Member) handOver(ctx context.Context, from uint64) {
	target := m.successor(from)
	if m.node.Leader() != from || target == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handOverTimeout)
	defer cancel()
	if !m.transfer(ctx, target, func(leader uint64) bool { return leader != 0 && leader != from }) {
		m.logger.Warn("leadership transfer took too long")
	}
}

// successor is the voter that leads best after a member, 0 if there is none that is up.
func (m *Member) successor(of uint64) (target uint64) {
	var since time.Time
	for _, id := range m.voters() {
		if id == m.id && id != of {
			return id
		}
		active := m.transport.ActiveSince(id)
		if id == of || active.IsZero() {
			continue
		}
		if target == 0 || active.Before(since) {
			target, since = id, active
		}
	}
	return target
}

// transfer asks the leader to hand over until the known leader is as wanted; false when ctx ends first, or the member does.
func (m *Member) transfer(ctx context.Context, target uint64, wanted func(leader uint64) bool) bool {
	m.logger.Info("leadership transfer starting", zap.String("local-member-id", membership.FormatID(m.id)),
		zap.String("current-leader-member-id", membership.FormatID(m.node.Leader())), zap.String("transferee-member-id", membership.FormatID(target)))
	poll := time.NewTicker(leaderPoll)
	defer poll.Stop()
	var asked time.Time
	for !wanted(m.node.Leader()) {
		if now := time.Now(); now.Sub(asked) > transferHeartbeats*m.cfg.Raft.HeartbeatInterval {
			m.node.TransferLeader(target)
			asked = now
		}
		select {
		case <-ctx.Done():
			return false
		case <-m.stopping:
			return false
		case <-poll.C:
		}
	}
	return true
}
