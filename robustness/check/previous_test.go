package check_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/mvccpb"

	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/history"
)

// A watch is told of a previous value although the key is new.
func TestPreviousValueOfANewKeyIsFound(t *testing.T) {
	r := mixed(4, 100).end()
	e := created(r)
	if e == nil {
		t.Fatal("no watch has heard of a new key")
	}
	e.PrevKv = &mvccpb.KeyValue{Key: e.Kv.Key, Value: []byte("never there"), ModRevision: 1}
	if v := judge(t, "watch-reliable", r, check.Options{}); len(v.Findings) == 0 {
		t.Error("it was not found")
	}
}

// created is the first event by which a key came to be, in a copy that is this record's alone.
func created(r *history.Record) *mvccpb.Event {
	for i := range r.Watches {
		for j, heard := range r.Watches[i].Heard {
			for k, e := range heard.Response.Events {
				if e.Type == mvccpb.Event_PUT && e.Kv.Version == 1 && r.Watches[i].Request.PrevKv {
					response := proto.CloneOf(heard.Response)
					r.Watches[i].Heard[j].Response = response
					return response.Events[k]
				}
			}
		}
	}
	return nil
}
