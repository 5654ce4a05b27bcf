package workload

import (
	"google.golang.org/protobuf/proto"

	"quoin.dev/api/mvccpb"
)

// share lets watches that hear the same hold it once: each event is told by every member, and its previous value was a value before.
// An event that differs from what was heard elsewhere stays as it is, so that nothing is hidden.
type share struct {
	heard map[place]*mvccpb.Event
	bare  map[place]*mvccpb.Event // without the previous value
}

// place names an event: one revision changes a key once.
type place struct {
	revision int64
	key      string
}

func newShare() share {
	return share{heard: map[place]*mvccpb.Event{}, bare: map[place]*mvccpb.Event{}}
}

// events replaces events by equal ones that are known already.
func (s share) events(events []*mvccpb.Event) {
	for i, e := range events {
		if e.Kv == nil {
			continue
		}
		known := s.bare
		if e.PrevKv != nil {
			known = s.heard
			s.previous(e)
		}
		at := place{e.Kv.ModRevision, string(e.Kv.Key)}
		switch other := known[at]; {
		case other == nil:
			known[at] = e
		case proto.Equal(other, e):
			events[i] = other
		}
	}
}

func (s share) previous(e *mvccpb.Event) {
	at := place{e.PrevKv.ModRevision, string(e.PrevKv.Key)}
	for _, known := range []map[place]*mvccpb.Event{s.heard, s.bare} {
		if other := known[at]; other != nil && proto.Equal(other.Kv, e.PrevKv) {
			e.PrevKv = other.Kv
			return
		}
	}
}
