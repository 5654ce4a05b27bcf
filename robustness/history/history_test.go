package history_test

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/history"
)

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	put := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("k"), Value: []byte{0, 255}}}}
	r := &history.Record{
		Scenario: "s", Seed: 1 << 63, Started: time.Now().UTC().Round(0), Duration: time.Second,
		Operations: []history.Operation{
			{Client: 1, Member: "m0", Call: 1, Return: 2, Outcome: history.OK, Request: &pb.TxnRequest{Success: []*pb.RequestOp{put}}, Response: &pb.TxnResponse{Succeeded: true}},
			{Client: 2, Outcome: history.Unknown, Code: "Unavailable", Error: "gone", Request: &pb.AuthEnableRequest{}},
		},
		Watches: []history.Watch{{Resumes: -1, Request: &pb.WatchCreateRequest{Key: []byte("k")}, Heard: []history.Heard{
			{At: 3, Response: &pb.WatchResponse{WatchId: 7, Events: []*mvccpb.Event{{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte("k")}}}}},
		}}},
	}
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := history.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range r.Operations {
		o := &got.Operations[i]
		if !proto.Equal(o.Request, want.Request) || !proto.Equal(o.Response, want.Response) {
			t.Errorf("operation %d: %v, %v", i, o.Request, o.Response)
		}
		o.Request, o.Response = want.Request, want.Response
	}
	heard, want := got.Watches[0].Heard[0].Response, r.Watches[0].Heard[0].Response
	if !proto.Equal(heard, want) || !proto.Equal(got.Watches[0].Request, r.Watches[0].Request) {
		t.Errorf("watch: %v", got.Watches[0])
	}
	got.Watches = r.Watches
	if !reflect.DeepEqual(got, r) {
		t.Errorf("got  %+v\nwant %+v", got, r)
	}
}
