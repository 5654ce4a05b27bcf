package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

type renewal = dialog[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]

func (m *member) LeaseGrant(_ context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	return &pb.LeaseGrantResponse{Header: header(7), ID: 12, TTL: max(r.TTL, 2)}, nil
}

func (m *member) LeaseRevoke(_ context.Context, r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	if r.ID != 12 {
		return nil, rpctypes.ErrGRPCLeaseNotFound
	}
	return &pb.LeaseRevokeResponse{Header: header(8)}, nil
}

func (m *member) LeaseTimeToLive(_ context.Context, r *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	resp := &pb.LeaseTimeToLiveResponse{Header: header(8), ID: r.ID, TTL: 4, GrantedTTL: 5}
	if r.Keys {
		resp.Keys = [][]byte{[]byte("a"), []byte("b")}
	}
	return resp, nil
}

func (m *member) LeaseLeases(context.Context, *pb.LeaseLeasesRequest) (*pb.LeaseLeasesResponse, error) {
	return &pb.LeaseLeasesResponse{Header: header(8), Leases: []*pb.LeaseStatus{{ID: 12}, {ID: 13}}}, nil
}

func TestLeaseCalls(t *testing.T) {
	c := open(t, client.Config{}, start(t, &member{}, listen(t)))
	if g, err := c.Grant(within(t), 5); err != nil || g.ID != 12 || g.TTL != 5 || g.Revision != 7 {
		t.Errorf("%+v, %v", g, err)
	}
	if r, err := c.Revoke(within(t), 12); err != nil || r.Header.Revision != 8 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := c.Revoke(within(t), 13); err != rpctypes.ErrLeaseNotFound {
		t.Error(err)
	}
	if r, err := c.TimeToLive(within(t), 12); err != nil || r.ID != 12 || r.TTL != 4 || r.GrantedTTL != 5 || r.Keys != nil {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := c.TimeToLive(within(t), 12, client.WithAttachedKeys()); err != nil || len(r.Keys) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := c.Leases(within(t)); err != nil || len(r.Leases) != 2 || r.Leases[1].ID != 13 {
		t.Errorf("%+v, %v", r, err)
	}
}

// longTTL is that of leases which a test renews: an answer that takes more than a third of it costs the stream. The first answer has a
// third of DialTimeout.
const longTTL = 12

// renews expects a question about a lease and answers it.
func renews(t *testing.T, d *renewal, id, ttl int64) {
	t.Helper()
	if r := d.request(t); r.ID != id {
		t.Fatalf("asked for %d, want %d", r.ID, id)
	}
	d.say(t, &pb.LeaseKeepAliveResponse{Header: header(7), ID: id, TTL: ttl})
}

func keepAlive(t *testing.T, c client.Lease, ctx context.Context, id client.LeaseID) <-chan *client.LeaseKeepAliveResponse {
	t.Helper()
	ch, err := c.KeepAlive(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{DialTimeout: time.Minute}, m)
	begin := time.Now()
	a := keepAlive(t, c, t.Context(), 1)
	d := next(t, "stream", m.renewals)
	if d.header("hasleader") != "true" {
		t.Error("the stream does not ask for a leader")
	}
	renews(t, d, 1, longTTL)
	if r := next(t, "answer", a); r.ID != 1 || r.TTL != longTTL || r.Revision != 7 {
		t.Errorf("got %+v", r)
	}
	renews(t, d, 1, longTTL)
	if after := time.Since(begin); after < longTTL*time.Second/3 || after > longTTL*time.Second {
		t.Errorf("a lease of %d s was renewed after %v", longTTL, after)
	}
	next(t, "answer", a)
	b := keepAlive(t, c, t.Context(), 2) // goes through the same stream
	for d.request(t).ID != 2 {
		d.say(t, &pb.LeaseKeepAliveResponse{ID: 1, TTL: longTTL})
	}
	d.say(t, &pb.LeaseKeepAliveResponse{ID: 2, TTL: 0})
	closed(t, "the keep-alive of a lease that is gone", b)
	if len(m.renewals) != 0 {
		t.Error("a second stream was opened")
	}
}

func TestKeepAliveOverBrokenStreams(t *testing.T) {
	t.Parallel()
	a, b := start(t, &member{}, listen(t)), start(t, &member{}, listen(t))
	c := open(t, client.Config{DialTimeout: time.Minute, BackoffWaitBetween: time.Millisecond}, a, b)
	ch := keepAlive(t, c, t.Context(), 1)
	either := func() *renewal {
		t.Helper()
		select {
		case d := <-a.renewals:
			return d
		case d := <-b.renewals:
			return d
		case <-time.After(30 * time.Second):
			t.Fatal("no stream")
		}
		return nil
	}
	for _, end := range []func(d *renewal){
		func(d *renewal) { d.end(t, rpctypes.ErrGRPCNoLeader) },
		func(d *renewal) { d.end(t, status.Error(codes.Unknown, "not a primary lessor")) },
		func(d *renewal) { d.end(t, nil) },
		func(*renewal) { a.conns.cut(); b.conns.cut() },
		func(d *renewal) {
			d.request(t) // and no answer
			select {
			case <-d.ctx.Done():
			case <-within(t).Done():
				t.Error("a stream without answers stays open")
			}
		},
		func(d *renewal) {},
	} {
		d := either()
		renews(t, d, 1, longTTL)
		if r := next(t, "answer", ch); r.TTL != longTTL {
			t.Errorf("got %+v", r)
		}
		end(d)
	}
}

func TestKeepAliveEndsWithTheTime(t *testing.T) {
	t.Parallel()
	l := listen(t)
	m := start(t, &member{}, l)
	c := open(t, client.Config{DialTimeout: time.Minute}, m)
	ch := keepAlive(t, c, t.Context(), 1)
	renews(t, next(t, "stream", m.renewals), 1, 1)
	begin := time.Now()
	next(t, "answer", ch)
	m.server.Stop()
	closed(t, "the keep-alive", ch)
	if after := time.Since(begin); after > 15*time.Second { // a lease without an answer has the time to connect
		t.Errorf("a lease of 1 s was given up after %v", after)
	}

	// Without any answer, the time to connect decides.
	lease := client.NewLeaseFromLeaseClient(pb.NewLeaseClient(c.ActiveConnection()), nil, 100*time.Millisecond)
	defer lease.Close()
	closed(t, "the first keep-alive", keepAlive(t, lease, t.Context(), 1))
}

func TestContextEndsKeepAlive(t *testing.T) {
	t.Parallel()
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{DialTimeout: time.Minute}, m)
	ctx, cancel := context.WithCancel(t.Context())
	a, b := keepAlive(t, c, ctx, 1), keepAlive(t, c, t.Context(), 1)
	d := next(t, "stream", m.renewals)
	renews(t, d, 1, longTTL)
	next(t, "answer", a)
	next(t, "answer", b)
	cancel()
	closed(t, "the keep-alive", a)
	renews(t, d, 1, longTTL) // for the other one
	next(t, "answer", b)

	ctx, cancel = context.WithCancel(t.Context())
	other := client.NewLease(c)
	e := keepAlive(t, other, ctx, 2)
	d = next(t, "stream", m.renewals)
	renews(t, d, 2, longTTL)
	next(t, "answer", e)
	cancel()
	closed(t, "the keep-alive", e)
	select {
	case <-d.ctx.Done():
	case <-time.After(30 * time.Second):
		t.Error("the stream of no lease stays open")
	}
	f := keepAlive(t, other, t.Context(), 2) // begins anew
	renews(t, next(t, "stream", m.renewals), 2, longTTL)
	next(t, "answer", f)
	other.Close()
	closed(t, "the keep-alive", f)
	_, err := other.KeepAlive(t.Context(), 2)
	var halted client.ErrKeepAliveHalted
	if !errors.As(err, &halted) || !errors.Is(err, context.Canceled) {
		t.Errorf("after Close: %v", err)
	}
}

func TestSlowReaderOfKeepAlive(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.WarnLevel)
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{DialTimeout: time.Minute, Logger: zap.New(core)}, m)
	fast, slow := keepAlive(t, c, t.Context(), 1), keepAlive(t, c, t.Context(), 1)
	d := next(t, "stream", m.renewals)
	const answers = client.LeaseResponseChSize + 2
	for i := range answers {
		d.request(t)
		// A third of the time passes before the next question.
		d.say(t, &pb.LeaseKeepAliveResponse{Header: header(int64(i)), ID: 1, TTL: 6})
		next(t, "answer", fast)
	}
	keepAlive(t, c, t.Context(), 1) // waits until the last answer has been handed to both
	for i := answers - client.LeaseResponseChSize; i < answers; i++ {
		if r := next(t, "answer", slow); r.Revision != int64(i) {
			t.Errorf("got answer %d, want %d", r.Revision, i)
		}
	}
	if n := logs.FilterMessageSnippet("nobody reads").Len(); n != 1 {
		t.Errorf("%d warnings", n)
	}
}

func TestKeepAliveOnce(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{BackoffWaitBetween: time.Millisecond}, m)
	type result struct {
		*client.LeaseKeepAliveResponse
		error
	}
	results := make(chan result)
	once := func() {
		r, err := c.KeepAliveOnce(within(t), 1)
		results <- result{r, err}
	}
	go once()
	d := next(t, "stream", m.renewals)
	d.request(t)
	d.end(t, rpctypes.ErrGRPCNoLeader)
	renews(t, next(t, "stream", m.renewals), 1, 9)
	if r := next(t, "result", results); r.error != nil || r.TTL != 9 {
		t.Errorf("%+v", r)
	}
	go once()
	renews(t, next(t, "stream", m.renewals), 1, 0)
	if r := next(t, "result", results); r.error != rpctypes.ErrLeaseNotFound {
		t.Errorf("%+v", r)
	}
}
