package workload

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/quoin/robustness/history"
)

// How long clients wait for an answer. What is impatient ends a call in the middle; usual is about an election, and long lives
// through one, and through the time that a member gives a request.
const (
	impatient     = 50 * time.Millisecond
	usualPatience = 3 * time.Second
	longPatience  = 12 * time.Second
)

// deadline draws how long to wait for an answer.
func (c *client) deadline() time.Duration {
	switch n := c.random.IntN(32); {
	case c.patience > 0:
		return c.patience
	case n == 0:
		return c.between(time.Millisecond, impatient)
	case n < 24:
		return usualPatience
	default:
		return longPatience
	}
}

// call makes one call of a service and records it. With a user who has no token, it gets one first.
func call[S any, Q, A proto.Message](
	c *client, service func(*client) S, method func(S, context.Context, Q, ...grpc.CallOption) (A, error), request Q,
) (A, error) {
	if err := c.login(); err != nil {
		var none A
		return none, err
	}
	deadline := c.deadline()
	ctx, cancel := context.WithTimeout(c.authorized(c.calls), deadline)
	defer cancel()
	to := service(c)
	sent := new(atomic.Bool)
	op := history.Operation{Client: c.id, Member: c.target.Name, User: c.user, Request: request, Call: c.w.opts.Clock()}
	answer, err := method(to, context.WithValue(ctx, sentKey{}, sent), request)
	op.Return = c.w.opts.Clock()
	if err == nil {
		op.Response = answer
	}
	c.record(op, err, sent.Load())
	c.react(request, err, deadline)
	return answer, err
}

// record completes an operation by its error and keeps it.
func (c *client) record(op history.Operation, err error, sent bool) {
	op.Outcome = OutcomeOf(op.Request, err, sent)
	if err != nil {
		s := status.Convert(err)
		op.Code, op.Error = s.Code().String(), s.Message()
	} else if writes(op.Request) {
		c.w.acknowledged.Add(1)
	}
	c.w.opts.Recorder.operation(op)
}

// react does what a client does after an error: it goes to another member, or gets itself a new token.
func (c *client) react(request proto.Message, err error, deadline time.Duration) {
	switch {
	case err == nil:
	case staleToken(err):
		c.token = ""
	case deadline <= impatient: // that says nothing of the member
	case refusal(err) && !says(err, rpctypes.ErrGRPCNotSupportedForLearner):
	default:
		c.pause(c.between(20*time.Millisecond, 200*time.Millisecond))
		if c.chance(2) {
			c.move()
		}
	}
}

// errNoToken: the user could not be authenticated; why is in the record.
var errNoToken = errors.New("workload: there is no token")

// login gets a token for a user who has none.
func (c *client) login() error {
	if c.user == "" || c.token != "" {
		return nil
	}
	user := c.user
	c.user = "" // nobody asks, until it is known who does
	r, err := call(c, (*client).auth, pb.AuthClient.Authenticate, &pb.AuthenticateRequest{Name: user, Password: c.password})
	c.user = user
	switch {
	case err == nil:
		c.token = r.Token
	case says(err, rpctypes.ErrGRPCAuthNotEnabled):
		c.token = noToken
	default:
		return errNoToken
	}
	return nil
}

// noToken is the token of a cluster without authentication.
const noToken = "none"

// authorized is a context that carries the token.
func (c *client) authorized(ctx context.Context) context.Context {
	if c.user == "" || c.token == "" || c.token == noToken {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, c.token)
}

// writes tells whether a request goes through the log when it is answered well.
func writes(request proto.Message) bool {
	switch r := request.(type) {
	case *pb.PutRequest, *pb.DeleteRangeRequest, *pb.LeaseGrantRequest, *pb.LeaseRevokeRequest:
		return true
	case *pb.TxnRequest:
		return changes(r.Success) || changes(r.Failure)
	default:
		return false
	}
}

func changes(ops []*pb.RequestOp) bool {
	for _, op := range ops {
		if op.GetRequestRange() == nil {
			return true
		}
	}
	return false
}
