package interop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"quoin.dev/quoin/e2e/interop/lab"
	"quoin.dev/quoin/e2e/interop/randomkv"
)

// everyRequest is clients that send random requests of every kind to random members of one cluster.
type everyRequest struct {
	t       *testing.T
	conns   []*grpc.ClientConn
	learner uint64 // a member that exists on paper only, whose URL changes
	compact bool   // compactions are among the requests
	workers []*randomWorker

	mu       sync.Mutex // guards the rest
	good     map[string]int
	failures map[string]int
}

// leaseIDs are few, so that requests meet each other. The generator aims at them, too.
const leaseIDs = 100

// randomWorker is one client. Its requests follow from the seed and from the answers, whose order does not.
type randomWorker struct {
	load *everyRequest
	keys *randomkv.Generator
	rng  *rand.Rand
}

func newEveryRequest(t *testing.T, members []*lab.Member, seed uint64, compact bool) *everyRequest {
	t.Helper()
	l := &everyRequest{t: t, compact: compact, good: map[string]int{}, failures: map[string]int{}}
	for _, m := range members {
		l.conns = append(l.conns, m.Conn(t))
	}
	for i := range uint64(3) {
		l.workers = append(l.workers, &randomWorker{load: l, keys: randomkv.New(seed + i), rng: rand.New(rand.NewPCG(seed, i))})
	}
	l.learner = addMember(t, members[0], &lab.Member{PeerURL: "http://127.0.0.1:1"}, true)
	return l
}

// run lets each worker send requests, while something else is done, until that has ended and so many requests were sent.
func (l *everyRequest) run(requests int, meanwhile func()) {
	l.t.Helper()
	ctx, stop := context.WithCancel(l.t.Context())
	defer stop()
	var group sync.WaitGroup
	for _, w := range l.workers {
		group.Go(func() {
			for n := 0; n < requests || ctx.Err() == nil; n++ {
				w.step()
			}
		})
	}
	meanwhile()
	stop()
	group.Wait()
}

// step sends one request to one member. Many fail: for what they ask, or because there is no leader.
func (w *randomWorker) step() {
	request := w.draw()
	if request == nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.load.t.Context(), 10*time.Second)
	defer cancel()
	conn := w.load.conns[w.rng.IntN(len(w.load.conns))]
	response, err := send(ctx, conn, request)
	w.load.note(request, err)
	if err == nil {
		w.keys.Observe(request, response)
	}
	if a, ok := request.(*pb.AlarmRequest); ok && a.Action == pb.AlarmRequest_ACTIVATE {
		w.endAlarm(a)
	}
}

// endAlarm goes on for some requests that the alarm refuses, and takes it back.
func (w *randomWorker) endAlarm(a *pb.AlarmRequest) {
	for range 5 {
		w.step()
	}
	off := &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: a.MemberID, Alarm: a.Alarm}
	for range 20 {
		ctx, cancel := context.WithTimeout(w.load.t.Context(), 10*time.Second)
		_, err := send(ctx, w.load.conns[w.rng.IntN(len(w.load.conns))], off)
		cancel()
		w.load.note(off, err)
		if err == nil {
			return
		}
	}
}

// draw is a request about keys mostly.
func (w *randomWorker) draw() proto.Message {
	lease := 1 + w.rng.Int64N(leaseIDs)
	switch n := w.rng.IntN(400); {
	case n < 30:
		ttl := 60 + w.rng.Int64N(1000)
		if w.rng.IntN(3) == 0 { // runs out soon
			ttl = 1 + w.rng.Int64N(3)
		}
		return &pb.LeaseGrantRequest{ID: lease, TTL: ttl}
	case n < 45:
		return &pb.LeaseRevokeRequest{ID: lease}
	case n < 60:
		return &pb.LeaseKeepAliveRequest{ID: lease}
	case n < 61:
		return &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: 77, Alarm: pb.AlarmType_NOSPACE}
	case n < 62: // of a member that does not exist, so that nobody has to show what it holds
		return &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: 78, Alarm: pb.AlarmType_CORRUPT}
	case n < 67:
		return &pb.MemberUpdateRequest{ID: w.load.learner, PeerURLs: []string{fmt.Sprintf("http://127.0.0.1:%d", 1+w.rng.IntN(9))}}
	case n < 68:
		return &pb.DefragmentRequest{}
	}
	request := w.keys.Next()
	switch r := request.(type) {
	case *pb.PutRequest:
		if w.rng.IntN(3) == 0 && !r.IgnoreLease {
			r.Lease = lease
		}
	case *pb.CompactionRequest:
		if !w.load.compact {
			return nil
		}
	}
	return request
}

// send sends a request of any kind.
func send(ctx context.Context, conn *grpc.ClientConn, request proto.Message) (proto.Message, error) {
	switch r := request.(type) {
	case *pb.LeaseGrantRequest:
		return pb.NewLeaseClient(conn).LeaseGrant(ctx, r)
	case *pb.LeaseRevokeRequest:
		return pb.NewLeaseClient(conn).LeaseRevoke(ctx, r)
	case *pb.LeaseKeepAliveRequest:
		stream, err := pb.NewLeaseClient(conn).LeaseKeepAlive(ctx)
		if err != nil {
			return nil, err
		}
		if err := stream.Send(r); err != nil {
			return nil, err
		}
		return stream.Recv()
	case *pb.AlarmRequest:
		return pb.NewMaintenanceClient(conn).Alarm(ctx, r)
	case *pb.MemberUpdateRequest:
		return pb.NewClusterClient(conn).MemberUpdate(ctx, r)
	case *pb.DefragmentRequest:
		return pb.NewMaintenanceClient(conn).Defragment(ctx, r)
	}
	return randomkv.Execute(ctx, conn, request)
}

// kinds is how many kinds of requests were done.
func (l *everyRequest) kinds() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.good)
}

func (l *everyRequest) note(request proto.Message, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures[status.Code(err).String()+" "+status.Convert(err).Message()]++
		return
	}
	kind := string(request.ProtoReflect().Descriptor().Name())
	if a, ok := request.(*pb.AlarmRequest); ok {
		kind += " " + a.Action.String() + " " + a.Alarm.String()
	}
	l.good[kind]++
}

// expectMixed shows what was done, and expects that it was something of everything. What comes seldom may need some more requests.
func (l *everyRequest) expectMixed(kinds int) {
	l.t.Helper()
	for more := 0; more < 20 && l.kinds() < kinds; more++ {
		l.run(100, func() {})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Logf("done: %v", l.good)
	for text, n := range l.failures {
		if n > 20 {
			l.t.Logf("%5d times %.200s", n, text)
		}
	}
	if len(l.good) < kinds {
		l.t.Errorf("only %d kinds of requests were done, not %d", len(l.good), kinds)
	}
}
