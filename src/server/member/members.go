package member

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"quoin.dev/server/membership"
	"quoin.dev/server/raftnode"
)

// Why a change of membership is not even proposed: with --strict-reconfig-check, one that could cost the quorum.
var (
	// ErrNotEnoughStarted: after the change, the members that have ever started would not be a quorum of the voters. Start
	// those that were added, or remove them, first.
	ErrNotEnoughStarted = errors.New("etcdserver: re-configuration failed due to not enough started members")
	// ErrUnhealthy: after the change, the members that are connected to this one would not be a quorum of the voters. Bring
	// back those that are away, or wait until all are connected for steadyConnection.
	ErrUnhealthy = errors.New("etcdserver: unhealthy cluster")
)

// steadyConnection is how long another member must have been connected to count as one that is there.
const steadyConnection = 5 * time.Second

// AddMember adds a member that is not started yet, as a voter or as a learner, and returns it and all members. Errors:
// ErrNotEnoughStarted, ErrUnhealthy, those of membership, and those of a request.
func (m *Member) AddMember(ctx context.Context, peerURLs []string, learner bool) (membership.Member, []membership.Member, error) {
	if err := m.twice(ctx, func() error { return m.mayAdd(learner, time.Now()) }); err != nil {
		return membership.Member{}, nil, err
	}
	added := membership.Member{ID: m.newID(peerURLs, time.Now()), PeerURLs: peerURLs, IsLearner: learner}
	all, err := m.changeMembers(ctx, membership.AddChange(added))
	return added, all, err
}

// newID is the id of a member that is added now. One with the same URLs may have been removed in this very second, and ids do
// not come back.
func (m *Member) newID(peerURLs []string, now time.Time) uint64 {
	for {
		id := membership.AddedID(peerURLs, now)
		if !m.cluster().IsRemoved(id) {
			return id
		}
		now = now.Add(time.Second)
	}
}

// RemoveMember removes a member for good and returns those that are left. The errors are those of AddMember.
func (m *Member) RemoveMember(ctx context.Context, id uint64) ([]membership.Member, error) {
	if err := m.twice(ctx, func() error { return m.mayRemove(id, time.Now()) }); err != nil {
		return nil, err
	}
	// A leader that is removed leaves a cluster without one until an election timeout has passed.
	m.handOver(ctx, id)
	if id == m.id {
		return m.removeSelf(ctx)
	}
	return m.changeMembers(ctx, membership.RemoveChange(id))
}

// removeSelf is how a member removes itself. The others need not tell it that this is committed: they may as well refuse to
// talk to it any more.
func (m *Member) removeSelf(ctx context.Context) ([]membership.Member, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-m.leaving:
			cancel()
		case <-ctx.Done():
		}
	}()
	left, err := m.changeMembers(ctx, membership.RemoveChange(m.id))
	select {
	case <-m.leaving:
		self := func(one membership.Member) bool { return one.ID == m.id }
		return slices.DeleteFunc(m.Members(), self), nil
	default:
		return left, err
	}
}

// UpdateMember gives a member other peer URLs and returns all members. Errors: those of membership, and of a request.
func (m *Member) UpdateMember(ctx context.Context, id uint64, peerURLs []string) ([]membership.Member, error) {
	return m.changeMembers(ctx, membership.UpdateChange(id, peerURLs))
}

// changeMembers sends a change through the log. Whether it is possible is decided where it is applied, since this member's
// list may be old.
func (m *Member) changeMembers(ctx context.Context, change *raftpb.ConfChange) ([]membership.Member, error) {
	id := m.ids.next()
	change.Id = new(id)
	data, err := proto.Marshal(change)
	if err != nil {
		return nil, err
	}
	p, err := m.send(id, raftnode.Proposal{Data: data, Type: raftpb.EntryConfChange})
	if err != nil {
		return nil, err
	}
	o, err := m.await(ctx, p)
	return o.members, err
}

// twice holds a change against the members as they are known here, since that needs no quorum to refuse one; and then as they
// are: the change before may have come through another member, and not be applied here yet.
func (m *Member) twice(ctx context.Context, may func() error) error {
	if err := may(); err != nil || !m.cfg.Cluster.StrictReconfigCheck {
		return err
	}
	if err := m.ReadIndex(ctx); err != nil {
		return err
	}
	return may()
}

// mayAdd holds the addition of a member against --strict-reconfig-check.
func (m *Member) mayAdd(learner bool, now time.Time) error {
	if !m.cfg.Cluster.StrictReconfigCheck {
		return nil
	}
	if !learner && !m.cluster().MayAddVoter() {
		return ErrNotEnoughStarted
	}
	voters := m.voters()
	if len(voters) > 1 && m.steady(voters, now) < (len(voters)+1)/2+1 {
		return ErrUnhealthy
	}
	return nil
}

// mayRemove holds the removal of a member against --strict-reconfig-check. Learners may go at any time, and so may voters
// that are away, if enough were ever started.
func (m *Member) mayRemove(id uint64, now time.Time) error {
	target, known := m.cluster().Member(id)
	if !m.cfg.Cluster.StrictReconfigCheck || !known || target.IsLearner {
		return nil
	}
	if !m.cluster().MayRemoveVoter(id) {
		return ErrNotEnoughStarted
	}
	if id != m.id && m.transport.ActiveSince(id).IsZero() {
		return nil
	}
	voters := m.voters()
	if m.steady(voters, now)-1 < (len(voters)-1)/2+1 {
		return ErrUnhealthy
	}
	return nil
}

// steady counts the members of a list that are connected for steadyConnection, this one included.
func (m *Member) steady(ids []uint64, now time.Time) (n int) {
	for _, id := range ids {
		since := m.transport.ActiveSince(id)
		if id == m.id || !since.IsZero() && now.Sub(since) >= steadyConnection {
			n++
		}
	}
	return n
}

// cluster is the present membership.
func (m *Member) cluster() *membership.Cluster {
	m.stateMu.RLock()
	defer m.stateMu.RUnlock()
	return m.state.Members
}
