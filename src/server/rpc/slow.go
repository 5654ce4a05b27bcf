package rpc

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	pb "quoin.dev/api/etcdserverpb"
)

// slowLog tells of requests whose answer took longer than a limit.
type slowLog struct {
	limit  time.Duration
	logger *zap.Logger
}

// unary is a grpc.UnaryServerInterceptor.
func (s slowLog) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	start := time.Now()
	response, err := handler(ctx, request)
	if took := time.Since(start); took > s.limit {
		s.tell(ctx, start, took, request, info.FullMethod, err)
	}
	return response, err
}

func (s slowLog) tell(ctx context.Context, start time.Time, took time.Duration, request any, method string, err error) {
	fields := []zap.Field{
		zap.Time("start time", start),
		zap.Duration("time spent", took),
		zap.String("response type", method),
		zap.String("request content", describe(request)),
	}
	if p, ok := peer.FromContext(ctx); ok {
		fields = append(fields, zap.Stringer("remote", p.Addr))
	}
	if sized, ok := request.(interface{ SizeVT() int }); ok {
		fields = append(fields, zap.Int("request size", sized.SizeVT()))
	}
	if err != nil {
		fields = append(fields, zap.Error(err))
	}
	s.logger.Warn("request stats", fields...)
}

// shownKeyBytes is how much of a key goes to the log; shownOps is of how many operations in a transaction.
const (
	shownKeyBytes = 128
	shownOps      = 4
)

// describe names the keys of a request. Values and passwords are nobody's business (CVE-2021-28235).
func describe(request any) string {
	switch r := request.(type) {
	case *pb.RangeRequest:
		return span(r.Key, r.RangeEnd) + fmt.Sprintf(" limit:%d revision:%d", r.Limit, r.Revision)
	case *pb.PutRequest:
		return span(r.Key, nil) + fmt.Sprintf(" value_size:%d", len(r.Value))
	case *pb.DeleteRangeRequest:
		return span(r.Key, r.RangeEnd)
	case *pb.TxnRequest:
		return fmt.Sprintf("compares:%d success:%s failure:%s", len(r.Compare), describeOps(r.Success), describeOps(r.Failure))
	}
	return ""
}

func describeOps(ops []*pb.RequestOp) string {
	var list []string
	for _, op := range ops[:min(len(ops), shownOps)] {
		switch o := op.GetRequest().(type) {
		case *pb.RequestOp_RequestRange:
			list = append(list, "range<"+describe(o.RequestRange)+">")
		case *pb.RequestOp_RequestPut:
			list = append(list, "put<"+describe(o.RequestPut)+">")
		case *pb.RequestOp_RequestDeleteRange:
			list = append(list, "delete_range<"+describe(o.RequestDeleteRange)+">")
		case *pb.RequestOp_RequestTxn:
			list = append(list, "txn")
		}
	}
	if more := len(ops) - shownOps; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return "[" + strings.Join(list, " ") + "]"
}

func span(key, end []byte) string {
	if len(end) == 0 {
		return fmt.Sprintf("key:%q", shorten(key))
	}
	return fmt.Sprintf("key:%q range_end:%q", shorten(key), shorten(end))
}

func shorten(key []byte) []byte { return key[:min(len(key), shownKeyBytes)] }
