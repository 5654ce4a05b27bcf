package watch

import "errors"

// Reasons to refuse a watcher.
var (
	ErrEmptyRange  = errors.New("mvcc: watcher range is empty")
	ErrDuplicateID = errors.New("mvcc: duplicate watch ID provided on the WatchStream")
)

// Options of a watcher.
type Options struct {
	Key, End []byte // as in a range
	ID       int64  // 0: the stream chooses
	Start    int64  // first revision of interest; 0: the next one
	PrevKV   bool
	NoPut    bool
	NoDelete bool
	Fragment bool
	Progress bool // wants to hear of the revision when it has been quiet
}

// Watcher is one watch of a stream. Its fields belong to the hub's lock, but for open, which belongs to its stream's. There may
// be a million of them: it is kept small.
type Watcher struct {
	place
	stream *Stream
	id     int64
	start  int64 // first revision of interest
	next   int64 // first revision that was not seen
	open   *entry
	hits   int32 // its place among those with events of the batch that is being matched, from 1 on

	prevKV, noPut, noDelete, fragment, progress bool

	behind bool
	pass   pass // part in the current pass, for one that is behind
	quiet  bool // no event since the last tick
}

// pass is the part that a watcher has in a pass of those that are behind.
type pass uint8

const (
	passNone    pass = iota // its stream is full, or it came later
	passWaiting             // it is further behind than where the pass begins
	passTaken
)

// newInterval reads the ends of a watch: no key is the first possible one, and an end of one zero byte is none.
func newInterval(key, end []byte) (interval, error) {
	if len(key) == 0 {
		key = []byte{0}
	}
	switch {
	case len(end) == 0:
		return interval{from: string(key), single: true}, nil
	case len(end) == 1 && end[0] == 0:
		return interval{from: string(key), open: true}, nil
	case string(end) <= string(key):
		return interval{}, ErrEmptyRange
	}
	return interval{from: string(key), to: string(end)}, nil
}

// Watch adds a watcher, and queues the reply that says so with the revision now. A watcher of revisions that are compacted is
// canceled right behind that.
func (s *Stream) Watch(o Options, now, compacted int64) error {
	in, err := newInterval(o.Key, o.End)
	if err != nil {
		return err
	}
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	id := o.ID
	if id == 0 {
		for s.watchers[s.nextID] != nil {
			s.nextID++
		}
		id = s.nextID
		s.nextID++
	} else if s.watchers[id] != nil {
		return ErrDuplicateID
	}
	w := &Watcher{
		stream: s, id: id, start: o.Start, next: o.Start, quiet: true,
		prevKV: o.PrevKV, noPut: o.NoPut, noDelete: o.NoDelete, fragment: o.Fragment, progress: o.Progress,
	}
	if o.Start == 0 {
		w.next = now + 1
	}
	s.say(Reply{ID: id, Created: true, Revision: now})
	if w.next < compacted {
		s.say(Reply{ID: id, Canceled: true, CompactRevision: compacted})
		return nil
	}
	s.watchers[id] = w
	h.watched()
	if w.next > h.dispatched && h.attached {
		h.upToDate.add(in, w)
		return nil
	}
	w.behind = true
	h.late.add(in, w)
	h.behindMayMove()
	return nil
}

// Cancel ends a watcher, and queues the reply that says so; false if the stream has none of that id.
func (s *Stream) Cancel(id, now int64) bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	w := s.watchers[id]
	if w == nil {
		return false
	}
	s.hub.remove(w)
	s.say(Reply{ID: id, Canceled: true, Revision: now})
	return true
}

// Refuse queues the reply to a watch that could not be created.
func (s *Stream) Refuse(reason string, now int64) {
	s.say(Reply{ID: -1, Created: true, Canceled: true, Reason: reason, Revision: now})
}

// Progress answers a request for progress: with the revision up to which all of the stream's watchers have seen everything,
// in the order of the events; or with nothing while one of them is behind or has not begun, or there is none.
func (s *Stream) Progress() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, w := range s.watchers {
		if !s.hub.current(w) {
			return
		}
	}
	if len(s.watchers) > 0 {
		s.say(Reply{ID: -1, Revision: s.hub.dispatched})
	}
}

// Tick tells the watchers of a stream that want it, and that have been quiet since the last tick, up to which revision
// there was nothing. A client that has not read what it was told before is told nothing new.
func (s *Stream) Tick() {
	s.mu.Lock()
	waiting := s.plain > 0
	s.mu.Unlock()
	if waiting {
		return
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, w := range s.watchers {
		if w.progress && w.quiet && s.hub.current(w) {
			s.say(Reply{ID: w.id, Revision: s.hub.dispatched})
		}
		w.quiet = true
	}
}

// current says whether a watcher was offered everything that was dispatched, and that has reached where it begins.
func (h *Hub) current(w *Watcher) bool { return !w.behind && w.start <= h.dispatched }
