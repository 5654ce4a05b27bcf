package load

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
)

// fakeWatch sends every put to all watchers, over ordinary gRPC.
type fakeWatch struct {
	etcdserverpb.UnimplementedKVServer
	etcdserverpb.UnimplementedWatchServer
	mu      sync.Mutex
	watches map[string][]chan *mvccpb.KeyValue
	cancel  bool // every watch once it has had an event
}

func (f *fakeWatch) Put(_ context.Context, r *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.watches[string(r.Key)] {
		c <- &mvccpb.KeyValue{Key: r.Key, Value: r.Value, ModRevision: 2}
	}
	return &etcdserverpb.PutResponse{Header: &etcdserverpb.ResponseHeader{Revision: 2}}, nil
}

func (f *fakeWatch) Watch(s grpc.BidiStreamingServer[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse]) error {
	replies := make(chan *etcdserverpb.WatchResponse, 10_000)
	go func() {
		for id := int64(0); ; id++ {
			r, err := s.Recv()
			if err != nil {
				return
			}
			events := make(chan *mvccpb.KeyValue, 10_000)
			f.mu.Lock()
			key := string(r.GetCreateRequest().Key)
			f.watches[key] = append(f.watches[key], events)
			f.mu.Unlock()
			replies <- &etcdserverpb.WatchResponse{WatchId: id, Created: true}
			go func() {
				for kv := range events {
					replies <- &etcdserverpb.WatchResponse{WatchId: id, Canceled: f.cancel, Events: []*mvccpb.Event{{Kv: kv}}}
				}
			}()
		}
	}()
	for {
		select {
		case r := <-replies:
			if err := s.Send(r); err != nil {
				return err
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func watchSpec(t *testing.T, f *fakeWatch, w Watch) Spec {
	t.Helper()
	f.watches = map[string][]chan *mvccpb.KeyValue{}
	s := grpc.NewServer()
	etcdserverpb.RegisterKVServer(s, f)
	etcdserverpb.RegisterWatchServer(s, f)
	return Spec{
		Address: serve(t, s), Conns: 1, Clients: 1, Duration: 300 * time.Millisecond, Watch: &w,
		Request: Request{Kind: Put, Keys: 1, KeyBytes: 32, ValueBytes: 10_000, Timed: true},
	}
}

// TestWatchersMeasureEvents, also of values that go on in a second frame, or the puts beside them.
func TestWatchersMeasureEvents(t *testing.T) {
	for _, w := range []Watch{
		{Watchers: 30, Streams: 6, Conns: 3, Shape: OneKey, Lockstep: true},
		{Watchers: 1, Streams: 1, Conns: 1, Shape: OwnKey},
		{Watchers: 7, Streams: 7, Conns: 2, Shape: OneKey, Beside: true},
	} {
		spec := watchSpec(t, &fakeWatch{}, w)
		r, err := Run(spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Ops == 0 || r.Errors != 0 || r.P50 <= 0 || r.P50 > spec.Duration {
			t.Errorf("%+v: %+v", w, r)
		}
	}
}

// TestACanceledWatchEndsTheRun: a server that drops watchers must not look fast.
func TestACanceledWatchEndsTheRun(t *testing.T) {
	spec := watchSpec(t, &fakeWatch{cancel: true}, Watch{Watchers: 2, Streams: 1, Conns: 1, Shape: OneKey})
	spec.Duration = 30 * time.Second
	if _, err := Run(spec, nil); err == nil {
		t.Fatal("the run went on")
	}
}
