package randomkv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// requestTimeout is above the server's own 7 s, so that its error arrives.
const requestTimeout = 15 * time.Second

// Execute sends one request and returns the answer.
func Execute(ctx context.Context, conn *grpc.ClientConn, request proto.Message) (proto.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	kv := pb.NewKVClient(conn)
	switch r := request.(type) {
	case *pb.RangeRequest:
		return result(kv.Range(ctx, r))
	case *pb.PutRequest:
		return result(kv.Put(ctx, r))
	case *pb.DeleteRangeRequest:
		return result(kv.DeleteRange(ctx, r))
	case *pb.TxnRequest:
		return result(kv.Txn(ctx, r))
	case *pb.CompactionRequest:
		return result(kv.Compact(ctx, r))
	}
	return nil, fmt.Errorf("randomkv can not send a %T", request)
}

// result keeps a nil pointer from becoming an interface that is not nil.
func result[M interface {
	comparable
	proto.Message
}](m M, err error) (proto.Message, error) {
	var none M
	if m == none {
		return nil, err
	}
	return m, err
}

// ExecuteStream sends a range as RangeStream and joins the chunks to what Range would answer. How a server cuts chunks is
// its own affair.
func ExecuteStream(ctx context.Context, conn *grpc.ClientConn, r *pb.RangeRequest) (proto.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := pb.NewKVClient(conn).RangeStream(ctx, r)
	if err != nil {
		return nil, err
	}
	all := &pb.RangeResponse{}
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if all.Header != nil {
			return nil, errors.New("a chunk came after the one with the header, which is the last")
		}
		part := chunk.GetRangeResponse()
		all.Kvs = append(all.Kvs, part.GetKvs()...)
		all.Header, all.More, all.Count = part.GetHeader(), part.GetMore(), part.GetCount()
	}
}
