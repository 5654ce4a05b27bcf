package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

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
	case <-time.After(30 * time.Second):
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
