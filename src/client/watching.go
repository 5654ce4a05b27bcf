package client

import (
	"context"
	"slices"

	pb "quoin.dev/api/etcdserverpb"
)

// watching is one watch. What it holds belongs to the goroutine of its stream, but for ctx, out and backlog.
//
//	next == 0  the watch is from "now" and no member has said when that is
//	next > 0   every event before next was put into the backlog, and none from next on
type watching struct {
	ctx     context.Context
	op      Op
	out     chan WatchResponse
	begun   chan struct{} // closed when a member has taken the watch, or it is over
	backlog backlog

	next    int64
	id      int64    // at the present member
	parts   []*Event // fragments of a response that is not complete
	created bool     // begun is closed
	left    bool     // the context has ended
	parked  bool     // given back to the member since the backlog is full
}

func newWatching(ctx context.Context, op Op) *watching {
	return &watching{
		ctx: ctx, op: op, next: op.rev,
		// There is room for a last response when nobody reads.
		out:     make(chan WatchResponse, 1),
		begun:   make(chan struct{}),
		backlog: backlog{wake: make(chan struct{}, 1)},
	}
}

// begin notes that a member has taken the watch.
func (t *watching) begin(id int64, header *pb.ResponseHeader) {
	t.id = id
	if t.next == 0 {
		t.next = header.GetRevision() + 1
	}
	if t.created {
		return
	}
	t.settle()
	if t.op.createdNotify {
		t.backlog.add(WatchResponse{Header: header, Created: true})
	}
}

// settle lets Watch return.
func (t *watching) settle() {
	if !t.created {
		t.created = true
		close(t.begun)
	}
}

// events takes a response with events and reports whether the backlog is full.
func (t *watching) events(r *pb.WatchResponse) (full bool) {
	t.parts = append(t.parts, r.Events...)
	if r.Fragment {
		return false
	}
	events := t.parts
	t.parts = nil
	// etcd before 3.6.2 may tell of older ones when its revision is behind the start (etcd#20221).
	fresh := slices.IndexFunc(events, func(e *Event) bool { return e.Kv.ModRevision >= t.next })
	if fresh < 0 {
		return false
	}
	events = events[fresh:]
	t.next = events[len(events)-1].Kv.ModRevision + 1
	return t.backlog.add(WatchResponse{Header: r.Header, Events: events})
}

// progress takes the word of the member that nothing up to a revision is left to tell, and reports whether the backlog is
// full.
func (t *watching) progress(header *pb.ResponseHeader) (full bool) {
	if len(t.parts) > 0 || header.GetRevision()+1 < t.next {
		return false // the member is behind what the watch has seen (etcd#20221)
	}
	t.next = header.GetRevision() + 1
	return t.backlog.add(WatchResponse{Header: header})
}

// interrupt forgets what belongs to the present stream, so that the watch can be begun again at next.
func (t *watching) interrupt() { t.id, t.parts = InvalidWatchID, nil }

// deliver hands the backlog to the reader, until the watch is over or nobody wants it any more.
func (t *watching) deliver(s *watchStream) {
	defer close(t.out)
	for {
		next := t.backlog.take()
		switch {
		case next.over:
			return
		case next.low:
			s.tell(s.drained, t)
		}
		out, wake := t.out, t.backlog.wake
		if next.found {
			wake = nil
		} else {
			out = nil
		}
		select {
		case out <- next.response:
		case <-wake:
		case <-t.ctx.Done():
			s.tell(s.left, t)
			return
		case <-s.w.ctx.Done():
			select {
			case t.out <- WatchResponse{Canceled: true, closeErr: context.Canceled}:
			default:
			}
			return
		}
	}
}
