package workload

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/mvccpb"
)

func event(revision int64, value, previous string) *mvccpb.Event {
	e := &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: revision, Value: []byte(value)}}
	if previous != "" {
		e.PrevKv = &mvccpb.KeyValue{Key: []byte("k"), ModRevision: revision - 1, Value: []byte(previous)}
	}
	return e
}

func TestEqualEventsAreHeldOnce(t *testing.T) {
	s := newShare()
	hear := func(e *mvccpb.Event) *mvccpb.Event {
		was := proto.CloneOf(e)
		events := []*mvccpb.Event{e}
		s.events(events)
		if !proto.Equal(events[0], was) {
			t.Fatalf("%v became %v", was, events[0])
		}
		return events[0]
	}
	first := hear(event(2, "a", "z"))
	if hear(event(2, "a", "z")) != first {
		t.Error("an equal event is held twice")
	}
	if hear(event(2, "b", "z")) == first || hear(event(2, "a", "y")) == first || hear(event(2, "a", "")) == first {
		t.Error("events that differ are taken for equal")
	}
	if hear(event(3, "c", "a")).PrevKv != first.Kv {
		t.Error("a previous value is held twice")
	}
	if hear(event(3, "c", "b")).PrevKv == first.Kv {
		t.Error("another previous value is taken for what was there")
	}
}
