package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/history"
)

// createdTimeout is how long the answer to the creation of a watch may take.
const createdTimeout = 5 * time.Second

// watchStream is one stream to the present member of a client, with its watches. It belongs to one goroutine.
type watchStream struct {
	c      *client
	stream pb.Watch_WatchClient
	cancel context.CancelFunc
	in     chan heard
	closed sync.WaitGroup

	// creating is the watch whose creation is not answered yet: there is one at a time, so that it is clear which one an answer is for.
	creating *watching
	open     map[int64]*watching
	err      error // why the stream has ended
}

// heard is a response, or the end of the stream.
type heard struct {
	at       time.Duration
	response *pb.WatchResponse
	err      error
}

// watching is one watch.
type watching struct {
	request *pb.WatchCreateRequest
	resumes int
	opened  time.Duration
	index   int // in the recorder, -1 before it is answered
	id      int64
	// next is the revision that a watch has to begin at to go on from this one; 0 if nothing is known yet.
	next int64
	// told is the newest revision that this one is known to have told everything of, events that of its last event.
	told, events int64
	given        bool // its end was asked for
	canceled     bool
	// compacted is the revision before which there is nothing any more, of a watch that was too late.
	compacted int64
	reason    string
}

// newWatching is a watch that goes on from another one, or from none (nil).
func newWatching(r *pb.WatchCreateRequest, from *watching) *watching {
	w := &watching{request: r, resumes: -1, index: -1, next: r.StartRevision}
	if from != nil {
		w.resumes = from.index
	}
	return w
}

// openWatches opens a stream; nothing is sent yet.
func (c *client) openWatches() (*watchStream, error) {
	if err := c.login(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(c.authorized(c.calls))
	// A member that does not answer does not keep the client here.
	opening := time.AfterFunc(createdTimeout, cancel)
	stream, err := pb.NewWatchClient(c.connection()).Watch(ctx)
	if !opening.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		return nil, err
	}
	s := &watchStream{c: c, stream: stream, cancel: cancel, in: make(chan heard), open: map[int64]*watching{}}
	s.closed.Go(func() { s.receive(ctx) })
	return s, nil
}

// receive hands over what comes in. Nothing waits here but one response: a client that does not read lets the member wait.
func (s *watchStream) receive(ctx context.Context) {
	for {
		r, err := s.stream.Recv()
		select {
		case s.in <- heard{s.c.w.opts.Clock(), r, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// create makes a watch and waits until it is answered. An error ends the stream.
func (s *watchStream) create(w *watching) error {
	w.opened, s.creating = s.c.w.opts.Clock(), w
	s.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: w.request}})
	deadline := time.Now().Add(createdTimeout)
	for s.creating != nil && s.err == nil {
		if !s.pump(deadline) {
			break
		}
	}
	if s.creating != nil && s.err == nil {
		s.err = fmt.Errorf("the creation of a watch was not answered for %v", createdTimeout)
	}
	return s.err
}

// end asks for the end of a watch.
func (s *watchStream) end(w *watching) {
	w.given = true
	s.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: w.id}}})
}

// askProgress asks how far the watches of the stream are.
func (s *watchStream) askProgress() {
	s.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
}

func (s *watchStream) send(r *pb.WatchRequest) {
	// An error only says that the stream has ended; why comes in.
	_ = s.stream.Send(r)
}

// pump takes in one response. It is false when there was none before the deadline, or the client is to end.
func (s *watchStream) pump(deadline time.Time) bool {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case h := <-s.in:
		s.take(h)
		return true
	case <-timer.C:
		return false
	case <-s.c.calls.Done():
		return false
	}
}

// take handles one response.
func (s *watchStream) take(h heard) {
	switch {
	case h.err != nil:
		s.err = h.err
		return
	case h.response.Created && s.creating != nil:
		w := s.creating
		s.creating = nil
		w.id = h.response.WatchId
		w.index = s.c.w.opts.Recorder.watch(history.Watch{
			Client: s.c.id, Member: s.c.target.Name, User: s.c.user, Resumes: w.resumes, Request: w.request, Opened: w.opened,
		})
		s.note(w, h)
		if !w.canceled {
			s.open[w.id] = w
		}
	case h.response.WatchId == allWatches:
		for _, w := range s.open {
			s.note(w, h)
		}
	default:
		if w := s.open[h.response.WatchId]; w != nil {
			s.note(w, h)
		}
	}
}

// allWatches is the ID in answers to requests for progress.
const allWatches = -1

// note records a response to a watch, and ends the watch if it says so.
func (s *watchStream) note(w *watching, h heard) {
	r, recorder := h.response, s.c.w.opts.Recorder
	recorder.hear(w.index, h.at, r)
	switch n := len(r.Events); {
	case n > 0:
		w.events = r.Events[n-1].Kv.ModRevision
		w.told = w.events
		if w.next = w.told + 1; r.Fragment {
			w.next = w.told // the rest of this revision is on its way
		}
	case !r.Created && !r.Canceled:
		w.told = max(w.told, r.Header.GetRevision())
		w.next = max(w.next, w.told+1)
	}
	if !r.Canceled {
		return
	}
	w.canceled, w.compacted, w.reason = true, r.CompactRevision, reasonOf(r)
	delete(s.open, w.id)
	why := w.reason
	if w.given {
		why = ""
	}
	recorder.end(w.index, h.at, why)
}

func reasonOf(r *pb.WatchResponse) string {
	switch {
	case r.CancelReason != "":
		return r.CancelReason
	case r.CompactRevision != 0:
		return fmt.Sprintf("compacted at revision %d", r.CompactRevision)
	default:
		return "canceled without a reason"
	}
}

// close ends the stream and returns the watches that were still open. Why it ended is what ended it before, or the given error;
// none says that the client wanted it so.
func (s *watchStream) close(why error) (ended []*watching) {
	s.cancel()
	s.closed.Wait()
	text := ""
	if why = errors.Join(s.err, why); why != nil {
		text = why.Error()
	}
	for _, w := range s.open {
		s.c.w.opts.Recorder.end(w.index, s.c.w.opts.Clock(), text)
		ended = append(ended, w)
	}
	slices.SortFunc(ended, func(a, b *watching) int { return a.index - b.index })
	return ended
}
