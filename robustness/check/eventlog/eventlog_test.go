package eventlog_test

import (
	"reflect"
	"testing"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/check/eventlog"
	"quoin.dev/quoin/robustness/history"
)

func event(key string, revision int64) *mvccpb.Event {
	return &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte(key), Value: []byte(key), CreateRevision: revision, ModRevision: revision, Version: 1}}
}

func heard(at int, fragment bool, events ...*mvccpb.Event) history.Heard {
	return history.Heard{At: time.Duration(at), Response: &pb.WatchResponse{Fragment: fragment, Events: events}}
}

func everything(heard ...history.Heard) history.Watch {
	return history.Watch{Request: &pb.WatchCreateRequest{RangeEnd: []byte{0}}, Heard: heard}
}

// What one response, or the fragments of one, say of a revision is one piece; of a watch that ends within fragments the last piece is
// not whole.
func TestPieces(t *testing.T) {
	w := everything(heard(1, false, event("a", 2), event("b", 2), event("c", 3)), heard(2, true, event("d", 4)), heard(3, false, event("e", 4)),
		heard(4, false, event("f", 4)), heard(5, true, event("g", 5)))
	type piece struct {
		revision            int64
		events              int
		response, responses int
		cut                 bool
	}
	var got []piece
	for _, p := range eventlog.Pieces(&w) {
		got = append(got, piece{p.Revision, len(p.Events), p.Response, p.Responses, p.Cut})
	}
	want := []piece{{2, 2, 0, 1, false}, {3, 1, 0, 1, false}, {4, 2, 1, 2, false}, {4, 1, 3, 1, false}, {5, 1, 4, 1, true}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Watches complete each other, the first one to hear counts, and what nobody has heard is a hole.
func TestTheLogOfSeveralWatches(t *testing.T) {
	part := history.Watch{Request: &pb.WatchCreateRequest{Key: []byte("d")}, Heard: []history.Heard{heard(1, false, event("d", 5))}}
	r := &history.Record{Watches: []history.Watch{
		everything(heard(10, false, event("a", 2)), heard(20, false, event("b", 3))),
		part,
		everything(heard(15, false, event("b", 3)), heard(30, false, event("c", 4)), heard(40, false, event("e", 7))),
	}}
	l := eventlog.Build(r)
	if l.Last() != 7 || l.Known() != 4 || !reflect.DeepEqual(l.Watches, []int{0, 2}) || len(l.Divergences) > 0 {
		t.Errorf("last %d, known up to %d, by %v, divergences %v", l.Last(), l.Known(), l.Watches, l.Divergences)
	}
	if holes := l.Holes(); !reflect.DeepEqual(holes, []eventlog.Hole{{From: 5, To: 6}}) || holes[0].String() != "5 to 6" {
		t.Errorf("holes %v", holes)
	}
	if c := l.Change(3); c.Heard != 15 || c.Watch != 2 {
		t.Errorf("revision 3 was heard at %v by watch %d", c.Heard, c.Watch)
	}
	if keys, ok := l.Keys(3); !ok || keys.Len() != 2 {
		t.Errorf("%d keys, %v", keys.Len(), ok)
	}
	if _, ok := l.Keys(7); ok || l.Change(5) != nil || l.Change(99) != nil {
		t.Error("what is in a hole, or behind one, is known")
	}
	latest, ok := eventlog.Own(r, l).Latest(5)
	if !ok || latest != 40 {
		t.Errorf("revision 5 was made by %v, %v: somebody had heard of a later one at 40", latest, ok)
	}
}
