package client

import (
	"context"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/pkg/clusterurl"
)

// Responses of the calls about members, as they are on the wire.
type (
	Member                = pb.Member
	MemberListResponse    = pb.MemberListResponse
	MemberAddResponse     = pb.MemberAddResponse
	MemberRemoveResponse  = pb.MemberRemoveResponse
	MemberUpdateResponse  = pb.MemberUpdateResponse
	MemberPromoteResponse = pb.MemberPromoteResponse
)

// Cluster lists and changes the members. URLs that no member can have are refused before a member is asked.
type Cluster interface {
	// MemberList returns the members. With WithSerializable it is the view of the member that is asked.
	MemberList(ctx context.Context, opts ...OpOption) (*MemberListResponse, error)
	// MemberAdd adds a voting member with these peer URLs.
	MemberAdd(ctx context.Context, peerAddrs []string) (*MemberAddResponse, error)
	// MemberAddAsLearner adds a member that receives the log and has no vote.
	MemberAddAsLearner(ctx context.Context, peerAddrs []string) (*MemberAddResponse, error)
	// MemberRemove removes a member.
	MemberRemove(ctx context.Context, id uint64) (*MemberRemoveResponse, error)
	// MemberUpdate replaces the peer URLs of a member.
	MemberUpdate(ctx context.Context, id uint64, peerAddrs []string) (*MemberUpdateResponse, error)
	// MemberPromote gives a learner its vote.
	MemberPromote(ctx context.Context, id uint64) (*MemberPromoteResponse, error)
}

type cluster struct{ remote pb.ClusterClient }

// NewCluster returns the Cluster of a client's connection.
func NewCluster(c *Client) Cluster { return &cluster{pb.NewClusterClient(c.conn)} }

// NewClusterFromClusterClient returns a Cluster over a generated client.
func NewClusterFromClusterClient(remote pb.ClusterClient, _ *Client) Cluster { return &cluster{remote} }

func (c *cluster) MemberList(ctx context.Context, opts ...OpOption) (*MemberListResponse, error) {
	op := OpGet("", opts...)
	resp, err := c.remote.MemberList(ctx, &pb.MemberListRequest{Linearizable: !op.serializable})
	return resp, ContextError(ctx, err)
}

func (c *cluster) MemberAdd(ctx context.Context, peerAddrs []string) (*MemberAddResponse, error) {
	return c.add(ctx, &pb.MemberAddRequest{PeerURLs: peerAddrs})
}

func (c *cluster) MemberAddAsLearner(ctx context.Context, peerAddrs []string) (*MemberAddResponse, error) {
	return c.add(ctx, &pb.MemberAddRequest{PeerURLs: peerAddrs, IsLearner: true})
}

func (c *cluster) add(ctx context.Context, req *pb.MemberAddRequest) (*MemberAddResponse, error) {
	if _, err := clusterurl.ParseList(req.PeerURLs); err != nil {
		return nil, err
	}
	resp, err := c.remote.MemberAdd(ctx, req)
	return resp, ContextError(ctx, err)
}

func (c *cluster) MemberRemove(ctx context.Context, id uint64) (*MemberRemoveResponse, error) {
	resp, err := c.remote.MemberRemove(ctx, &pb.MemberRemoveRequest{ID: id})
	return resp, ContextError(ctx, err)
}

func (c *cluster) MemberUpdate(ctx context.Context, id uint64, peerAddrs []string) (*MemberUpdateResponse, error) {
	if _, err := clusterurl.ParseList(peerAddrs); err != nil {
		return nil, err
	}
	resp, err := c.remote.MemberUpdate(ctx, &pb.MemberUpdateRequest{ID: id, PeerURLs: peerAddrs})
	return resp, ContextError(ctx, err)
}

func (c *cluster) MemberPromote(ctx context.Context, id uint64) (*MemberPromoteResponse, error) {
	resp, err := c.remote.MemberPromote(ctx, &pb.MemberPromoteRequest{ID: id})
	return resp, ContextError(ctx, err)
}
