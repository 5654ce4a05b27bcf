package command_test

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/ctl/command"
)

// server answers every request with the same key and records what it was asked.
type server struct {
	pb.UnimplementedKVServer
	pb.UnimplementedMaintenanceServer
	pb.UnimplementedClusterServer
	pb.UnimplementedAuthServer
	pb.UnimplementedLeaseServer
	pb.UnimplementedWatchServer
	address string

	mu       sync.Mutex // guards the two below
	requests []proto.Message
	tokens   []string

	// Set before the first request.
	rangeErr error
	empty    bool                                              // there is no key
	ranges   func(*pb.RangeRequest) (*pb.RangeResponse, error) // instead of the one key
	cluster  uint64                                            // instead of 1, beside members
	members  []*pb.Member                                      // instead of one and a learner
	alarms   []*pb.AlarmMember
	leader   uint64              // 0: the member itself
	blobs    []string            // of a snapshot
	refusal  error               // of requests that change keys or the cluster
	txn      *pb.TxnResponse     // instead of an empty one that succeeded
	leaseErr error               // of every request about leases
	changes  []*pb.WatchResponse // sent to every watch once it was created
	loginErr error               // of every Authenticate
	guarded  bool                // Status needs a token
	id       uint64              // in Status, instead of 2
	open     bool                // auth is not enabled

	enableErr error // of AuthEnable, under mu once requests are made
}

var (
	header = &pb.ResponseHeader{ClusterId: 1, MemberId: 2, Revision: 3, RaftTerm: 4}
	pair   = &mvccpb.KeyValue{Key: []byte("k"), Value: []byte("v"), CreateRevision: 2, ModRevision: 3, Version: 2}
)

func startServer(t *testing.T, opts ...grpc.ServerOption) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: listener.Addr().String()}
	g := grpc.NewServer(opts...)
	pb.RegisterKVServer(g, s)
	pb.RegisterMaintenanceServer(g, s)
	pb.RegisterClusterServer(g, s)
	pb.RegisterAuthServer(g, s)
	pb.RegisterLeaseServer(g, s)
	pb.RegisterWatchServer(g, s)
	done := make(chan error, 1)
	go func() { done <- g.Serve(listener) }()
	t.Cleanup(func() {
		g.Stop()
		<-done
	})
	return s
}

func (s *server) record(ctx context.Context, m proto.Message) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, m)
	s.tokens = append(s.tokens, strings.Join(md.Get("token"), ","))
}

// asked returns the requests since the last call.
func (s *server) asked() []proto.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

func (s *server) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	s.record(ctx, r)
	if s.ranges != nil {
		return s.ranges(r)
	}
	if s.empty {
		return &pb.RangeResponse{Header: header}, s.rangeErr
	}
	return &pb.RangeResponse{Header: header, Kvs: []*mvccpb.KeyValue{pair}, Count: 1}, s.rangeErr
}

func (s *server) RangeStream(r *pb.RangeRequest, stream grpc.ServerStreamingServer[pb.RangeStreamResponse]) error {
	s.record(stream.Context(), r)
	for _, part := range []*pb.RangeResponse{
		{Kvs: []*mvccpb.KeyValue{pair}},
		{Kvs: []*mvccpb.KeyValue{pair}},
		{Header: header, More: true, Count: 5},
	} {
		if err := stream.Send(&pb.RangeStreamResponse{RangeResponse: part}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) Put(ctx context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	s.record(ctx, r)
	return &pb.PutResponse{Header: header}, s.refusal
}

func (s *server) DeleteRange(ctx context.Context, r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	s.record(ctx, r)
	return &pb.DeleteRangeResponse{Header: header, Deleted: 1}, s.refusal
}

func (s *server) Txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	s.record(ctx, r)
	if s.txn != nil {
		return s.txn, nil
	}
	return &pb.TxnResponse{Header: header, Succeeded: true}, nil
}

// There is one lease, 0x1f; keepAlives of all others find none.
const leaseID = 0x1f

func (s *server) LeaseGrant(ctx context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	s.record(ctx, r)
	return &pb.LeaseGrantResponse{Header: header, ID: leaseID, TTL: r.GetTTL()}, s.leaseErr
}

func (s *server) LeaseRevoke(ctx context.Context, r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	s.record(ctx, r)
	return &pb.LeaseRevokeResponse{Header: header}, s.leaseErr
}

func (s *server) LeaseTimeToLive(ctx context.Context, r *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	s.record(ctx, r)
	return &pb.LeaseTimeToLiveResponse{Header: header, ID: r.GetID(), TTL: 5, GrantedTTL: 9}, s.leaseErr
}

func (s *server) LeaseLeases(ctx context.Context, r *pb.LeaseLeasesRequest) (*pb.LeaseLeasesResponse, error) {
	s.record(ctx, r)
	return &pb.LeaseLeasesResponse{Header: header, Leases: []*pb.LeaseStatus{{ID: leaseID}}}, s.leaseErr
}

func (s *server) LeaseKeepAlive(stream grpc.BidiStreamingServer[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			return nil
		}
		s.record(stream.Context(), r)
		answer := &pb.LeaseKeepAliveResponse{Header: header, ID: r.GetID()}
		if r.GetID() == leaseID {
			answer.TTL = 9
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

// Watch creates each watch and tells it the changes.
func (s *server) Watch(stream grpc.BidiStreamingServer[pb.WatchRequest, pb.WatchResponse]) error {
	for id := int64(0); ; id++ {
		r, err := stream.Recv()
		if err != nil {
			return nil
		}
		if r.GetCreateRequest() == nil {
			continue
		}
		s.record(stream.Context(), r)
		if err := stream.Send(&pb.WatchResponse{Header: header, WatchId: id, Created: true}); err != nil {
			return err
		}
		for _, change := range s.changes {
			change = proto.CloneOf(change)
			change.WatchId = id
			if err := stream.Send(change); err != nil {
				return err
			}
		}
	}
}

func (s *server) Compact(ctx context.Context, r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	s.record(ctx, r)
	return &pb.CompactionResponse{Header: header}, nil
}

func (s *server) MemberList(ctx context.Context, r *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	s.record(ctx, r)
	if s.members != nil {
		h := proto.CloneOf(header)
		h.ClusterId = cmp.Or(s.cluster, h.ClusterId)
		return &pb.MemberListResponse{Header: h, Members: s.members}, nil
	}
	return &pb.MemberListResponse{Header: header, Members: []*pb.Member{
		{ID: 2, Name: "one", PeerURLs: []string{"http://p"}, ClientURLs: []string{"http://" + s.address}},
		{ID: 3, PeerURLs: []string{"http://q"}, IsLearner: true},
	}}, nil
}

func (s *server) Status(ctx context.Context, r *pb.StatusRequest) (*pb.StatusResponse, error) {
	s.record(ctx, r)
	if md, _ := metadata.FromIncomingContext(ctx); s.guarded && len(md.Get("token")) == 0 {
		return nil, rpctypes.ErrGRPCUserEmpty
	}
	h := proto.CloneOf(header)
	h.MemberId = cmp.Or(s.id, h.MemberId)
	return &pb.StatusResponse{Header: h, Version: "3.7.3", DbSize: 100, DbSizeInUse: 50, Leader: cmp.Or(s.leader, 2)}, nil
}

func (s *server) HashKV(ctx context.Context, r *pb.HashKVRequest) (*pb.HashKVResponse, error) {
	s.record(ctx, r)
	return &pb.HashKVResponse{Header: header, Hash: 5, HashRevision: 3}, nil
}

func (s *server) Alarm(ctx context.Context, r *pb.AlarmRequest) (*pb.AlarmResponse, error) {
	s.record(ctx, r)
	if r.GetAction() == pb.AlarmRequest_DEACTIVATE {
		return &pb.AlarmResponse{Header: header, Alarms: []*pb.AlarmMember{{MemberID: r.GetMemberID(), Alarm: r.GetAlarm()}}}, nil
	}
	return &pb.AlarmResponse{Header: header, Alarms: s.alarms}, nil
}

func (s *server) Authenticate(ctx context.Context, r *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	s.record(ctx, r)
	return &pb.AuthenticateResponse{Header: header, Token: "token of " + r.GetName()}, s.loginErr
}

// result is what one run of the program left.
type result struct {
	code           int
	stdout, stderr string
	paused         time.Duration
}

// run executes a command line against the server; stdin is the input.
func (s *server) run(stdin string, args ...string) result {
	return runWith(nil, stdin, append(args, "--endpoints", s.address)...)
}

func runWith(env []string, stdin string, args ...string) result {
	return runProcess(command.Process{Env: env, Stdin: strings.NewReader(stdin), Args: args})
}

// runProcess catches the output of a process.
func runProcess(p command.Process) result {
	var stdout, stderr bytes.Buffer
	var r result
	p.Name, p.Stdout, p.Stderr = cmp.Or(p.Name, "quoinctl"), &stdout, &stderr
	p.Pause = func(d time.Duration) { r.paused += d }
	r.code = command.Run(context.Background(), p)
	r.stdout, r.stderr = stdout.String(), stderr.String()
	return r
}

// checkAsked compares the requests that a command sent.
func checkAsked(t *testing.T, s *server, want ...proto.Message) {
	t.Helper()
	if got := s.asked(); !slices.EqualFunc(got, want, proto.Equal) {
		t.Errorf("sent %v\nwant %v", got, want)
	}
}
