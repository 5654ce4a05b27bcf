package rpc

import (
	"context"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"

	"quoin.dev/pkg/clusterurl"
	"quoin.dev/server/member"
	"quoin.dev/server/membership"
)

// clusterServer serves etcdserverpb.Cluster. Its answers have no revision in their header, since membership has none.
type clusterServer struct {
	pb.UnimplementedClusterServer
	m *member.Member
}

func (s *clusterServer) MemberList(ctx context.Context, r *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	if r.Linearizable {
		if err := s.m.ReadIndex(ctx); err != nil {
			return nil, toWire(err)
		}
	}
	return &pb.MemberListResponse{Header: s.m.Header(0), Members: memberList(s.m.Members())}, nil
}

func (s *clusterServer) MemberAdd(ctx context.Context, r *pb.MemberAddRequest) (*pb.MemberAddResponse, error) {
	urls, err := memberURLs(r.PeerURLs)
	if err != nil {
		return nil, err
	}
	added, all, err := s.m.AddMember(ctx, urls, r.IsLearner)
	if err != nil {
		return nil, toWire(err)
	}
	return &pb.MemberAddResponse{Header: s.m.Header(0), Member: memberOf(added), Members: memberList(all)}, nil
}

func (s *clusterServer) MemberRemove(ctx context.Context, r *pb.MemberRemoveRequest) (*pb.MemberRemoveResponse, error) {
	left, err := s.m.RemoveMember(ctx, r.ID)
	if err != nil {
		return nil, toWire(err)
	}
	return &pb.MemberRemoveResponse{Header: s.m.Header(0), Members: memberList(left)}, nil
}

// MemberUpdate refuses URLs under which nobody could be reached; etcd takes them.
func (s *clusterServer) MemberUpdate(ctx context.Context, r *pb.MemberUpdateRequest) (*pb.MemberUpdateResponse, error) {
	urls, err := memberURLs(r.PeerURLs)
	if err != nil {
		return nil, err
	}
	all, err := s.m.UpdateMember(ctx, r.ID, urls)
	if err != nil {
		return nil, toWire(err)
	}
	return &pb.MemberUpdateResponse{Header: s.m.Header(0), Members: memberList(all)}, nil
}

func (s *clusterServer) MemberPromote(ctx context.Context, r *pb.MemberPromoteRequest) (*pb.MemberPromoteResponse, error) {
	all, err := s.m.PromoteMember(ctx, r.ID)
	if err != nil {
		return nil, toWire(err)
	}
	return &pb.MemberPromoteResponse{Header: s.m.Header(0), Members: memberList(all)}, nil
}

// memberURLs checks peer URLs and sorts them, the order in which every member lists them.
func memberURLs(list []string) ([]string, error) {
	urls, err := clusterurl.ParseList(list)
	if err != nil {
		return nil, rpctypes.ErrGRPCMemberBadURLs
	}
	sorted := make([]string, len(urls))
	for i := range urls {
		sorted[i] = urls[i].String()
	}
	return sorted, nil
}

func memberList(members []membership.Member) []*pb.Member {
	list := make([]*pb.Member, len(members))
	for i, m := range members {
		list[i] = memberOf(m)
	}
	return list
}

func memberOf(m membership.Member) *pb.Member {
	return &pb.Member{ID: m.ID, Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, IsLearner: m.IsLearner}
}
