package workload

import (
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// Watches listens in every way that there is to what other kinds of load do. It changes nothing itself.
type Watches struct {
	// Clients is how many there are, each with one stream; 0: 4. Rate is how many steps each makes a second; 0: 8.
	Clients int
	Rate    float64
	// Prefixes are what is watched; empty: the keys of the mixed load, of leases and of locks.
	Prefixes []string
}

// Name is "watches".
func (Watches) Name() string { return "watches" }

const (
	// maxWatches is how many watches a client has open at a time.
	maxWatches = 12
	// A client stays on one stream for so many steps.
	leastSteps, mostSteps = 20, 80
)

func (k Watches) bodies() []body {
	prefixes := k.Prefixes
	if len(prefixes) == 0 {
		prefixes = []string{mixedPrefix, mixedPrefix, leasePrefix, plainLocks, counterPrefix}
	}
	return paced(or(k.Clients, 4), or(k.Rate, 8), func(c *client, _ int) {
		l := &listener{client: c, prefixes: prefixes}
		for c.next() {
			l.session()
		}
	})
}

// listener is one client that watches.
type listener struct {
	*client
	prefixes []string
	head     int64 // the newest revision that it has heard of
	keys     []string
	// left are the watches of the stream before, which this one goes on with.
	left []*watching
	ids  int64
}

// session is one stream, until it breaks or the client has had enough of it.
func (l *listener) session() {
	if !l.look() {
		return
	}
	s, err := l.openWatches()
	if err != nil {
		l.move()
		return
	}
	left := l.left
	l.left, l.ids = nil, 0
	for _, w := range left {
		if s.create(newWatching(l.onward(w), w)) != nil {
			break
		}
	}
	for range leastSteps + l.random.IntN(mostSteps-leastSteps) {
		if s.err != nil || !l.listen(s, l.turn()) {
			break
		}
		l.step(s)
	}
	broken := s.err != nil
	for _, w := range s.close(nil) {
		if broken || l.chance(2) {
			l.left = append(l.left, w)
		}
	}
	if broken || l.chance(2) {
		l.move()
	}
}

// look reads, so that there is a revision and some keys to begin with.
func (l *listener) look() bool {
	a, err := l.read(prefixRequest(l.prefixes[l.random.IntN(len(l.prefixes))]))
	if err != nil {
		return false
	}
	l.head = max(l.head, a.Header.GetRevision())
	if len(a.Kvs) > 0 {
		l.keys = nil
		for _, kv := range a.Kvs {
			l.keys = append(l.keys, string(kv.Key))
		}
	}
	return true
}

// listen takes in what comes until a time. It is false when the load is over.
func (l *listener) listen(s *watchStream, until time.Time) bool {
	for s.err == nil && s.pump(until) {
		if l.w.load.Err() != nil || l.w.opts.Recorder.full() {
			return false
		}
	}
	return l.pause(0)
}

func (l *listener) step(s *watchStream) {
	for _, w := range s.open {
		l.head = max(l.head, w.told)
	}
	switch n := l.random.IntN(20); {
	case n < 8 && len(s.open) < maxWatches:
		w := newWatching(l.request(), nil)
		if s.create(w) == nil && w.canceled && strings.Contains(w.reason, rpctypes.ErrorDesc(rpctypes.ErrGRPCInvalidAuthToken)) {
			l.token = ""
			s.err = errNoToken
		}
	case n < 11:
		if w := l.pick(s); w != nil {
			s.end(w)
		}
	case n < 14:
		s.askProgress()
	case n < 16: // does not read for a while
		l.pause(l.between(50*time.Millisecond, 600*time.Millisecond))
	}
}

// pick draws an open watch whose end was not asked for.
func (l *listener) pick(s *watchStream) *watching {
	var oldest *watching
	for _, w := range s.open {
		if !w.given && (oldest == nil || w.index < oldest.index) {
			oldest = w
		}
	}
	return oldest
}

// request makes a watch of any form.
func (l *listener) request() *pb.WatchCreateRequest {
	prefix := l.prefixes[l.random.IntN(len(l.prefixes))]
	r := &pb.WatchCreateRequest{Key: []byte(prefix), RangeEnd: prefixEnd(prefix), PrevKv: l.chance(2), ProgressNotify: l.chance(3), Fragment: l.chance(4)}
	switch {
	case len(l.keys) > 0 && l.chance(3):
		r.Key, r.RangeEnd = []byte(l.keys[l.random.IntN(len(l.keys))]), nil
	case l.chance(8):
		r.Key, r.RangeEnd = []byte{0}, []byte{0}
	}
	switch n := l.random.IntN(8); {
	case n < 3: // from now on
	case n < 6:
		r.StartRevision = max(1, l.head-l.random.Int64N(500))
	case n < 7:
		r.StartRevision = 1
	default:
		r.StartRevision = l.head + 1 + l.random.Int64N(50)
	}
	switch l.random.IntN(6) {
	case 0:
		r.Filters = []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT}
	case 1:
		r.Filters = []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NODELETE}
	}
	r.WatchId = l.id()
	return r
}

// id is one that the stream does not have, or 0, so that the member picks it.
func (l *listener) id() int64 {
	if l.chance(2) {
		return 0
	}
	l.ids++
	return 1_000 + l.ids
}

// onward is a request that goes on from a watch.
func (l *listener) onward(w *watching) *pb.WatchCreateRequest {
	r := proto.CloneOf(w.request)
	r.StartRevision, r.WatchId = w.next, l.id()
	return r
}
