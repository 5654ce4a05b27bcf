package workload

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"regexp"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/api/v3lockpb"
	"quoin.dev/quoin/robustness/history"
)

// Each error of the wire has to have a meaning here.
func TestEveryErrorHasAMeaning(t *testing.T) {
	const source = "../../src/api/rpctypes/wire.go"
	f, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	texts := 0
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text := regexp.MustCompile(`^"(etcdserver: .*)"$`).FindStringSubmatch(lit.Value)
		if text == nil {
			return true
		}
		texts++
		if m, ok := meanings[text[1]]; !ok || m.why == "" {
			t.Errorf("%q has no meaning", text[1])
		}
		return true
	})
	if texts < 60 {
		t.Errorf("found %d errors in %s", texts, source)
	}
}

func TestOutcomes(t *testing.T) {
	put, lock := &pb.PutRequest{}, &v3lockpb.LockRequest{}
	plain := func(err error) error { return status.Error(codes.Unknown, status.Convert(err).Message()) }
	for _, c := range []struct {
		name string
		err  error
		sent bool
		want history.Outcome
	}{
		{"an answer", nil, true, history.OK},
		{"no connection", status.Error(codes.Unavailable, "connection refused"), false, history.Refused},
		{"a deadline before there was a connection", status.Error(codes.DeadlineExceeded, "context deadline exceeded"), false, history.Refused},
		{"a connection that broke", status.Error(codes.Unavailable, "error reading from server: EOF"), true, history.Unknown},
		{"a deadline", status.Error(codes.DeadlineExceeded, "context deadline exceeded"), true, history.Unknown},
		{"permission denied", rpctypes.ErrGRPCPermissionDenied, true, history.Refused},
		{"too many requests, with its code", rpctypes.ErrGRPCRequestTooManyRequests, true, history.Refused},
		{"too many requests, as it is said", plain(rpctypes.ErrGRPCRequestTooManyRequests), true, history.Refused},
		{"a timeout", rpctypes.ErrGRPCTimeout, true, history.Unknown},
		{"a member that stops", rpctypes.ErrGRPCStopped, true, history.Unknown},
		{"no space", rpctypes.ErrGRPCNoSpace, true, history.Unknown},
		{"an answer that is too large", status.Error(codes.ResourceExhausted, "grpc: received message larger than max"), true, history.Unknown},
		{"no such method", status.Error(codes.Unimplemented, "unknown method"), true, history.Refused},
		{"what nobody knows", status.Error(codes.Unknown, "?"), true, history.Unknown},
	} {
		if got := OutcomeOf(put, c.err, c.sent); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := OutcomeOf(lock, plain(rpctypes.ErrGRPCPermissionDenied), true); got != history.Unknown {
		t.Errorf("a lock whose second step may be refused: %s", got)
	}
	if got := OutcomeOf(lock, status.Error(codes.Unavailable, ""), false); got != history.Refused {
		t.Errorf("a lock that was not asked for: %s", got)
	}
}

// deaf is a member that takes calls and never answers.
type deaf struct {
	pb.UnimplementedKVServer
	asked chan struct{}
}

func (d deaf) Put(ctx context.Context, _ *pb.PutRequest) (*pb.PutResponse, error) {
	d.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func oneClient(t *testing.T, target Target) (*client, *Recorder) {
	t.Helper()
	o := Options{Recorder: NewRecorder(), Targets: []Target{target}, WithoutLog: true}
	w := begin(t.Context(), o)
	w.AddTarget(target)
	t.Cleanup(w.Stop)
	c := w.client(1)
	t.Cleanup(c.disconnect)
	c.patience = 30 * time.Second
	return c, o.Recorder
}

func TestWhatAMemberWasKilledInIsUnknown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	member, server := deaf{asked: make(chan struct{})}, grpc.NewServer()
	pb.RegisterKVServer(server, member)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	go func() {
		<-member.asked
		server.Stop() // closes connections at once
	}()
	c, r := oneClient(t, Target{"m0", l.Addr().String()})
	if _, err := c.put(putRequest("k", "v")); err == nil {
		t.Fatal("it was answered")
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	// And now that it is gone, nothing reaches it. The end of the connection may be heard later than that of the call.
	eventually(t, "a call is refused", func() bool {
		_, _ = c.put(putRequest("k", "v"))
		all := r.Operations()
		return all[len(all)-1].Outcome == history.Refused
	})
	if first := r.Operations()[0]; first.Outcome != history.Unknown || first.Code != "Unavailable" {
		t.Errorf("%s: %s %s", first.Outcome, first.Code, first.Error)
	}
}

func TestWhatNeverReachedAMemberIsRefused(t *testing.T) {
	c, r := oneClient(t, nobody(t))
	for range 5 {
		_, _ = c.put(putRequest("k", "v"))
		_, _ = c.renew(1)
		_, _ = call(c, (*client).locks, v3lockpb.LockClient.Lock, &v3lockpb.LockRequest{Name: []byte("l")})
	}
	// A listener that never speaks: the call ends before there is a connection.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c.disconnect()
	c.target, c.patience = Target{"silent", l.Addr().String()}, 50*time.Millisecond
	_, _ = c.put(putRequest("k", "v"))
	for _, op := range r.Operations() {
		if op.Outcome != history.Refused {
			t.Errorf("%T at %s: %s %s %s", op.Request, op.Member, op.Outcome, op.Code, op.Error)
		}
	}
	if len(r.Operations()) != 16 {
		t.Errorf("%d operations", len(r.Operations()))
	}
}
