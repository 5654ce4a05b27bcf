package client

import (
	"context"

	"go.uber.org/zap"
	"google.golang.org/grpc/metadata"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// watchStream is the watches that share a stream, through all its breaks. One goroutine (run) owns it.
//
// A watch is at each time in one of these places, and in all as long as it is in any:
//
//	queue     waits to be begun at the member
//	creating  the member is asked to begin it
//	active    the member tells of its events, under an id
//	nowhere   parked, until its reader has caught up
//
// The member is asked to begin one watch at a time. So the next reply of this kind belongs to it, also when it is refused,
// which is said without an id.
type watchStream struct {
	w    *watcher
	key  string
	ctx  context.Context // of the streams, with the metadata of the watches
	stop context.CancelFunc
	done chan struct{} // closed when run returns

	requests chan *watching // to be begun
	left     chan *watching // nobody wants them any more
	drained  chan *watching // parked ones whose readers have caught up
	asked    chan struct{}  // for progress

	users int // under watcher.mu

	line     line[pb.WatchRequest, pb.WatchResponse]
	stream   pb.Watch_WatchClient // nil while there is none
	all      map[*watching]bool
	queue    []*watching
	creating *watching
	active   map[int64]*watching
	wanted   bool // progress, as soon as there is nothing to begin
}

func newWatchStream(w *watcher, key string, md metadata.MD) *watchStream {
	s := &watchStream{
		w: w, key: key, done: make(chan struct{}),
		requests: make(chan *watching), left: make(chan *watching), drained: make(chan *watching), asked: make(chan struct{}),
		all: map[*watching]bool{}, active: map[int64]*watching{},
	}
	s.ctx, s.stop = context.WithCancel(metadata.NewOutgoingContext(w.ctx, md.Copy()))
	s.line = line[pb.WatchRequest, pb.WatchResponse]{
		c: w.c, method: pb.Watch_Watch_FullMethodName, dial: w.remote.Watch, running: &w.running,
	}
	return s
}

func (s *watchStream) run() {
	defer close(s.done)
	defer s.stop()
	s.line.open(s.ctx)
	for {
		select {
		case t := <-s.requests:
			s.all[t] = true
			s.w.running.Go(func() { t.deliver(s) })
			s.enqueue(t)
		case t := <-s.drained:
			if s.all[t] && t.parked {
				t.parked = false
				s.enqueue(t)
			}
		case t := <-s.left:
			s.dismiss(t)
		case <-s.asked:
			s.wanted = true
			s.proceed()
		case a := <-s.line.arrivals:
			if err := s.arrived(a); err != nil {
				s.fail(err)
				return
			}
		case <-s.ctx.Done():
			for t := range s.all {
				t.settle()
			}
			return
		}
	}
}

// tell hands a watch to the goroutine of the stream, unless that has ended.
func (s *watchStream) tell(to chan<- *watching, t *watching) {
	select {
	case to <- t:
	case <-s.done:
	}
}

func (s *watchStream) enqueue(t *watching) {
	s.queue = append(s.queue, t)
	s.proceed()
}

// proceed asks for what is next, if the member is ready for it.
func (s *watchStream) proceed() {
	switch {
	case s.stream == nil || s.creating != nil:
	case len(s.queue) > 0:
		s.creating, s.queue = s.queue[0], s.queue[1:]
		s.send(s.creating.op.watchRequest(s.creating.next))
	case s.wanted:
		s.wanted = false
		s.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
	}
}

// send leaves errors to the reading side, which hears of the reason.
func (s *watchStream) send(r *pb.WatchRequest) { _ = s.stream.Send(r) }

func (s *watchStream) cancelAt(id int64) {
	s.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}}})
}

// arrived returns an error when all watches have to end.
func (s *watchStream) arrived(a arrival[pb.WatchRequest, pb.WatchResponse]) error {
	switch {
	case a.err != nil:
		// A member without a leader ends the streams that ask for one; whether to go elsewhere is for the caller to decide.
		if again := s.line.broke(a.err); !again || rpctypes.Error(a.err) == rpctypes.ErrNoLeader {
			return ContextError(s.ctx, a.err)
		}
		s.reopen()
	case a.opened != nil:
		s.stream, s.line.token = a.opened, a.token
		s.proceed()
	default:
		s.received(a.msg)
	}
	return nil
}

// reopen begins all watches again on a new stream, each behind the last revision that it has told of.
func (s *watchStream) reopen() {
	s.stream, s.creating = nil, nil
	s.queue = s.queue[:0]
	clear(s.active)
	for t := range s.all {
		t.interrupt()
		if !t.parked {
			s.queue = append(s.queue, t)
		}
	}
	s.line.open(s.ctx)
}

// fail ends all watches with an error.
func (s *watchStream) fail(err error) {
	s.w.abandon(s)
	for t := range s.all {
		s.end(t, WatchResponse{Canceled: true, closeErr: err})
	}
}

// end ends a watch with a last response.
func (s *watchStream) end(t *watching, last WatchResponse) {
	t.backlog.add(last)
	t.backlog.end()
	s.drop(t)
}

func (s *watchStream) drop(t *watching) {
	t.settle()
	delete(s.all, t)
	s.w.leave(s)
}

// park gives a watch back to the member until its reader has caught up.
func (s *watchStream) park(t *watching) {
	t.parked = true
	delete(s.active, t.id)
	s.cancelAt(t.id)
	t.interrupt()
	if t.op.logBuffer {
		s.w.c.lg.Warn("the reader of a watch is too slow; the watch goes on when half of what waits is read",
			zap.ByteString("key", t.op.key), zap.Int64("next-revision", t.next), zap.Int("buffer-bytes", backlogBytes))
	}
}
