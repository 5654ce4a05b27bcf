package workload

import (
	"context"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3lockpb"
)

// The services of the present member.
func (c *client) kv() pb.KVClient            { return pb.NewKVClient(c.connection()) }
func (c *client) leases() pb.LeaseClient     { return pb.NewLeaseClient(c.connection()) }
func (c *client) auth() pb.AuthClient        { return pb.NewAuthClient(c.connection()) }
func (c *client) locks() v3lockpb.LockClient { return v3lockpb.NewLockClient(c.connection()) }
func (c *client) self() *client              { return c }

// The calls that most kinds of load make.

func (c *client) read(r *pb.RangeRequest) (*pb.RangeResponse, error) {
	return call(c, (*client).kv, pb.KVClient.Range, r)
}

func (c *client) put(r *pb.PutRequest) (*pb.PutResponse, error) {
	return call(c, (*client).kv, pb.KVClient.Put, r)
}

func (c *client) remove(r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	return call(c, (*client).kv, pb.KVClient.DeleteRange, r)
}

func (c *client) txn(r *pb.TxnRequest) (*pb.TxnResponse, error) {
	return call(c, (*client).kv, pb.KVClient.Txn, r)
}

func (c *client) compact(r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	return call(c, (*client).kv, pb.KVClient.Compact, r)
}

func (c *client) grant(id, ttl int64) (*pb.LeaseGrantResponse, error) {
	return call(c, (*client).leases, pb.LeaseClient.LeaseGrant, &pb.LeaseGrantRequest{ID: id, TTL: ttl})
}

func (c *client) revoke(id int64) (*pb.LeaseRevokeResponse, error) {
	return call(c, (*client).leases, pb.LeaseClient.LeaseRevoke, &pb.LeaseRevokeRequest{ID: id})
}

func (c *client) renew(id int64) (*pb.LeaseKeepAliveResponse, error) {
	return call(c, (*client).self, (*client).keepAlive, &pb.LeaseKeepAliveRequest{ID: id})
}

// keepAlive renews a lease once, on a stream of its own.
func (c *client) keepAlive(ctx context.Context, request *pb.LeaseKeepAliveRequest, opts ...grpc.CallOption) (*pb.LeaseKeepAliveResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.leases().LeaseKeepAlive(ctx, opts...)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(request); err != nil {
		if _, failed := stream.Recv(); failed != nil { // Send only says that the stream has ended
			return nil, failed
		}
		return nil, err
	}
	return stream.Recv()
}
