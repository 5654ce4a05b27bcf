package client_test

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/client"
)

type watchDialog = dialog[pb.WatchRequest, pb.WatchResponse]

func header(revision int64) *pb.ResponseHeader { return &pb.ResponseHeader{Revision: revision} }

// events are puts of one key, one for each revision.
func events(revisions ...int64) (list []*mvccpb.Event) {
	for _, r := range revisions {
		list = append(list, &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: r, CreateRevision: 1}})
	}
	return list
}

func told(id int64, revisions ...int64) *pb.WatchResponse {
	return &pb.WatchResponse{Header: header(revisions[len(revisions)-1]), WatchId: id, Events: events(revisions...)}
}

func fragment(id int64, revisions ...int64) *pb.WatchResponse {
	r := told(id, revisions...)
	r.Fragment = true
	return r
}

func created(id, revision int64) *pb.WatchResponse {
	return &pb.WatchResponse{Header: header(revision), WatchId: id, Created: true}
}

// begin begins a watch while the test answers for the member.
func begin(t *testing.T, c client.Watcher, ctx context.Context, opts ...client.OpOption) <-chan client.WatchChan {
	began := make(chan client.WatchChan, 1)
	go func() { began <- c.Watch(ctx, "k", opts...) }()
	return began
}

// stream returns the next stream that the client opens.
func (m *member) stream(t *testing.T) *watchDialog {
	t.Helper()
	return next(t, "stream", m.watches)
}

// accepts expects a request to begin a watch at a revision, and accepts it.
func accepts(t *testing.T, d *watchDialog, id, start, now int64) {
	t.Helper()
	r := d.request(t).GetCreateRequest()
	if r == nil || r.StartRevision != start {
		t.Fatalf("got %v, want a watch from revision %d", r, start)
	}
	d.say(t, created(id, now))
}

// expect reads events from a watch until it has one of each of these revisions.
func expect(t *testing.T, ch client.WatchChan, revisions ...int64) {
	t.Helper()
	var got []int64
	for len(got) < len(revisions) {
		r := next(t, "response", ch)
		if err := r.Err(); err != nil {
			t.Fatalf("the watch ended with %v after %v", err, got)
		}
		for _, e := range r.Events {
			got = append(got, e.Kv.ModRevision)
		}
	}
	if !slices.Equal(got, revisions) {
		t.Fatalf("got revisions %v, want %v", got, revisions)
	}
}

func watchOne(t *testing.T, cfg client.Config, opts ...client.OpOption) (*member, *client.Client, *watchDialog, client.WatchChan) {
	t.Helper()
	m := start(t, &member{}, listen(t))
	c := open(t, cfg, m)
	began := begin(t, c, t.Context(), opts...)
	d := m.stream(t)
	r := d.request(t).GetCreateRequest()
	d.say(t, created(0, max(r.GetStartRevision()-1, 7)))
	return m, c, d, next(t, "watch", began)
}

func TestWatchRequest(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{}, m)
	c.Watch(ended(t), "k")
	began := begin(t, c, t.Context(), client.WithPrefix(), client.WithRev(5), client.WithPrevKV(), client.WithProgressNotify(),
		client.WithFragment(), client.WithFilterPut(), client.WithFilterDelete(), client.WithCreatedNotify())
	d := m.stream(t)
	got := d.request(t).GetCreateRequest()
	want := &pb.WatchCreateRequest{Key: []byte("k"), RangeEnd: []byte("l"), StartRevision: 5, PrevKv: true, ProgressNotify: true, Fragment: true,
		Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NOPUT, pb.WatchCreateRequest_NODELETE}}
	if got.String() != want.String() {
		t.Errorf("sent %v, want %v", got, want)
	}
	d.say(t, created(3, 7))
	ch := next(t, "watch", began)
	if r := next(t, "response", ch); !r.Created || r.Header.Revision != 7 || r.IsProgressNotify() {
		t.Errorf("first response %+v", r)
	}
	m.conns.cut()
	again := m.stream(t)
	accepts(t, again, 0, 5, 9)
	again.say(t, told(0, 6)) // and no other response with Created
	if r := next(t, "response", ch); r.Created || !r.Events[0].IsModify() || r.Events[0].IsCreate() {
		t.Errorf("second response %+v", r)
	}
}

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestWatchGoesOnBehindWhatItTold(t *testing.T) {
	for name, tc := range map[string]struct {
		opts    []client.OpOption
		replies []*pb.WatchResponse
		told    []int64
		again   int64
	}{
		"from now":                 {again: 8},
		"from a revision":          {opts: []client.OpOption{client.WithRev(4)}, again: 4},
		"from a future one":        {opts: []client.OpOption{client.WithRev(40)}, again: 40},
		"after events":             {replies: []*pb.WatchResponse{told(0, 8, 9), told(0, 12)}, told: []int64{8, 9, 12}, again: 13},
		"after progress":           {replies: []*pb.WatchResponse{told(0, 8), {WatchId: 0, Header: header(20)}}, told: []int64{8}, again: 21},
		"after progress of all":    {replies: []*pb.WatchResponse{told(0, 8), {WatchId: -1, Header: header(20)}}, told: []int64{8}, again: 21},
		"in the middle of parts":   {replies: []*pb.WatchResponse{told(0, 8), fragment(0, 9, 10)}, told: []int64{8}, again: 9},
		"after parts":              {replies: []*pb.WatchResponse{fragment(0, 8), fragment(0, 9), told(0, 9, 10)}, told: []int64{8, 9, 9, 10}, again: 11},
		"etcd#20221: older events": {opts: []client.OpOption{client.WithRev(40)}, replies: []*pb.WatchResponse{told(0, 38), told(0, 39, 40)}, told: []int64{40}, again: 41},
		"etcd#20221: older progress": {opts: []client.OpOption{client.WithRev(40)},
			replies: []*pb.WatchResponse{{WatchId: 0, Header: header(20)}}, again: 40},
	} {
		t.Run(name, func(t *testing.T) {
			m, _, d, ch := watchOne(t, client.Config{}, tc.opts...)
			d.say(t, tc.replies...)
			expect(t, ch, tc.told...)
			if tc.again == 21 {
				if r := next(t, "progress", ch); !r.IsProgressNotify() || r.Header.Revision != 20 {
					t.Errorf("got %+v, want progress at 20", r)
				}
			} else if len(tc.replies) > 0 {
				// Let the client see all before the end, which overtakes nothing within a stream.
				d.end(t, status.Error(codes.Unavailable, "over"))
			}
			m.conns.cut()
			next := m.stream(t)
			accepts(t, next, 5, tc.again, 50)
			next.say(t, told(5, 60))
			expect(t, ch, 60)
		})
	}
}

func TestWatchStreamsByMetadata(t *testing.T) {
	m, c, d, _ := watchOne(t, client.Config{})
	tagged := metadata.AppendToOutgoingContext(t.Context(), "tag", "a")
	if err := c.RequestProgress(tagged); err == nil {
		t.Error("asked for progress where there is no watch")
	}
	began := begin(t, c, tagged)
	d2 := m.stream(t)
	if d2.header("tag") != "a" {
		t.Errorf("tag %q", d2.header("tag"))
	}
	accepts(t, d2, 0, 0, 7)
	ch := next(t, "watch", began)
	if err := c.RequestProgress(tagged); err != nil || d2.request(t).GetProgressRequest() == nil {
		t.Errorf("progress was not asked for: %v", err)
	}
	d2.say(t, &pb.WatchResponse{WatchId: -1, Header: header(9)})
	if r := next(t, "response", ch); !r.IsProgressNotify() {
		t.Errorf("got %+v", r)
	}
	if len(d.requests) > 0 {
		t.Error("the other stream was asked")
	}
}

// Progress of a stream does not hold for a watch that is not begun on it.
func TestProgressDoesNotReachAWatchThatWaits(t *testing.T) {
	m, c, d, first := watchOne(t, client.Config{}, client.WithRev(4))
	second := begin(t, c, t.Context(), client.WithRev(4))
	accepts(t, d, 1, 4, 7)
	other := next(t, "watch", second)
	d.say(t, told(0, 5), told(1, 5))
	expect(t, first, 5)
	expect(t, other, 5)
	m.conns.cut()
	again := m.stream(t)
	accepts(t, again, 0, 6, 20)
	again.request(t) // the one that waits is to be begun as well, but is not yet
	again.say(t, &pb.WatchResponse{WatchId: -1, Header: header(20)})
	select { // either may have been begun first
	case <-first:
	case <-other:
	case <-within(t).Done():
		t.Fatal("the progress reached no watch")
	}
	m.conns.cut()
	last := m.stream(t)
	starts := []int64{last.request(t).GetCreateRequest().GetStartRevision()}
	last.say(t, created(0, 20))
	starts = append(starts, last.request(t).GetCreateRequest().GetStartRevision())
	slices.Sort(starts)
	if !slices.Equal(starts, []int64{6, 21}) {
		t.Errorf("the watches go on at %v, want 6 and 21", starts)
	}
}
