package member

import (
	"time"

	"go.etcd.io/raft/v3"
)

// timeoutError says what is known about why a request that came at start was not answered, in the words and by the rules of
// etcd.
func (m *Member) timeoutError(start time.Time) error {
	return lateness{
		elected:  m.elected.Load(),
		election: m.cfg.Raft.ElectionTimeout,
		leader:   m.node.Leader(),
		self:     m.id,
		quorum:   m.quorumConnected,
		member:   m.connectedSince,
	}.of(start)
}

// lateness is what the reason for a timeout is found in.
type lateness struct {
	elected      *time.Time // when this member heard of the present leader, or last of one; nil if never
	election     time.Duration
	leader, self uint64
	quorum       func(since time.Time) bool            // are connected to this member
	member       func(id uint64, since time.Time) bool // is
}

// of tells whether there was an election while a request waited; or a connection that it needed broke; or neither. An
// election is preceded by up to two timeouts without a leader.
func (l lateness) of(start time.Time) error {
	if l.elected != nil && start.Before(*l.elected) && start.After(l.elected.Add(-2*l.election)) {
		return ErrTimeoutLeaderFail
	}
	connected := true
	switch l.leader {
	case raft.None:
	case l.self:
		connected = l.quorum(start)
	default:
		connected = l.member(l.leader, start)
	}
	if !connected {
		return ErrTimeoutConnectionLost
	}
	return ErrTimeout
}
