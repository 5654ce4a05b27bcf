package client

import (
	"slices"

	pb "quoin.dev/api/etcdserverpb"
)

// received handles a reply of the member.
func (s *watchStream) received(r *pb.WatchResponse) {
	switch {
	case r.Created:
		s.created(r)
		s.proceed()
	case r.WatchId == InvalidWatchID:
		// Progress of the whole stream: it holds for those that the member has begun, and for no other.
		for _, t := range s.active {
			if t.progress(r.Header) {
				s.park(t)
			}
		}
	default:
		if t := s.active[r.WatchId]; t != nil { // else a reply that crossed the cancellation
			s.news(t, r)
		}
	}
}

// created handles the reply to the request for a watch.
func (s *watchStream) created(r *pb.WatchResponse) {
	t := s.creating
	s.creating = nil
	switch {
	case t == nil:
		return
	case t.left:
		if !r.Canceled {
			s.cancelAt(r.WatchId)
		}
	case r.Canceled:
		s.refused(t, r)
	default:
		s.line.accepted()
		s.active[r.WatchId] = t
		t.begin(r.WatchId, r.Header)
	}
}

// refused ends a watch that the member did not begin, unless it needs nothing but a fresh token.
func (s *watchStream) refused(t *watching, r *pb.WatchResponse) {
	if s.w.c.refusedToken(s.line.method, reasonError(r.CancelReason)) && s.line.renew() {
		s.reopen()
		return
	}
	s.end(t, lastResponse(r))
}

// news handles events, progress and the end of a watch.
func (s *watchStream) news(t *watching, r *pb.WatchResponse) {
	switch {
	case r.Canceled:
		delete(s.active, r.WatchId)
		s.end(t, lastResponse(r))
	case len(r.Events) == 0 && !r.Fragment && len(t.parts) == 0:
		if t.progress(r.Header) {
			s.park(t)
		}
	case t.events(r):
		s.park(t)
	}
}

func lastResponse(r *pb.WatchResponse) WatchResponse {
	return WatchResponse{Header: r.Header, Canceled: true, CompactRevision: r.CompactRevision, CancelReason: r.CancelReason}
}

// dismiss frees a watch that nobody wants any more, here and at the member.
func (s *watchStream) dismiss(t *watching) {
	if !s.all[t] {
		return
	}
	t.left = true // one that is being created is canceled when its id is known
	if s.active[t.id] == t {
		delete(s.active, t.id)
		s.cancelAt(t.id)
	}
	s.queue = slices.DeleteFunc(s.queue, func(q *watching) bool { return q == t })
	s.drop(t)
}
