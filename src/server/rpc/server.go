// Package rpc serves the gRPC API of a member: it validates requests, hands them to the member, and translates errors.
// It keeps no state of its own.
package rpc

import (
	"slices"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3electionpb"
	"quoin.dev/api/v3lockpb"

	"quoin.dev/server/audit"
	"quoin.dev/server/member"
)

// Limits and sizes of a server.
const (
	// OverheadBytes is how much larger than the largest request a message may be: room for the envelope.
	OverheadBytes = 512 << 10
	// writeBufferBytes is for each connection that is writing: a busy one writes many small responses at once. readBufferBytes
	// is for each connection, however quiet.
	writeBufferBytes = 64 << 10
	readBufferBytes  = 16 << 10
	// greetingTimeout bounds how long a new connection may take until it can carry requests.
	greetingTimeout = 10 * time.Second
	// headerListBytes bounds the metadata of a request: a token of a few kilobytes, and what proxies add.
	headerListBytes = 64 << 10
	// streamWorkers serve requests on goroutines that are kept, whose stacks have grown already.
	streamWorkers = 64
)

// Options are the limits of the client port.
type Options struct {
	// Credentials tell what is known of a connection; nil: nothing, and they are in plain text.
	Credentials          credentials.TransportCredentials
	MaxConcurrentStreams uint32
	Meter                *Meter // nil: one that nobody reads
	// CertificatesName users: every client has shown a certificate that can be trusted, and its common name is that of a user, unless
	// there is a token.
	CertificatesName bool
	// KeepAliveMinTime is how often a client may ping; KeepAliveInterval and KeepAliveTimeout are how the server does.
	KeepAliveMinTime, KeepAliveInterval, KeepAliveTimeout time.Duration
	// SlowAfter is how long a request with one answer may take before it is logged; 0: as long as it likes.
	SlowAfter time.Duration
	Logger    *zap.Logger // may be nil
	// Tracing begins and ends a span for every call; nil: nobody traces.
	Tracing stats.Handler
	// Audit is told of every request; nil: nobody wants to know who asks for what.
	Audit *audit.Log
}

// NewServer returns a gRPC server with every service of m registered. The caller serves listeners with it and stops it.
func NewServer(m *member.Member, o Options) *grpc.Server {
	if o.Meter == nil {
		o.Meter = NewMeter(false)
	}
	learner := learnerGuard{m.IsLearner}
	leader := &leaderGuard{hasLeader: m.HasLeader, election: m.ElectionTimeout()}
	who := identity{m: m, certificates: o.CertificatesName, audited: o.Audit != nil}
	access := access{who}
	unary := []grpc.UnaryServerInterceptor{o.Meter.unary, learner.unary, leader.unary, access.unary}
	if o.SlowAfter > 0 && o.Logger != nil {
		unary = slices.Insert(unary, 1, slowLog{o.SlowAfter, o.Logger}.unary)
	}
	stream := []grpc.StreamServerInterceptor{o.Meter.stream, learner.stream, leader.stream, access.stream}
	audits := &auditor{log: o.Audit, revision: m.Revision}
	if o.Audit != nil {
		unary = slices.Insert(unary, 1, audits.unary)
		stream = slices.Insert(stream, 1, audits.stream)
	}
	options := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(unary...),
		grpc.ChainStreamInterceptor(stream...),
		grpc.ForceServerCodecV2(countingCodec{m: o.Meter}),
		grpc.ConnectionTimeout(greetingTimeout),
		grpc.MaxRecvMsgSize(m.MaxRequestBytes() + OverheadBytes),
		grpc.MaxSendMsgSize(1<<31 - 1),
		grpc.MaxHeaderListSize(headerListBytes),
		grpc.MaxConcurrentStreams(o.MaxConcurrentStreams),
		grpc.WriteBufferSize(writeBufferBytes),
		grpc.ReadBufferSize(readBufferBytes),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: o.KeepAliveMinTime}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: o.KeepAliveInterval, Timeout: o.KeepAliveTimeout}),
	}
	if o.Credentials != nil {
		options = append(options, grpc.Creds(o.Credentials))
	}
	if o.Tracing != nil {
		options = append(options, grpc.StatsHandler(o.Tracing))
	}
	s := grpc.NewServer(options...)
	kv := &kvServer{identity: who}
	s.RegisterService(kvServiceDesc(), kv)
	v3lockpb.RegisterLockServer(s, &lockServer{kv: kv})
	v3electionpb.RegisterElectionServer(s, &electionServer{kv: kv})
	pb.RegisterMaintenanceServer(s, &maintenanceServer{identity: who, stall: snapshotStall})
	pb.RegisterClusterServer(s, &clusterServer{m: m})
	pb.RegisterLeaseServer(s, &leaseServer{identity: who})
	pb.RegisterWatchServer(s, &watchServer{identity: who, progress: m.WatchProgressInterval(), meter: o.Meter, audits: audits})
	pb.RegisterAuthServer(s, &authServer{identity: who})
	healthpb.RegisterHealthServer(s, newHealth(m))
	o.Meter.know(s.GetServiceInfo())
	return s
}
