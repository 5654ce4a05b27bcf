package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/auth"
	"quoin.dev/server/member"
)

// kvServer serves etcdserverpb.KV.
type kvServer struct {
	pb.UnimplementedKVServer
	identity
}

// kvServiceDesc is the generated description with one method replaced: a range answers with spliced bytes instead of a
// message.
func kvServiceDesc() *grpc.ServiceDesc {
	desc := pb.KV_ServiceDesc
	desc.Methods = append([]grpc.MethodDesc(nil), desc.Methods...)
	for i := range desc.Methods {
		if desc.Methods[i].MethodName == "Range" {
			desc.Methods[i].Handler = rangeHandler
		}
	}
	return &desc
}

func rangeHandler(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	r := new(pb.RangeRequest)
	if err := decode(r); err != nil {
		return nil, err
	}
	handler := func(ctx context.Context, r any) (any, error) {
		reply, err := srv.(*kvServer).splicedRange(ctx, r.(*pb.RangeRequest))
		if err != nil {
			return nil, err
		}
		return reply, nil
	}
	if interceptor == nil {
		return handler(ctx, r)
	}
	return interceptor(ctx, r, &grpc.UnaryServerInfo{Server: srv, FullMethod: pb.KV_Range_FullMethodName}, handler)
}

// Range answers with a decoded message, for callers inside of this process.
func (s *kvServer) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	reply, err := s.splicedRange(ctx, r)
	if err != nil {
		return nil, err
	}
	return reply.decode()
}

func (s *kvServer) splicedRange(ctx context.Context, r *pb.RangeRequest) (*rangeReply, error) {
	if err := validateRange(r); err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := s.beforeRead(ctx, r.Serializable); err != nil {
		s.m.Meter().Requests.Observe(member.KindRange, false, time.Since(begun))
		return nil, toWire(err)
	}
	reading := begun
	if !r.Serializable {
		reading = time.Now()
	}
	who, err := s.mayRead(ctx, r.Key, r.RangeEnd)
	if err != nil {
		s.m.Meter().Requests.Observe(member.KindRange, false, time.Since(begun))
		return nil, toWire(err)
	}
	reply := new(rangeReply)
	err = s.m.Read(func(state *apply.State) error {
		info, err := state.KV.Range(ctx, r.Key, r.RangeEnd, apply.RangeOptions(r), reply.add)
		if err == nil {
			reply.finish(s.m.Header(info.Revision), info.More, info.Count)
		}
		return err
	})
	if changed := s.m.Auth().Seen(who); changed != nil {
		err = changed
	}
	ended := time.Now()
	s.m.Meter().Requests.Observe(member.KindRange, err == nil, ended.Sub(begun))
	s.m.Meter().Reads.Observe(member.KindRange, err == nil, ended.Sub(reading))
	if err != nil {
		reply.free()
		return nil, toWire(err)
	}
	return reply, nil
}

// beforeRead waits until local state may answer: at once when the client accepts the past.
func (s *kvServer) beforeRead(ctx context.Context, serializable bool) error {
	if serializable {
		return nil
	}
	return s.m.ReadIndex(ctx)
}

// mayRead returns who asks for a range that they may read. What was read goes to them only if that holds still: see auth.View.Seen.
func (s *kvServer) mayRead(ctx context.Context, key, end []byte) (auth.Identity, error) {
	who, err := s.of(ctx)
	if err == nil {
		err = s.m.Auth().Read(who, key, end)
	}
	return who, err
}

func (s *kvServer) Put(ctx context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	if err := validatePut(r); err != nil {
		return nil, err
	}
	response, err := propose[pb.PutResponse](ctx, s.identity, &pb.InternalRaftRequest{Put: r})
	if err != nil {
		return nil, err
	}
	s.m.FillHeader(response.Header)
	return response, nil
}

func (s *kvServer) DeleteRange(ctx context.Context, r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	if err := validateDelete(r); err != nil {
		return nil, err
	}
	response, err := propose[pb.DeleteRangeResponse](ctx, s.identity, &pb.InternalRaftRequest{DeleteRange: r})
	if err != nil {
		return nil, err
	}
	s.m.FillHeader(response.Header)
	return response, nil
}

func (s *kvServer) Txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	if err := validateTxn(r, s.m.MaxTxnOps()); err != nil {
		return nil, err
	}
	response, err := s.txn(ctx, r)
	if err != nil {
		return nil, err
	}
	s.m.FillHeader(response.Header)
	return response, nil
}

// txn reads locally what only reads, and sends everything else through the log.
func (s *kvServer) txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	if !apply.OnlyReads(r) {
		return propose[pb.TxnResponse](ctx, s.identity, &pb.InternalRaftRequest{Txn: r})
	}
	begun := time.Now()
	response, err := s.readTxn(ctx, r)
	s.m.Meter().Requests.Observe(member.KindReadonlyTxn, err == nil, time.Since(begun))
	return response, toWire(err)
}

func (s *kvServer) readTxn(ctx context.Context, r *pb.TxnRequest) (response *pb.TxnResponse, err error) {
	if err := s.beforeRead(ctx, apply.OnlySerializable(r)); err != nil {
		return nil, err
	}
	who, err := s.of(ctx)
	if err == nil {
		err = s.m.Auth().Txn(who, r)
	}
	if err != nil {
		return nil, err
	}
	err = s.m.Read(func(state *apply.State) (err error) {
		response, err = state.ReadTxn(ctx, r)
		return err
	})
	if changed := s.m.Auth().Seen(who); changed != nil {
		return nil, changed
	}
	return response, err
}

func (s *kvServer) Compact(ctx context.Context, r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	who, err := s.of(ctx)
	if err != nil {
		return nil, toWire(err)
	}
	result, err := s.m.ProposeFor(ctx, who, &pb.InternalRaftRequest{Compaction: r})
	if err != nil {
		return nil, toWire(err)
	}
	if r.Physical {
		if err := s.m.WaitPhysical(ctx, result.Physical); err != nil {
			return nil, toWire(err)
		}
	}
	response := result.Response.(*pb.CompactionResponse)
	s.m.FillHeader(response.Header)
	return response, nil
}

// propose sends a client's request through the log and returns its response.
func propose[T any](ctx context.Context, i identity, r *pb.InternalRaftRequest) (*T, error) {
	who, err := i.of(ctx)
	if err != nil {
		return nil, toWire(err)
	}
	result, err := i.m.ProposeFor(ctx, who, r)
	if err != nil {
		return nil, toWire(err)
	}
	return result.Response.(*T), nil
}
