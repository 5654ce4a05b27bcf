package client

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// repeatUnary sends a unary call, and sends it again where that can not do anything twice.
func (c *Client) repeatUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	t := c.tries(ctx, method)
	for {
		err := invoke(ctx, method, req, reply, cc, opts...)
		if err == nil {
			return nil
		}
		c.lg.Warn("retrying of unary invoker failed",
			zap.String("target", cc.Target()), zap.String("method", method), zap.Uint("attempt", t.attempt), zap.Error(err))
		if !t.again(err, readsOnly(method, req)) {
			return err
		}
	}
}

// tries decides after each failure of one call whether the call is sent again.
//
// An error says one of three things. The member refused before it did anything: then any call may be sent again, once
// the cause is removed. The call failed for good: sending it again changes nothing. Or the outcome is unknown, as with
// a connection that ended before the answer: then a change may have been made, and only a read is sent again
// (etcd#8335, Jepsen 14890). A request that gRPC could not put on a connection is not seen here: gRPC holds it until
// there is one, and sends those again that a member is known not to have looked at (RFC 9113, section 8.7).
type tries struct {
	c       *Client
	ctx     context.Context
	method  string
	attempt uint   // number of failures so far
	token   string // that the last attempt was sent with
	renewed bool   // a new token was obtained for this call
}

func (c *Client) tries(ctx context.Context, method string) tries {
	return tries{c: c, ctx: ctx, method: method, token: c.access.token()}
}

// again reports whether to send the call again, and returns when it is time to. reads says that the call changes nothing.
func (t *tries) again(err error, reads bool) bool {
	attempt := t.attempt
	t.attempt++
	if t.ctx.Err() != nil || attempt >= or(t.c.cfg.MaxUnaryRetries, defaultMaxUnaryRetries) {
		return false
	}
	switch {
	case t.c.refusedToken(t.method, err):
		// A fresh token that is refused as well is not out of date.
		if t.renewed || t.c.replaceToken(t.ctx, t.token) != nil {
			return false
		}
		t.renewed = true
	case refusedByLearner(err):
		if others := t.c.others(); others == 0 || attempt >= learnerRounds*(others+1) || !t.c.pause(t.ctx, attempt) {
			return false
		}
	case !reads || !mayHelp(err) || !t.c.pause(t.ctx, attempt):
		return false
	}
	t.token = t.c.access.token()
	return true
}

// mayHelp reports whether a call that failed could succeed at another member or a little later. DeadlineExceeded is here
// that of the member, since the context of the call has not ended.
func mayHelp(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}

const authenticate = pb.Auth_Authenticate_FullMethodName

// refusedToken reports whether an error means that a new token may help. A member answers so before the request is
// carried out.
func (c *Client) refusedToken(method string, err error) bool {
	if !c.hasPassword() || method == authenticate {
		return false
	}
	switch rpctypes.Error(err) {
	case rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision:
		return true
	case rpctypes.ErrUserEmpty:
		// Auth was enabled after the client found it off.
		return c.access.token() == ""
	}
	return false
}

// learnerRounds bounds how often a call goes round the endpoints in search of a member that has a vote. With the pauses
// in between that is about a second, in which connections to voters may come up.
const learnerRounds = 6

// refusedByLearner reports whether a member that has no vote turned a request away unseen.
func refusedByLearner(err error) bool {
	return rpctypes.ErrorDesc(err) == rpctypes.ErrorDesc(rpctypes.ErrGRPCNotSupportedForLearner)
}

// others is the number of endpoints beside the one that was tried.
func (c *Client) others() uint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint(max(1, len(c.endpoints)) - 1)
}

// pause waits before the attempt after the given one. The first round over the members goes without: the balancer
// avoids the member that failed. It reports false when the context ended.
func (c *Client) pause(ctx context.Context, attempt uint) bool {
	others := c.others()
	if attempt < others {
		return ctx.Err() == nil
	}
	round := attempt / (others + 1)
	base := or(c.cfg.BackoffWaitBetween, defaultBackoff)
	wait := min(base<<min(round, 10), base*backoffGrowth)
	jitter := or(c.cfg.BackoffJitterFraction, defaultJitter)
	wait += time.Duration(float64(wait) * jitter * (2*rand.Float64() - 1))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// readsOnly reports whether a call changes nothing that a second call could change again.
func readsOnly(method string, req any) bool {
	switch method {
	case pb.KV_Range_FullMethodName,
		pb.Cluster_MemberList_FullMethodName,
		pb.Maintenance_Status_FullMethodName,
		pb.Maintenance_Hash_FullMethodName,
		pb.Maintenance_HashKV_FullMethodName,
		pb.Lease_LeaseTimeToLive_FullMethodName,
		pb.Lease_LeaseLeases_FullMethodName,
		pb.Auth_AuthStatus_FullMethodName,
		pb.Auth_Authenticate_FullMethodName,
		pb.Auth_UserGet_FullMethodName,
		pb.Auth_UserList_FullMethodName,
		pb.Auth_RoleGet_FullMethodName,
		pb.Auth_RoleList_FullMethodName:
		return true
	}
	switch r := req.(type) {
	case *pb.TxnRequest:
		return txnReadsOnly(r)
	case *pb.AlarmRequest:
		return r.Action == pb.AlarmRequest_GET
	}
	return false
}

func txnReadsOnly(r *pb.TxnRequest) bool {
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range ops {
			switch o := op.Request.(type) {
			case *pb.RequestOp_RequestRange:
			case *pb.RequestOp_RequestTxn:
				if !txnReadsOnly(o.RequestTxn) {
					return false
				}
			default:
				return false
			}
		}
	}
	return true
}
