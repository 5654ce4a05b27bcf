package rpc

import (
	"context"

	pb "quoin.dev/api/etcdserverpb"
)

// MoveLeader answers when the other member leads. Its response has no header.
func (s *maintenanceServer) MoveLeader(ctx context.Context, r *pb.MoveLeaderRequest) (*pb.MoveLeaderResponse, error) {
	if err := s.m.MoveLeader(ctx, r.TargetID); err != nil {
		return nil, toWire(err)
	}
	return &pb.MoveLeaderResponse{}, nil
}
