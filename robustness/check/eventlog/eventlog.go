// Package eventlog puts together what the watches of everything have heard: the one log of all changes, and who made them.
package eventlog

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"
)

// First is the revision of the first change of a store.
const First = 2

// Log is all changes, by their revisions.
type Log struct {
	changes []Change // of revision First and on
	known   int64    // up to this revision there is no hole
	// Divergences are revisions that two watches have heard differently.
	Divergences []Divergence
	// Watches are those that were used.
	Watches []int
}

// Change is one revision.
type Change struct {
	Revision int64
	// Events are without previous values; none says that no watch has heard of it.
	Events []*mvccpb.Event
	// Heard is when the first watch heard of it, and Watch which one.
	Heard time.Duration
	Watch int
	// Keys are those after it, if there is no hole before it.
	Keys model.Keys
}

// Divergence is a revision that two watches have heard differently.
type Divergence struct {
	Revision int64
	Watches  [2]int
	Events   [2][]*mvccpb.Event
	At       time.Duration
}

// Everything tells whether a watch is about all keys and all changes.
func Everything(w *history.Watch) bool {
	r := w.Request
	return r != nil && (len(r.Key) == 0 || string(r.Key) == "\x00") && string(r.RangeEnd) == "\x00" && len(r.Filters) == 0
}

// Build makes the log of a record.
func Build(r *history.Record) *Log {
	l := &Log{}
	for i := range r.Watches {
		if Everything(&r.Watches[i]) {
			l.Watches = append(l.Watches, i)
			l.add(i, &r.Watches[i])
		}
	}
	l.fold()
	return l
}

// Piece is what a watch heard of one revision, in one response or in fragments of one.
type Piece struct {
	Revision int64
	Events   []*mvccpb.Event
	At       time.Duration
	// Response is the index of the first one, Responses how many there were.
	Response, Responses int
	// Cut says that the watch ended before the last fragment.
	Cut bool
}

// Pieces takes apart what a watch has heard, in its order.
func Pieces(w *history.Watch) []Piece {
	var all []Piece
	fragment := false // the response before was one, and not the last
	for i, h := range w.Heard {
		for j, e := range h.Response.GetEvents() {
			goesOn := j == 0 && fragment
			if n := len(all); n > 0 && all[n-1].Revision == e.GetKv().GetModRevision() && (all[n-1].Response == i || goesOn) {
				all[n-1].Events = append(all[n-1].Events, e)
				all[n-1].Responses = i - all[n-1].Response + 1
				continue
			}
			all = append(all, Piece{Revision: e.GetKv().GetModRevision(), Events: []*mvccpb.Event{e}, At: h.At, Response: i, Responses: 1})
		}
		fragment = h.Response.GetFragment()
	}
	if n := len(all); n > 0 && fragment {
		all[n-1].Cut = true
	}
	return all
}

func (l *Log) add(index int, w *history.Watch) {
	for _, p := range Pieces(w) {
		if p.Cut || p.Revision < First || p.Revision > maxRevision {
			continue
		}
		for int64(len(l.changes)) <= p.Revision-First {
			l.changes = append(l.changes, Change{Revision: First + int64(len(l.changes)), Watch: -1})
		}
		c := &l.changes[p.Revision-First]
		events := plain(p.Events)
		if c.Events == nil {
			c.Events, c.Heard, c.Watch = events, p.At, index
			continue
		}
		if !Same(c.Events, events) {
			l.Divergences = append(l.Divergences, Divergence{p.Revision, [2]int{c.Watch, index}, [2][]*mvccpb.Event{c.Events, events}, max(c.Heard, p.At)})
		}
		if p.At < c.Heard {
			c.Heard, c.Watch = p.At, index
		}
	}
}

// maxRevision bounds the log, should a watch hear of a revision that can not be.
const maxRevision = 10_000_000

// plain are events without previous values.
func plain(events []*mvccpb.Event) []*mvccpb.Event {
	out := make([]*mvccpb.Event, len(events))
	for i, e := range events {
		out[i] = &mvccpb.Event{Type: e.Type, Kv: e.Kv}
	}
	return out
}

// Same tells whether events are equal, but for their previous values.
func Same(a, b []*mvccpb.Event) bool {
	return slices.EqualFunc(a, b, func(x, y *mvccpb.Event) bool { return x.Type == y.Type && proto.Equal(x.Kv, y.Kv) })
}

// fold finds out which keys there are after each change, up to the first hole.
func (l *Log) fold() {
	var keys model.Keys
	l.known = First - 1
	for i := range l.changes {
		c := &l.changes[i]
		if c.Events == nil {
			return
		}
		keys = model.Changed(keys, c.Events)
		c.Keys = keys
		l.known = c.Revision
	}
}

// Last is the last revision that a watch has heard of.
func (l *Log) Last() int64 { return First - 1 + int64(len(l.changes)) }

// Known is the last revision before the first hole.
func (l *Log) Known() int64 { return l.known }

// Change returns that of a revision; nil if it is not known.
func (l *Log) Change(revision int64) *Change {
	if revision < First || revision > l.Last() || l.changes[revision-First].Events == nil {
		return nil
	}
	return &l.changes[revision-First]
}

// Keys are those that existed at a revision. false: that is not known.
func (l *Log) Keys(revision int64) (model.Keys, bool) {
	switch {
	case revision < First-1 || revision > l.known:
		return model.Keys{}, false
	case revision == First-1:
		return model.Keys{}, true
	}
	return l.changes[revision-First].Keys, true
}

// Hole is revisions that no watch has heard of.
type Hole struct{ From, To int64 }

func (h Hole) String() string {
	if h.From == h.To {
		return fmt.Sprint(h.From)
	}
	return fmt.Sprintf("%d to %d", h.From, h.To)
}

// Holes are those before the last revision.
func (l *Log) Holes() []Hole {
	var holes []Hole
	for _, c := range l.changes {
		if c.Events != nil {
			continue
		}
		if n := len(holes); n > 0 && holes[n-1].To == c.Revision-1 {
			holes[n-1].To = c.Revision
			continue
		}
		holes = append(holes, Hole{c.Revision, c.Revision})
	}
	return holes
}

// RevisionOf is that in the header of a response, 0 if it has none.
func RevisionOf(response proto.Message) int64 {
	if h, ok := response.(interface{ GetHeader() *pb.ResponseHeader }); ok && response != nil {
		return h.GetHeader().GetRevision()
	}
	return 0
}
