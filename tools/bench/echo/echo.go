// Package echo is a gRPC server that answers puts and gets without doing anything: the ceiling that no store on the same
// gRPC library can pass under the same load.
package echo

import (
	"context"
	"net"

	"google.golang.org/grpc"

	"quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/pkg/vtcodec"
)

// New returns the server, not yet serving.
func New() *grpc.Server {
	s := grpc.NewServer(grpc.ForceServerCodecV2(vtcodec.Codec{}))
	etcdserverpb.RegisterKVServer(s, kv{})
	return s
}

// Serve answers on the listener until it fails.
func Serve(l net.Listener) error { return New().Serve(l) }

type kv struct {
	etcdserverpb.UnimplementedKVServer
}

// header has the size of a real one.
func header() *etcdserverpb.ResponseHeader {
	return &etcdserverpb.ResponseHeader{ClusterId: 1 << 60, MemberId: 1 << 61, Revision: 1 << 20, RaftTerm: 2}
}

func (kv) Put(context.Context, *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	return &etcdserverpb.PutResponse{Header: header()}, nil
}

func (kv) Range(_ context.Context, r *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	one := &mvccpb.KeyValue{Key: r.Key, CreateRevision: 2, ModRevision: 2, Version: 1}
	return &etcdserverpb.RangeResponse{Header: header(), Kvs: []*mvccpb.KeyValue{one}, Count: 1}, nil
}
