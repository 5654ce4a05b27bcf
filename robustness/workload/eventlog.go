package workload

import (
	"errors"
	"strings"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

const (
	// progressEvery is how often a watch of everything asks how far it is, and silence after how long without any answer it looks for
	// another connection.
	progressEvery = time.Second
	silence       = 8 * time.Second
	// drainEvery is how often it asks at the end.
	drainEvery = 100 * time.Millisecond
	maxBackoff = time.Second
)

// everything is the watch that all changes are heard by.
func everything(from int64) *pb.WatchCreateRequest {
	return &pb.WatchCreateRequest{Key: []byte{0}, RangeEnd: []byte{0}, StartRevision: from, PrevKv: true}
}

// followEverything watches everything on one member from the first revision on, and goes on over every break, until the load is over
// and it has heard of the last change, or the member is taken away.
func (c *client) followEverything(retired <-chan struct{}) {
	var last *watching
	for backoff := drainEvery; ; {
		if c.logged(last) {
			return
		}
		w, ok := c.followOnce(last, retired)
		if !ok {
			return
		}
		if w != nil {
			last = w
			if w.told > 0 {
				backoff = drainEvery
			}
		}
		select {
		case <-time.After(c.between(backoff/2, backoff)):
			backoff = min(2*backoff, maxBackoff)
		case <-retired:
			return
		case <-c.calls.Done():
			return
		}
	}
}

// logged tells whether the load is over and the watch has nothing more to hear. A member that never answered is not waited for.
func (c *client) logged(last *watching) bool {
	select {
	case <-c.w.drain:
		return last == nil || last.told >= c.w.last || c.w.opts.Recorder.full()
	default:
		return false
	}
}

// followOnce watches on one stream until it breaks, and returns the watch, nil if none was made. It is false when all is done.
func (c *client) followOnce(last *watching, retired <-chan struct{}) (*watching, bool) {
	c.step++
	c.source.Seed(c.seed, c.step)
	s, err := c.openWatches()
	if err != nil {
		c.disconnect() // a connection that hangs is not waited for
		return nil, true
	}
	from := int64(1)
	if last != nil { // by what it told, not by how far it said that it was
		from = max(last.request.StartRevision, last.events+1, last.compacted)
	}
	w := newWatching(everything(from), last)
	if s.create(w) != nil {
		s.close(nil)
		return nil, true
	}
	done, why := s.listen(w, retired)
	s.close(why)
	if w.canceled && strings.Contains(w.reason, rpctypes.ErrorDesc(rpctypes.ErrGRPCInvalidAuthToken)) {
		c.token = ""
	}
	if why != nil {
		c.disconnect()
	}
	return w, !done
}

var (
	errSilence = errors.New("nothing was heard for " + silence.String())
	errRetired = errors.New("the member was taken away")
	errFull    = errors.New("the record is full")
	errDrained = errors.New("the last change was not heard within " + drainTimeout.String())
)

// listen takes in what comes. It is done when there is nothing more to hear; why says what ended it otherwise, if it was this side.
func (s *watchStream) listen(w *watching, retired <-chan struct{}) (done bool, why error) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	drain := s.c.w.drain
	var over <-chan time.Time
	for s.err == nil && !w.canceled {
		if s.c.logged(w) {
			return true, nil
		}
		select {
		case h := <-s.in:
			s.take(h)
			quiet.Reset(silence)
			if s.c.w.opts.Recorder.full() {
				return true, errFull
			}
		case <-ticker.C:
			s.askProgress()
		case <-quiet.C:
			return false, errSilence
		case <-drain:
			drain, over = nil, time.After(drainTimeout)
			ticker.Reset(drainEvery)
			s.askProgress()
		case <-over:
			return true, errDrained
		case <-retired:
			return true, errRetired
		case <-s.c.calls.Done():
			return true, s.c.calls.Err()
		}
	}
	return false, nil
}
