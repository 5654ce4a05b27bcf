package member

import (
	"context"
	"errors"
	"math"
	"time"

	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/lease"
)

const (
	// revokesAtOnce bounds the revokes that are on their way through the log. Leases that end together are many, and what
	// clients write goes the same way.
	revokesAtOnce = 512
	// revokeRetryInterval is when a revoke that has failed is tried again.
	revokeRetryInterval = time.Second
)

// LeaseGrant makes a lease; an id of 0 lets the member choose one.
func (m *Member) LeaseGrant(ctx context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	wish := &pb.LeaseGrantRequest{ID: r.ID, TTL: r.TTL}
	for wish.ID == 0 {
		wish.ID = int64(m.ids.next() & math.MaxInt64)
	}
	return responseOf[pb.LeaseGrantResponse](m.Propose(ctx, &pb.InternalRaftRequest{LeaseGrant: wish}))
}

// LeaseRevoke ends a lease and deletes its keys.
func (m *Member) LeaseRevoke(ctx context.Context, r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	return responseOf[pb.LeaseRevokeResponse](m.Propose(ctx, &pb.InternalRaftRequest{LeaseRevoke: r}))
}

func responseOf[T any](result apply.Result, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return result.Response.(*T), nil
}

// Leases lists the leases as far as this member has applied them. At the leader, the one that ends first comes first.
func (m *Member) Leases() (list []lease.Lease, revision int64, err error) {
	err = m.View(func(s *apply.State) error {
		list, revision = s.Leases.List(), s.KV.Revision()
		return nil
	})
	m.clock.Sort(list)
	return list, revision, err
}

// LeaseRenew gives a lease its whole time again, and returns that in seconds. Another member's part of it is to ask the
// leader. Error: lease.ErrNotFound for a lease that is gone, or whose time is over.
func (m *Member) LeaseRenew(ctx context.Context, id lease.ID) (ttl int64, err error) {
	err = m.atLeader(ctx, func(ctx context.Context) error {
		ttl, err = m.renewHere(ctx, id)
		return err
	}, func(ctx context.Context, peerURL string) error {
		ttl, err = m.renewThere(ctx, peerURL, id)
		return err
	})
	return ttl, err
}

// renewHere renews at the leader. The question for the read index makes sure that it still leads, and that it has applied
// every revoke that was acknowledged before (etcd#20615).
func (m *Member) renewHere(ctx context.Context, id lease.ID) (int64, error) {
	if err := m.reads.wait(ctx); err != nil {
		return 0, err
	}
	l, over, err := m.clock.Renew(id, time.Now())
	switch {
	case err != nil:
		return 0, err
	case over != nil:
		select {
		case <-over:
			return 0, lease.ErrStands // asked again, here or elsewhere
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-m.stopping:
			return 0, ErrStopped
		}
	case l.RemainingTTL > 0:
		// The next leader must not begin with what was left before.
		_, err := m.Propose(ctx, &pb.InternalRaftRequest{LeaseCheckpoint: &pb.LeaseCheckpointRequest{
			Checkpoints: []*pb.LeaseCheckpoint{{ID: int64(id)}},
		}})
		if err != nil {
			return 0, err
		}
	}
	return l.TTL, nil
}

// LeaseTimeToLive tells what is left of a lease, and its keys if they are asked for. Error: lease.ErrNotFound.
func (m *Member) LeaseTimeToLive(ctx context.Context, r *pb.LeaseTimeToLiveRequest) (response *pb.LeaseTimeToLiveResponse, err error) {
	err = m.atLeader(ctx, func(ctx context.Context) error {
		response, err = m.timeToLiveHere(ctx, r)
		return err
	}, func(ctx context.Context, peerURL string) error {
		response, err = m.timeToLiveThere(ctx, peerURL, r)
		return err
	})
	return response, err
}

func (m *Member) timeToLiveHere(ctx context.Context, r *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	if err := m.reads.wait(ctx); err != nil {
		return nil, err
	}
	id := lease.ID(r.ID)
	left, err := m.clock.Remaining(id, time.Now())
	if err != nil {
		return nil, err
	}
	response := &pb.LeaseTimeToLiveResponse{ID: r.ID, TTL: int64(left.Seconds())}
	err = m.View(func(s *apply.State) error {
		l, ok := s.Leases.Lookup(id)
		if !ok || left <= 0 {
			return lease.ErrNotFound
		}
		response.GrantedTTL = l.TTL
		if r.Keys {
			response.Keys = s.Leases.Keys(id)
		}
		return nil
	})
	return response, err
}

// atLeader runs here where this member leads, else there with the peer URLs of the leader, again and again until one of
// them has an answer or the time of a request is over.
func (m *Member) atLeader(ctx context.Context, here func(context.Context) error, there func(context.Context, string) error) error {
	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, m.cfg.RequestTimeout(), ErrTimeout)
	defer cancel()
	for {
		var err error
		switch leader := m.node.Leader(); leader {
		case m.id:
			err = here(ctx)
		default:
			err = lease.ErrStands
			for _, u := range m.peerURLs(leader) {
				if err = there(ctx, u); isAnswer(err) {
					break
				}
			}
		}
		if isAnswer(err) {
			return err
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), ErrTimeout) {
				return m.timeoutError(start)
			}
			return ctx.Err()
		case <-m.stopping:
			return ErrStopped
		case <-time.After(leaderRetryInterval):
		}
	}
}

// leaderRetryInterval is the pause between two questions to the leader.
const leaderRetryInterval = 50 * time.Millisecond

func (m *Member) peerURLs(id uint64) []string {
	for _, member := range m.Members() {
		if member.ID == id {
			return member.PeerURLs
		}
	}
	return nil
}

// keepLeases runs leases down whenever this member leads.
func (m *Member) keepLeases() {
	for {
		select {
		case <-m.stopping:
			return
		case <-m.termBegan:
		}
		for term := m.node.Term(); m.node.Leader() == m.id; term = m.node.Term() {
			if !m.leadLeases(term) {
				return
			}
		}
	}
}

// leadLeases runs leases down for as long as this member leads in a term; false when the member stops.
func (m *Member) leadLeases(term uint64) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// What was recorded of the leases in former terms has to be applied before it is read.
	if err := m.reads.wait(ctx); err != nil {
		return !errors.Is(err, ErrStopped)
	}
	m.clock.Start(func() []lease.Lease {
		list, _, _ := m.Leases() // a member that has stopped has none to run down
		return list
	}, time.Now(), m.cfg.Raft.ElectionTimeout)
	defer m.clock.Stop()
	m.loops.Go(func() { m.recordLeases(ctx, term) })
	due := time.NewTimer(0)
	defer due.Stop()
	slots := make(chan struct{}, revokesAtOnce)
	free := make(chan struct{}, 1) // has a token when a slot became free
	for {
		ids, next := m.clock.Expired(time.Now(), cap(slots)-len(slots))
		for _, id := range ids {
			slots <- struct{}{}
			m.loops.Go(func() {
				m.expire(ctx, term, id)
				<-slots
				select {
				case free <- struct{}{}:
				default:
				}
			})
		}
		if len(ids) > 0 {
			m.logger.Debug("leases have expired", zap.Int("count", len(ids)))
		}
		var timer <-chan time.Time
		if !next.IsZero() && len(slots) < cap(slots) {
			due.Reset(time.Until(next))
			timer = due.C
		}
		select {
		case <-timer:
		case <-free:
		case <-m.clock.Wake():
		case <-m.termBegan:
			if m.node.Leader() != m.id || m.node.Term() != term {
				return true
			}
		case <-m.stopping:
			return false
		}
	}
}

// expire revokes a lease whose time is over. The request goes into the log of this term or nowhere: what was right to
// revoke while this member led may have been renewed at the next leader (etcd#15247).
func (m *Member) expire(ctx context.Context, term uint64, id lease.ID) {
	_, err := m.proposeIn(ctx, term, &pb.InternalRaftRequest{LeaseRevoke: &pb.LeaseRevokeRequest{ID: int64(id)}})
	switch {
	case errors.Is(err, lease.ErrNotFound):
		m.clock.Revoked(id)
	case err != nil && ctx.Err() == nil:
		m.logger.Warn("failed to revoke an expired lease, which is tried again", zap.Int64("lease-id", int64(id)), zap.Error(err))
		m.clock.Retry(id, time.Now().Add(revokeRetryInterval))
	}
}
