package rpc

import (
	"context"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/member"
)

// clusterServer serves etcdserverpb.Cluster.
type clusterServer struct {
	pb.UnimplementedClusterServer
	m *member.Member
}

// MemberList answers without a revision in its header, since membership has none.
func (s *clusterServer) MemberList(ctx context.Context, r *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	if r.Linearizable {
		if err := s.m.ReadIndex(ctx); err != nil {
			return nil, toWire(err)
		}
	}
	response := &pb.MemberListResponse{Header: s.m.Header(0)}
	for _, member := range s.m.Members() {
		response.Members = append(response.Members, &pb.Member{
			ID:         member.ID,
			Name:       member.Name,
			PeerURLs:   member.PeerURLs,
			ClientURLs: member.ClientURLs,
			IsLearner:  member.IsLearner,
		})
	}
	return response, nil
}
