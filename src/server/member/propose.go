package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/auth"
	"quoin.dev/server/raftnode"
)

// Errors of a request that did not get through the log. After a timeout or a stop its fate is unknown.
var (
	ErrRequestTooLarge       = errors.New("etcdserver: request is too large")
	ErrTooManyRequests       = errors.New("etcdserver: too many requests")
	ErrTimeout               = errors.New("etcdserver: request timed out")
	ErrTimeoutLeaderFail     = errors.New("etcdserver: request timed out, possibly due to previous leader failure")
	ErrTimeoutConnectionLost = errors.New("etcdserver: request timed out, possibly due to connection lost")
	ErrStopped               = errors.New("etcdserver: server stopped")
)

// What is too much where a request is refused for that.
var (
	errLag      = fmt.Errorf("%w", ErrTooManyRequests) // committed, and not applied yet
	errInFlight = fmt.Errorf("%w", ErrTooManyRequests) // under way
	errQueue    = fmt.Errorf("%w", ErrTooManyRequests) // waiting for a leader
)

// Propose sends a request of this member through the log and returns what became of it on this member. The request must not be
// changed afterwards.
func (m *Member) Propose(ctx context.Context, r *pb.InternalRaftRequest) (apply.Result, error) {
	return m.proposeIn(ctx, anyTerm, auth.Identity{}, r)
}

// anyTerm is the term of a request that may be proposed at any time and by any leader.
const anyTerm = 0

// proposeIn is Propose for a request that is right only while this member leads in a term; ctx has to end with that.
func (m *Member) proposeIn(ctx context.Context, term uint64, who auth.Identity, r *pb.InternalRaftRequest) (apply.Result, error) {
	p, err := m.begin(term, who, r)
	if err != nil {
		return apply.Result{}, m.meter.refuse(err)
	}
	o, err := m.await(ctx, p)
	m.traceProposal(ctx, p, o.stages)
	if showsKeys(r) && m.Trusted() != nil {
		return apply.Result{}, ErrDiffers // it may have been applied, like after a timeout
	}
	return o.result, err
}

// pending is a request on its way through the log.
type pending struct {
	id    uint64
	w     *waiter
	start time.Time
	kind  string // empty for a change of membership
}

// begin sends a request on its way, for who; await has to follow.
func (m *Member) begin(term uint64, who auth.Identity, r *pb.InternalRaftRequest) (pending, error) {
	if m.behind(makesRoom(r)) {
		return pending{}, errLag
	}
	if err := m.admitSize(r); err != nil {
		return pending{}, err
	}
	if showsKeys(r) {
		if err := m.Trusted(); err != nil {
			return pending{}, err
		}
	}
	id := m.ids.next()
	r.Header = &pb.RequestHeader{ID: id, Username: who.User, AuthRevision: who.Revision}
	data, err := r.MarshalVT()
	if err != nil {
		return pending{}, err
	}
	p, err := m.send(id, raftnode.Proposal{Data: data, Term: term, Urgent: makesRoom(r)})
	p.kind = kindOf(r)
	return p, err
}

// send gives an encoded request to raft.
func (m *Member) send(id uint64, proposal raftnode.Proposal) (pending, error) {
	if len(proposal.Data) > m.MaxRequestBytes() {
		return pending{}, ErrRequestTooLarge
	}
	start := time.Now()
	p := pending{id: id, w: m.waits.add(id, start.Add(m.cfg.RequestTimeout()), len(proposal.Data), proposal.Urgent), start: start}
	if p.w == nil {
		return pending{}, errInFlight
	}
	proposal.Owner = p.w
	p.w.proposal = proposal
	if err := m.node.Propose(proposal); err != nil {
		m.waits.abandon(id)
		return pending{}, errQueue
	}
	return p, nil
}

// await returns what became of a request.
func (m *Member) await(ctx context.Context, p pending) (outcome, error) {
	select {
	case o := <-p.w.done:
		if o.timedOut {
			m.meter.unanswered(p)
			return outcome{}, m.timeoutError(p.start)
		}
		if o.overtaken {
			m.meter.unanswered(p)
			return outcome{}, ErrTimeoutLeaderFail
		}
		if p.kind != "" {
			m.meter.Requests.Observe(p.kind, true, time.Since(p.start))
		}
		return o, o.result.Err
	case <-ctx.Done():
		m.waits.abandon(p.id)
		m.meter.unanswered(p)
		return outcome{}, ctx.Err()
	case <-m.stopping:
		return outcome{}, ErrStopped
	}
}

// showsKeys reports whether the response to a request tells what this member holds.
func showsKeys(r *pb.InternalRaftRequest) bool {
	return r.Put != nil || r.DeleteRange != nil || r.Txn != nil || r.Range != nil
}

// ReadIndex returns when a read of the local state is linearizable.
func (m *Member) ReadIndex(ctx context.Context) error {
	if t := m.tracer(ctx); t != nil {
		_, span := t.Start(ctx, "read index")
		defer span.End()
	}
	return m.reads.wait(ctx)
}

// WaitPhysical waits until a compaction has removed what it compacted.
func (m *Member) WaitPhysical(ctx context.Context, removed <-chan struct{}) error {
	select {
	case <-removed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.stopping:
		return ErrStopped
	}
}

// sweepWaits ends requests whose time is over until the member stops.
func (m *Member) sweepWaits() {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			m.proposeAgain(m.waits.sweep(now))
		case <-m.stopping:
			return
		}
	}
}

// sweepInterval is how exact request timeouts are.
const sweepInterval = 50 * time.Millisecond
