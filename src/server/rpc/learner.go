package rpc

import (
	"context"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// learnerServes reports whether a member without a vote answers a request: what it knows of itself, and a range from who
// accepts the past. Clients shall look for another member for everything else.
func learnerServes(request any) bool {
	switch r := request.(type) {
	case *pb.RangeRequest:
		return r.Serializable
	case *pb.StatusRequest:
		return true
	}
	return false
}

// learnerGuard refuses what a learner does not serve, ahead of everything else that may be wrong with a request.
type learnerGuard struct{ IsLearner func() bool }

// unary is a grpc.UnaryServerInterceptor.
func (g learnerGuard) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if g.IsLearner() && !learnerServes(request) {
		return nil, rpctypes.ErrGRPCNotSupportedForLearner
	}
	return handler(ctx, request)
}

// stream is a grpc.StreamServerInterceptor. Of streams, a learner serves its database only.
func (g learnerGuard) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if g.IsLearner() && info.FullMethod != pb.Maintenance_Snapshot_FullMethodName {
		return rpctypes.ErrGRPCNotSupportedForLearner
	}
	return handler(server, stream)
}
