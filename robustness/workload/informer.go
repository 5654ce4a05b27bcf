package workload

import (
	"time"

	pb "quoin.dev/api/etcdserverpb"
)

// informer is a client that lists and then watches from there, as the cache of an API server does.
type informer struct {
	*client
	// last is the watch that broke and that can be gone on with.
	last *watching
}

// informerSteps is after how many steps an informer leaves its stream, and lists again at times.
const informerSteps = 60

// round is one stream.
func (f *informer) round() {
	r := prefixRequest(podPrefix)
	request := &pb.WatchCreateRequest{Key: r.Key, RangeEnd: r.RangeEnd, PrevKv: true, ProgressNotify: true}
	if f.last == nil {
		revision, all := f.list(podPrefix)
		if !all {
			return
		}
		request.StartRevision = revision + 1
	} else {
		request.StartRevision = f.last.next
	}
	s, err := f.openWatches()
	if err != nil {
		f.move()
		return
	}
	w := newWatching(request, f.last)
	if s.create(w) == nil {
		f.follow(s, w)
	}
	broken := s.err != nil
	s.close(nil)
	if f.resume(w); broken {
		f.move()
	}
}

// follow takes in what comes, and asks at times how far the watch is, as reads from a cache do.
func (f *informer) follow(s *watchStream, w *watching) {
	for range informerSteps {
		until := f.turn()
		for s.err == nil && !w.canceled && s.pump(until) {
		}
		if s.err != nil || w.canceled || !f.pause(0) {
			return
		}
		if f.chance(3) {
			s.askProgress()
		}
		if f.chance(15) {
			f.pause(f.between(100*time.Millisecond, time.Second)) // a slow one
		}
	}
}

// resume decides whether the next round goes on from a watch: not from one that came too late, and not always.
func (f *informer) resume(w *watching) {
	switch {
	case w.canceled:
		f.last, f.token = nil, ""
	case w.index < 0: // the watch before is still the one to go on from
	case f.chance(4):
		f.last = nil
	default:
		f.last = w
	}
}
