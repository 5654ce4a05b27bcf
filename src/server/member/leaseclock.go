package member

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
)

// Leases that end together may be a million, and what clients write goes the same way. Each lease is an entry of its own in the
// log; they enter it in groups, so fast at most that writes between them are not held up.
const (
	// revokesPerSecond is how fast, revokeStep the time from one group to the next, and revokeBurst the largest group: what a
	// late one makes up for.
	revokesPerSecond = 38_000
	revokeStep       = time.Millisecond
	revokeBurst      = revokesPerSecond / 250
	// revokesAtOnce bounds the revokes that are on their way: well below what may wait to be applied before writes are refused.
	revokesAtOnce = 2048
	// revokeRetryInterval is when a revoke that has failed is tried again.
	revokeRetryInterval = time.Second
)

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
	r := revoker{
		m: m, ctx: ctx, term: term, logger: m.logger.WithOptions(zap.WrapCore(oneEachSecond)),
		sent: make(chan revoke, revokesAtOnce), free: make(chan struct{}, 1),
	}
	m.loops.Go(r.collect)
	for {
		next, ok := r.step(time.Now())
		var timer <-chan time.Time
		if ok {
			due.Reset(time.Until(next))
			timer = due.C
		}
		select {
		case <-timer:
		case <-r.free:
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

// revoker revokes leases whose time is over while its member leads in a term. The requests go into the log of this term or
// nowhere: what was right to revoke while this member led may have been renewed at the next leader (etcd#15247).
type revoker struct {
	m      *Member
	ctx    context.Context // ends with the term
	term   uint64
	logger *zap.Logger
	sent   chan revoke   // on their way, in the order of the log
	free   chan struct{} // has a token when one of them has arrived
	last   time.Time     // when the last group was sent
}

// revoke is the end of a lease that is on its way through the log.
type revoke struct {
	id lease.ID
	pending
}

// step sends one group. It says when the next one is due; false for when a revoke has arrived or the clock wakes.
func (r *revoker) step(now time.Time) (next time.Time, ok bool) {
	if due := r.last.Add(revokeStep); now.Before(due) {
		return due, true
	}
	room := min(cap(r.sent)-len(r.sent), revokeBurst)
	if room == 0 {
		return time.Time{}, false
	}
	if since := now.Sub(r.last); since < time.Second {
		room = min(room, int(since*revokesPerSecond/time.Second))
	}
	ids, next := r.m.clock.Expired(now, room)
	for _, id := range ids {
		p, err := r.m.begin(r.term, r.m.asRoot(), &pb.InternalRaftRequest{LeaseRevoke: &pb.LeaseRevokeRequest{ID: int64(id)}})
		if r.m.meter.refuse(err) != nil {
			r.failed(id, err)
			continue
		}
		r.sent <- revoke{id, p}
	}
	if len(ids) > 0 {
		r.m.logger.Debug("leases have expired", zap.Int("count", len(ids)))
		r.last = now
		return now.Add(revokeStep), true
	}
	return next, !next.IsZero()
}

// oneEachSecond keeps one line of each kind in a second: what fails for one lease fails for thousands.
func oneEachSecond(core zapcore.Core) zapcore.Core {
	return zapcore.NewSamplerWithOptions(core, time.Second, 1, 0)
}

// collect learns what became of the revokes.
func (r *revoker) collect() {
	for {
		select {
		case p := <-r.sent:
			_, err := r.m.await(r.ctx, p.pending)
			switch {
			case err == nil:
				r.m.meter.Leases.Expired.Inc()
			case errors.Is(err, lease.ErrNotFound):
				r.m.clock.Revoked(p.id)
			default:
				r.failed(p.id, err)
			}
			select {
			case r.free <- struct{}{}:
			default:
			}
		case <-r.ctx.Done():
			return
		case <-r.m.stopping:
			return
		}
	}
}

// failed lets a revoke be tried again, unless the term is over.
func (r *revoker) failed(id lease.ID, err error) {
	if r.ctx.Err() != nil {
		return
	}
	r.logger.Warn("failed to revoke an expired lease, which is tried again", zap.Int64("lease-id", int64(id)), zap.Error(err))
	r.m.clock.Retry(id, time.Now().Add(revokeRetryInterval))
}
