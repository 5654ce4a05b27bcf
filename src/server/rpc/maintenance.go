package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/version"

	"quoin.dev/server/member"
)

// maintenanceServer serves etcdserverpb.Maintenance.
type maintenanceServer struct {
	pb.UnimplementedMaintenanceServer
	identity
	stall time.Duration // how long a reader of the database may pause
}

// Status answers from this member alone, so that it works without a quorum.
func (s *maintenanceServer) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	st := s.m.Status()
	response := &pb.StatusResponse{
		Header:           s.m.Header(st.Revision),
		Version:          version.API,
		DbSize:           st.DBSize,
		DbSizeInUse:      st.DBSizeInUse,
		DbSizeQuota:      st.DBQuota,
		Leader:           st.Leader,
		RaftIndex:        st.Commit,
		RaftTerm:         st.Term,
		RaftAppliedIndex: st.Applied,
		IsLearner:        st.Learner,
		StorageVersion:   st.StorageVersion,
		DowngradeInfo:    &pb.DowngradeInfo{Enabled: st.Downgrade.Enabled, TargetVersion: st.Downgrade.TargetVersion},
	}
	if st.Leader == 0 {
		response.Errors = append(response.Errors, "etcdserver: no leader")
	}
	for _, reason := range st.Unwell {
		response.Errors = append(response.Errors, reason.Error())
	}
	for _, a := range st.Alarms {
		response.Errors = append(response.Errors, a.String())
	}
	return response, nil
}

// Alarm goes through the log, so that all members list the same alarms at the same place in it.
func (s *maintenanceServer) Alarm(ctx context.Context, r *pb.AlarmRequest) (*pb.AlarmResponse, error) {
	response, err := propose[pb.AlarmResponse](ctx, s.identity, &pb.InternalRaftRequest{Alarm: r})
	if err != nil {
		return nil, err
	}
	s.m.FillHeader(response.Header)
	return response, nil
}

func (s *maintenanceServer) HashKV(_ context.Context, r *pb.HashKVRequest) (*pb.HashKVResponse, error) {
	h, err := s.m.HashKV(r.Revision)
	if err != nil {
		return nil, toWire(err)
	}
	return &pb.HashKVResponse{
		Header:          s.m.Header(h.Revision),
		Hash:            h.Hash,
		CompactRevision: h.CompactRevision,
		HashRevision:    h.HashRevision,
	}, nil
}

func (s *maintenanceServer) Hash(context.Context, *pb.HashRequest) (*pb.HashResponse, error) {
	hash, revision, err := s.m.Hash()
	if err != nil {
		return nil, toWire(err)
	}
	return &pb.HashResponse{Header: s.m.Header(revision), Hash: hash}, nil
}

// Defragment returns when the database has been written anew. Requests are served meanwhile.
func (s *maintenanceServer) Defragment(ctx context.Context, _ *pb.DefragmentRequest) (*pb.DefragmentResponse, error) {
	switch err := s.m.Defragment(ctx); {
	case err == nil:
		return &pb.DefragmentResponse{}, nil
	case errors.Is(err, member.ErrDefragmenting):
		return nil, status.Error(codes.FailedPrecondition, "etcdserver: "+member.ErrDefragmenting.Error())
	default:
		return nil, toWire(err)
	}
}
