package client

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
)

// GetStream is the result of KV.GetStream, in parts. All parts are of one revision.
type GetStream struct {
	ctx     context.Context
	inner   context.Context // ends with Close
	cancel  context.CancelFunc
	open    func() (grpc.ServerStreamingClient[pb.RangeStreamResponse], error)
	remote  grpc.ServerStreamingClient[pb.RangeStreamResponse]
	tries   tries
	arrived bool // a part has been received
	over    bool // the last part or an error has been received
}

func (k *kv) GetStream(ctx context.Context, key string, opts ...OpOption) (*GetStream, error) {
	request := OpGet(key, opts...).rangeRequest()
	inner, cancel := context.WithCancel(ctx)
	s := &GetStream{
		ctx: ctx, inner: inner, cancel: cancel, tries: k.c.tries(inner, pb.KV_RangeStream_FullMethodName),
		open: func() (grpc.ServerStreamingClient[pb.RangeStreamResponse], error) {
			return k.remote.RangeStream(inner, request)
		},
	}
	var err error
	if s.remote, err = s.open(); err != nil {
		cancel()
		return nil, ContextError(ctx, err)
	}
	return s, nil
}

// Recv returns the next part, or io.EOF after the last one. Header, Count and More are set in the last part only.
//
// A stream that fails before its first part is opened again, at another member. Later it can not be: the revision of
// the parts that were handed out is not known before the last one.
func (s *GetStream) Recv() (*GetResponse, error) {
	if err := s.inner.Err(); err != nil && !s.over {
		return nil, ContextError(s.inner, err) // parts that have come before Close are dropped
	}
	part, err := s.remote.Recv()
	for err != nil && !s.arrived && !errors.Is(err, io.EOF) && s.tries.again(err, true) {
		if s.remote, err = s.open(); err == nil {
			part, err = s.remote.Recv()
		}
	}
	if err != nil {
		s.over = true
		s.cancel()
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, ContextError(s.ctx, err)
	}
	s.arrived = true
	if part.RangeResponse == nil {
		return &GetResponse{}, nil
	}
	return part.RangeResponse, nil
}

// Close ends the stream before its last part. It may be called at any time, also twice.
func (s *GetStream) Close() { s.cancel() }
