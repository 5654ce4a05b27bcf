package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"
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

func TestWatchEndsByTheMember(t *testing.T) {
	for name, tc := range map[string]struct {
		last *pb.WatchResponse
		want error
	}{
		"compacted":  {&pb.WatchResponse{Canceled: true, CompactRevision: 30}, rpctypes.ErrCompacted},
		"permission": {&pb.WatchResponse{Canceled: true, CancelReason: rpctypes.ErrGRPCPermissionDenied.Error()}, rpctypes.ErrPermissionDenied},
		"unknown":    {&pb.WatchResponse{Canceled: true, CancelReason: "tired"}, status.Error(codes.FailedPrecondition, "tired")},
		"no reason":  {&pb.WatchResponse{Canceled: true}, rpctypes.Error(rpctypes.ErrGRPCWatchCanceled)},
	} {
		t.Run(name, func(t *testing.T) {
			m, c, d, ch := watchOne(t, client.Config{})
			other := begin(t, c, t.Context())
			accepts(t, d, 1, 0, 7)
			d.say(t, told(0, 8), tc.last)
			expect(t, ch, 8)
			r := next(t, "response", ch)
			if !r.Canceled || !same(r.Err(), tc.want) || r.CompactRevision != tc.last.CompactRevision || r.CancelReason != tc.last.CancelReason {
				t.Errorf("got %+v with %v, want %v", r, r.Err(), tc.want)
			}
			closed(t, "the watch", ch)
			// The other one goes on, also over a break.
			d.say(t, told(1, 9))
			expect(t, next(t, "watch", other), 9)
			m.conns.cut()
			accepts(t, m.stream(t), 0, 10, 9)
		})
	}
}

func same(a, b error) bool { return a == b || a.Error() == b.Error() }

func TestWatchIsCompactedWhileItIsAway(t *testing.T) {
	m, _, _, ch := watchOne(t, client.Config{}, client.WithRev(4))
	m.conns.cut()
	d := m.stream(t)
	accepts(t, d, 0, 4, 50)
	d.say(t, &pb.WatchResponse{Header: header(50), Canceled: true, CompactRevision: 30})
	if r := next(t, "response", ch); r.Err() != rpctypes.ErrCompacted || r.CompactRevision != 30 {
		t.Errorf("got %+v", r)
	}
	closed(t, "the watch", ch)
}

// etcd#14563: a refusal is said without an id, or with 0, and must not end the watch that has this id.
func TestRefusedWatchEndsNoOther(t *testing.T) {
	_, c, d, ch := watchOne(t, client.Config{})
	for _, id := range []int64{client.InvalidWatchID, 0} {
		refused := begin(t, c, t.Context())
		d.request(t)
		d.say(t, &pb.WatchResponse{Header: header(7), WatchId: id, Created: true, Canceled: true, CancelReason: "mvcc: watcher range is empty"})
		bad := next(t, "watch", refused)
		if r := next(t, "response", bad); !r.Canceled || !strings.Contains(r.Err().Error(), "range is empty") {
			t.Errorf("got %+v", r)
		}
		closed(t, "the refused watch", bad)
	}
	d.say(t, told(0, 8))
	expect(t, ch, 8)
}

func TestWatchNeedsALeader(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{}, m)
	began := begin(t, c, client.WithRequireLeader(t.Context()))
	d := m.stream(t)
	if d.header("hasleader") != "true" {
		t.Error("the stream does not ask for a leader")
	}
	accepts(t, d, 0, 0, 7)
	ch := next(t, "watch", began)
	d.end(t, rpctypes.ErrGRPCNoLeader)
	if r := next(t, "response", ch); !r.Canceled || r.Err() != rpctypes.ErrNoLeader {
		t.Errorf("got %+v", r)
	}
	closed(t, "the watch", ch)
	// The next one is not held responsible.
	begin(t, c, client.WithRequireLeader(t.Context()))
	accepts(t, m.stream(t), 0, 0, 7)
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

func TestContextEndsWatch(t *testing.T) {
	m, c, d, ch := watchOne(t, client.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	began := begin(t, c, ctx)
	accepts(t, d, 4, 0, 7)
	second := next(t, "watch", began)
	cancel()
	closed(t, "the watch", second)
	if r := d.request(t).GetCancelRequest(); r == nil || r.WatchId != 4 {
		t.Errorf("the member was asked %v, want the end of 4", r)
	}
	d.say(t, told(4, 8), &pb.WatchResponse{WatchId: 4, Canceled: true}, told(0, 9))
	expect(t, ch, 9)

	// While the member has not answered.
	ctx, cancel = context.WithCancel(t.Context())
	began = begin(t, c, ctx)
	d.request(t)
	cancel()
	closed(t, "the watch", next(t, "watch", began))
	d.say(t, created(5, 9))
	if r := d.request(t).GetCancelRequest(); r == nil || r.WatchId != 5 {
		t.Errorf("the member was asked %v, want the end of 5", r)
	}

	// The last one of a stream ends it.
	tagged, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "tag", "a"))
	began = begin(t, c, tagged)
	d2 := m.stream(t)
	accepts(t, d2, 0, 0, 9)
	third := next(t, "watch", began)
	cancel()
	closed(t, "the watch", third)
	select {
	case <-d2.ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("the stream of no watch stays open")
	}
}

func TestCloseEndsWatches(t *testing.T) {
	_, c, d, ch := watchOne(t, client.Config{})
	unread := begin(t, c, t.Context())
	accepts(t, d, 1, 0, 7)
	full := next(t, "watch", unread)
	d.say(t, told(1, 8), told(1, 9), told(0, 9))
	expect(t, ch, 9)
	waiting := begin(t, c, t.Context())
	d.request(t)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for _, ch := range []client.WatchChan{ch, next(t, "watch", waiting), c.Watch(t.Context(), "k")} {
		if r := next(t, "response", ch); !r.Canceled || !errors.Is(r.Err(), context.Canceled) {
			t.Errorf("got %+v", r)
		}
		closed(t, "the watch", ch)
	}
	for range full { // ends, although nobody has read
	}
}

func TestWatchObtainsAToken(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{Username: "root", Password: "pw"}, m)
	began := begin(t, c, t.Context())
	refusal := &pb.WatchResponse{Header: header(7), WatchId: -1, Created: true, Canceled: true, CancelReason: rpctypes.ErrGRPCInvalidAuthToken.Error()}
	d := m.stream(t)
	d.request(t)
	d.say(t, refusal)
	d2 := m.stream(t)
	if a, b := d.header("token"), d2.header("token"); a != "token-1" || b != "token-2" {
		t.Errorf("tokens %q and %q", a, b)
	}
	accepts(t, d2, 0, 0, 7)
	ch := next(t, "watch", began)
	d2.end(t, rpctypes.ErrGRPCInvalidAuthToken)
	d3 := m.stream(t)
	d3.request(t)
	d3.say(t, refusal) // of a token that is fresh
	if r := next(t, "response", ch); d3.header("token") != "token-3" || r.Err() != rpctypes.ErrInvalidAuthToken {
		t.Errorf("token %q, response %+v", d3.header("token"), r)
	}
}

// A reader who does not read delays no other, and what waits for him is bounded.
func TestSlowReader(t *testing.T) {
	_, c, d, slow := watchOne(t, client.Config{}, client.WithWatchBufLog())
	began := begin(t, c, t.Context())
	accepts(t, d, 1, 0, 7)
	quick := next(t, "watch", began)
	value := make([]byte, 1<<20)
	rev := int64(8)
	for ; len(d.requests) == 0; rev++ {
		large := told(0, rev)
		large.Events[0].Kv.Value = value
		d.say(t, large, told(1, rev))
		expect(t, quick, rev)
		if rev > 100 {
			t.Fatal("the buffer has no bound")
		}
	}
	if r := d.request(t).GetCancelRequest(); r == nil || r.WatchId != 0 {
		t.Fatalf("asked %v, want the end of the slow watch", r)
	}
	d.say(t, told(0, rev), &pb.WatchResponse{WatchId: 0, Canceled: true, Header: header(rev)})
	first := int64(8)
	for ; first < 28; first++ { // more than half
		expect(t, slow, first)
	}
	again := d.request(t).GetCreateRequest().GetStartRevision()
	if again > rev || again < rev-2 {
		t.Fatalf("the watch goes on at %d, want about %d", again, rev)
	}
	d.say(t, created(2, 100))
	for r := again; r <= 100; r++ {
		d.say(t, told(2, r))
	}
	for ; first <= 100; first++ {
		expect(t, slow, first)
	}
}

func TestManyWatches(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{}, m)
	const n = 200
	var began []<-chan client.WatchChan
	for range n {
		began = append(began, begin(t, c, t.Context()))
	}
	for round := range 3 {
		d := m.stream(t)
		for i := range n {
			d.request(t)
			d.say(t, created(int64(i), int64(7+round)))
		}
		for i := range n {
			d.say(t, told(int64(i), int64(8+round)))
		}
		for _, b := range began {
			select {
			case ch := <-b:
				expect(t, ch, int64(8+round))
				b := make(chan client.WatchChan, 1)
				b <- ch
				began = append(began[1:], b)
			case <-time.After(10 * time.Second):
				t.Fatal("no watch")
			}
		}
		m.conns.cut()
	}
}

func TestOpWatch(t *testing.T) {
	op := client.OpWatch("k", client.WithPrefix(), client.WithRev(3), client.WithPrevKV(), client.WithProgressNotify(),
		client.WithCreatedNotify(), client.WithFilterPut(), client.WithFilterDelete(), client.WithFragment())
	if !op.IsPrevKV() || !op.IsProgressNotify() || !op.IsCreatedNotify() || !op.IsFilterPut() || !op.IsFilterDelete() || !op.IsFragment() || op.Rev() != 3 {
		t.Errorf("%+v", op)
	}
	for name, opt := range map[string]client.OpOption{
		"lease": client.WithLease(1), "limit": client.WithLimit(1), "sort": client.WithSort(client.SortByKey, client.SortDescend),
		"serializable": client.WithSerializable(), "countOnly": client.WithCountOnly(),
		"mod revision filter": client.WithMinModRev(1), "create revision filter": client.WithMaxCreateRev(1),
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != "unexpected "+name+" in watch" {
					t.Errorf("%s: %s", name, got)
				}
			}()
			client.OpWatch("k", opt)
		}()
	}
}
