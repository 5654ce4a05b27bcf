package rpc

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
)

// errUnknownMethod answers an action that this version does not know.
var errUnknownMethod = status.Error(codes.Unknown, "etcdserver: unknown method")

// Downgrade begins or ends the way to the version before, or tells whether it could begin. The answer names the version that
// the cluster speaks at this moment.
func (s *maintenanceServer) Downgrade(ctx context.Context, r *pb.DowngradeRequest) (*pb.DowngradeResponse, error) {
	var cluster string
	var err error
	switch r.Action {
	case pb.DowngradeRequest_VALIDATE:
		cluster, err = s.m.ValidateDowngrade(ctx, r.Version)
	case pb.DowngradeRequest_ENABLE:
		cluster, err = s.m.EnableDowngrade(ctx, r.Version)
	case pb.DowngradeRequest_CANCEL:
		cluster, err = s.m.CancelDowngrade(ctx)
	default:
		return nil, errUnknownMethod
	}
	if err != nil {
		return nil, toWire(err)
	}
	revision, err := s.m.Revision()
	if err != nil {
		return nil, toWire(err)
	}
	return &pb.DowngradeResponse{Header: s.m.Header(revision), Version: cluster}, nil
}
