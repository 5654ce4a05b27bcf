package client

import (
	"context"
	"time"

	pb "quoin.dev/api/etcdserverpb"
)

// renewer is the goroutine that renews the leases of a lessor, and its stream.
type renewer struct {
	l      *lessor
	ctx    context.Context
	line   line[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]
	stream pb.Lease_LeaseKeepAliveClient // nil while there is none
	timer  *time.Timer
	next   time.Time // when the timer goes off
}

// keep renews leases until there are none.
func (l *lessor) keep() {
	// A member that knows no leader can not renew.
	ctx, stop := context.WithCancel(WithRequireLeader(l.ctx))
	defer stop()
	r := &renewer{l: l, ctx: ctx, timer: time.NewTimer(time.Hour)}
	defer r.timer.Stop()
	r.line = line[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]{
		c: l.c, method: pb.Lease_LeaseKeepAlive_FullMethodName, dial: l.remote.LeaseKeepAlive, running: &l.running,
	}
	r.line.open(ctx)
	for r.look() {
		for !r.wait() {
		}
	}
}

// look does what is due and sets the timer. It reports false when there is nothing left to renew.
func (r *renewer) look() bool {
	now := time.Now()
	step := r.l.step(now, r.stream != nil)
	if step.idle {
		return false
	}
	for _, id := range step.ask {
		_ = r.stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(id)}) // an error comes with the next arrival as well
	}
	if step.stuck {
		r.again(errUnanswered)
	}
	r.set(now.Add(max(step.wait, keepAliveStep)))
	return true
}

func (r *renewer) set(t time.Time) {
	r.next = t
	r.timer.Reset(time.Until(t))
}

// wait handles the next thing that happens and reports whether to look at all leases. An answer alone is no reason to:
// each lease has one within its time.
func (r *renewer) wait() bool {
	select {
	case <-r.timer.C:
	case <-r.l.changed:
	case a := <-r.line.arrivals:
		switch {
		case a.err != nil:
			r.again(a.err)
		case a.opened != nil:
			r.stream, r.line.token = a.opened, a.token
		default:
			r.line.accepted()
			if due := r.l.answered(a.msg); !due.IsZero() && due.Before(r.next) {
				r.set(due)
			}
			return false
		}
	case <-r.ctx.Done():
		r.l.loseAll()
	}
	return true
}

// again opens another stream. The reason does not matter: a lease is renewed as long as there is hope.
func (r *renewer) again(err error) {
	r.stream = nil
	r.l.unask()
	r.line.broke(err)
	r.line.open(r.ctx)
}

// step is what to do now about all leases.
type step struct {
	idle  bool          // there is none, and the goroutine ends
	ask   []LeaseID     // noted as asked
	stuck bool          // a question has waited for too long
	wait  time.Duration // until the next step
}

// step looks at all leases and gives up those whose time is over.
func (l *lessor) step(now time.Time, connected bool) (s step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := now.Add(time.Hour)
	earlier := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	for id, k := range l.kept {
		if !now.Before(k.deadline) {
			l.lose(id, k)
			continue
		}
		earlier(k.deadline)
		if k.asked.IsZero() && connected {
			if k.due.After(now) {
				earlier(k.due)
				continue
			}
			k.asked = now
			s.ask = append(s.ask, id)
		}
		if !k.asked.IsZero() {
			late := k.asked.Add(k.patience(l.first))
			earlier(late)
			s.stuck = s.stuck || !late.After(now)
		}
	}
	s.idle = len(l.kept) == 0
	l.keeping = !s.idle
	s.wait = next.Sub(now)
	return s
}

// answered counts the time of a lease from when the member was asked: it began to count later. It returns when to ask
// again.
func (l *lessor) answered(r *pb.LeaseKeepAliveResponse) (due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := LeaseID(r.ID)
	k := l.kept[id]
	if k == nil || k.asked.IsZero() {
		return due // the renewal was ended in the meantime, and may have begun anew
	}
	if r.TTL <= 0 {
		l.lose(id, k)
		return due
	}
	k.ttl = time.Duration(r.TTL) * time.Second
	k.due, k.deadline = k.asked.Add(k.ttl/renewalsPerTTL), k.asked.Add(k.ttl)
	k.asked = time.Time{}
	answer := keepAliveResponse(r)
	for reader := range k.readers {
		reader.hand(answer)
	}
	return k.due
}

// unask forgets the questions that a broken stream took with it.
func (l *lessor) unask() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.kept {
		if !k.asked.IsZero() {
			k.asked, k.due = time.Time{}, time.Time{}
		}
	}
}

func (l *lessor) loseAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, k := range l.kept {
		l.lose(id, k)
	}
}
