package member

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/auth"
	"quoin.dev/server/lease"
)

// LeaseGrant makes a lease; an id of 0 lets the member choose one.
func (m *Member) LeaseGrant(ctx context.Context, who auth.Identity, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	wish := &pb.LeaseGrantRequest{ID: r.ID, TTL: r.TTL}
	for wish.ID == 0 {
		wish.ID = int64(m.ids.next() & math.MaxInt64)
	}
	return responseOf[pb.LeaseGrantResponse](m.ProposeFor(ctx, who, &pb.InternalRaftRequest{LeaseGrant: wish}))
}

// LeaseRevoke ends a lease and deletes its keys.
func (m *Member) LeaseRevoke(ctx context.Context, who auth.Identity, r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	return responseOf[pb.LeaseRevokeResponse](m.ProposeFor(ctx, who, &pb.InternalRaftRequest{LeaseRevoke: r}))
}

func responseOf[T any](result apply.Result, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return result.Response.(*T), nil
}

// Leases lists the leases as far as this member has applied them. At the leader, the one that ends first comes first.
func (m *Member) Leases() (list []lease.Lease, revision int64, err error) {
	err = m.Read(func(s *apply.State) error {
		list, revision = s.Leases.List(), s.KV.Revision()
		return nil
	})
	m.clock.Sort(list)
	return list, revision, err
}

// Renewal is what became of the renewal of a lease: its time to live in seconds, or lease.ErrNotFound for a lease that is
// gone or whose time is over, or what kept it from being renewed.
type Renewal struct {
	TTL int64
	Err error
}

// LeasesRenew gives leases their whole time again. At the leader, most of them share a question for the read index.
func (m *Member) LeasesRenew(ctx context.Context, ids []lease.ID) []Renewal {
	renewals := make([]Renewal, len(ids))
	here := m.node.Leader() == m.id && m.reads.wait(ctx) == nil
	var rest sync.WaitGroup
	for i, id := range ids {
		if here {
			l, over, err := m.clock.Renew(id, time.Now())
			if errors.Is(err, lease.ErrNotFound) || (err == nil && over == nil && l.RemainingTTL == 0) {
				renewals[i] = Renewal{TTL: l.TTL, Err: err}
				continue
			}
		}
		rest.Go(func() { renewals[i].TTL, renewals[i].Err = m.LeaseRenew(ctx, id) })
	}
	rest.Wait()
	return renewals
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
