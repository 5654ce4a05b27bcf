package workload

import (
	"context"
	"crypto/tls"
	"errors"
	"sync/atomic"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	quoin "quoin.dev/client"
	"quoin.dev/quoin/robustness/history"
)

// library makes calls through the client that quoin ships, which knows all members that there were when it was made. It picks whom
// to ask, and repeats what it takes for safe; so its calls are recorded as those of no member.
type library struct {
	from   *client
	client *quoin.Client
}

// library opens that client; nil when the load ends before that has worked.
func (c *client) library() *library {
	settings := quoin.Config{
		Username: c.user, Password: c.password, DialTimeout: usualPatience, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithStatsHandler(sentHandler{})},
	}
	for _, t := range c.w.all() {
		settings.Endpoints = append(settings.Endpoints, t.Endpoint)
	}
	if c.w.opts.TLS != nil {
		settings.GetTLS = func() *tls.Config { return c.w.opts.TLS() }
	}
	for c.next() {
		if made, err := quoin.New(settings); err == nil {
			return &library{c, made}
		}
	}
	return nil
}

func (l *library) close() { _ = l.client.Close() }

func (l *library) read(r *pb.RangeRequest) (*pb.RangeResponse, error) {
	return through(l, r, func(ctx context.Context) (*pb.RangeResponse, error) { return l.client.Get(ctx, string(r.Key)) })
}

// txn makes a transaction of the form of guarded.
func (l *library) txn(r *pb.TxnRequest) (*pb.TxnResponse, error) {
	condition, put := r.Compare[0], r.Success[0].GetRequestPut()
	key := string(condition.Key)
	holds := quoin.Compare(quoin.ModRevision(key), "=", condition.GetModRevision())
	if condition.Target == pb.Compare_VALUE {
		holds = quoin.Compare(quoin.Value(key), "=", string(condition.GetValue()))
	}
	return through(l, r, func(ctx context.Context) (*pb.TxnResponse, error) {
		return l.client.Txn(ctx).If(holds).Then(quoin.OpPut(key, string(put.Value))).Else(quoin.OpGet(key)).Commit()
	})
}

// through makes one call and records it.
func through[A proto.Message](l *library, request proto.Message, ask func(context.Context) (A, error)) (A, error) {
	c := l.from
	ctx, cancel := context.WithTimeout(c.calls, c.deadline())
	defer cancel()
	sent := new(atomic.Bool)
	op := history.Operation{Client: c.id, User: c.user, Request: request, Call: c.w.opts.Clock()}
	answer, err := ask(context.WithValue(ctx, sentKey{}, sent))
	op.Return = c.w.opts.Clock()
	if err == nil {
		op.Response = answer
	}
	c.record(op, wireError(err), sent.Load())
	return answer, err
}

// wireError is an error of the library as it was on the wire.
func wireError(err error) error {
	var known rpctypes.EtcdError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return status.Error(known.Code(), known.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	default:
		return err
	}
}
