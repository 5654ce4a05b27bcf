package workload

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/history"
)

// consistent holds a record to what the checks rely on.
func consistent(t *testing.T, r *Recorder) {
	t.Helper()
	ends := map[int]history.Operation{}
	for i, op := range r.Operations() {
		before, some := ends[op.Client]
		switch {
		case op.Return < op.Call:
			t.Errorf("operation %d returned at %v, before its call at %v", i, op.Return, op.Call)
		case some && op.Call < before.Return:
			t.Errorf("client %d calls at %v while its call of %v is under way", op.Client, op.Call, before.Call)
		case op.Request == nil || (op.Outcome == history.OK) != (op.Response != nil):
			t.Errorf("operation %d is %s, request %v, response %v", i, op.Outcome, op.Request, op.Response)
		case (op.Outcome == history.OK) != (op.Code == ""):
			t.Errorf("operation %d is %s with the code %q (%s)", i, op.Outcome, op.Code, op.Error)
		}
		ends[op.Client] = op
	}
	watches := r.Watches()
	for i, w := range watches {
		if len(w.Heard) == 0 || !w.Heard[0].Response.Created || w.Closed < w.Opened || w.Resumes >= i {
			t.Errorf("watch %d: %+v", i, w)
		}
		for at := w.Opened; len(w.Heard) > 0; w.Heard = w.Heard[1:] {
			if w.Heard[0].At < at || w.Heard[0].At > w.Closed {
				t.Errorf("watch %d of %v to %v heard something at %v, after %v", i, w.Opened, w.Closed, w.Heard[0].At, at)
			}
			at = w.Heard[0].At
		}
	}
}

// logOf joins the events of the watches of everything on one member. No revision may be missing or told twice.
func logOf(t *testing.T, r *Recorder, member string) (events []*mvccpb.Event) {
	t.Helper()
	last := -1
	for i, w := range r.Watches() {
		if w.Member != member || string(w.Request.Key) != "\x00" || !w.Request.PrevKv || w.Resumes != last || w.Request.WatchId != 0 {
			continue
		}
		last = i
		for _, h := range w.Heard {
			events = append(events, h.Response.Events...)
		}
	}
	revision := int64(1)
	for _, e := range events {
		if e.Kv.ModRevision != revision && e.Kv.ModRevision != revision+1 {
			t.Fatalf("after revision %d the log of %s goes on with %d", revision, member, e.Kv.ModRevision)
		}
		revision = e.Kv.ModRevision
	}
	return events
}

// replayed is the state that events lead to.
func replayed(events []*mvccpb.Event) map[string]*mvccpb.KeyValue {
	state := map[string]*mvccpb.KeyValue{}
	for _, e := range events {
		if state[string(e.Kv.Key)] = e.Kv; e.Type == mvccpb.Event_DELETE {
			delete(state, string(e.Kv.Key))
		}
	}
	return state
}

// complete compares the log of a member with what is there.
func complete(t *testing.T, r *Recorder, m Target) {
	t.Helper()
	// Leases may still run out: the log as far as it goes is compared with the state at that revision.
	events := logOf(t, r, m.Name)
	if len(events) == 0 {
		t.Fatal("there are no events")
	}
	revision := events[len(events)-1].Kv.ModRevision
	w := begin(t.Context(), Options{Recorder: NewRecorder(), Targets: []Target{m}, WithoutLog: true})
	defer w.Stop()
	w.AddTarget(m)
	c := w.client(0)
	defer c.disconnect()
	c.user, c.password, c.patience = rootName, "secret", longPatience
	all := everything(0)
	request := getRequest(string(all.Key))
	request.RangeEnd, request.Revision = all.RangeEnd, revision
	a, err := c.read(request)
	if err != nil {
		t.Fatal(err)
	}
	state := replayed(events)
	for _, kv := range a.Kvs {
		if !proto.Equal(state[string(kv.Key)], kv) {
			t.Errorf("the member has %v, the log leads to %v", kv, state[string(kv.Key)])
		}
	}
	if len(a.Kvs) != len(state) {
		t.Errorf("the member has %d keys, the log leads to %d", len(a.Kvs), len(state))
	}
}

// outcomes counts operations by their kind and outcome.
func outcomes(r *Recorder) map[string]int {
	n := map[string]int{}
	for _, op := range r.Operations() {
		n[fmt.Sprintf("%s %s", op.Request.ProtoReflect().Descriptor().Name(), op.Outcome)]++
	}
	return n
}
