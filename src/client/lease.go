package client

import (
	"context"
	"errors"
	"io"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// LeaseID names a lease. NoLease means none.
type LeaseID int64

// NoLease is the absence of a lease.
const NoLease LeaseID = 0

// MaxLeaseTTL is the longest time to live of a lease, in seconds.
const MaxLeaseTTL = 9000000000

// Lease makes, renews and ends leases: keys that were put WithLease are deleted when their lease ends.
type Lease interface {
	// Grant makes a lease that ends ttl seconds after its last renewal. The member may choose a longer time, which
	// the response tells.
	Grant(ctx context.Context, ttl int64) (*LeaseGrantResponse, error)

	// Revoke ends a lease, or fails with rpctypes.ErrLeaseNotFound.
	Revoke(ctx context.Context, id LeaseID) (*LeaseRevokeResponse, error)

	// TimeToLive tells what is left of a lease, and under WithAttachedKeys its keys. A lease that is not there is no
	// error: its TTL is -1.
	TimeToLive(ctx context.Context, id LeaseID, opts ...LeaseOption) (*LeaseTimeToLiveResponse, error)

	// Leases lists the leases, those that end first in front, as one member knows them.
	Leases(ctx context.Context) (*LeaseLeasesResponse, error)

	// KeepAlive renews a lease at once, and then each time a third of its time is over, until the context ends.
	// The channel receives the answers. It is closed when the context ends, when the lease is not there any more, when
	// its time is over without an answer, or by Close. All leases share one stream, which is opened again at another
	// member when it breaks or a member does not answer.
	//
	// A reader who does not keep up misses answers, but never the last one; the log says so once for each channel.
	// After Close, the error is an ErrKeepAliveHalted.
	KeepAlive(ctx context.Context, id LeaseID) (<-chan *LeaseKeepAliveResponse, error)

	// KeepAliveOnce renews a lease, or fails with rpctypes.ErrLeaseNotFound.
	KeepAliveOnce(ctx context.Context, id LeaseID) (*LeaseKeepAliveResponse, error)

	// Close ends the renewals. It does not revoke the leases.
	Close() error
}

// LeaseRevokeResponse is the result of Lease.Revoke, as on the wire.
type LeaseRevokeResponse = pb.LeaseRevokeResponse

// LeaseGrantResponse is the result of Lease.Grant. TTL is in seconds.
type LeaseGrantResponse struct {
	*pb.ResponseHeader
	ID    LeaseID
	TTL   int64
	Error string
}

// LeaseKeepAliveResponse is a renewal: the lease lives for TTL seconds more.
type LeaseKeepAliveResponse struct {
	*pb.ResponseHeader
	ID  LeaseID
	TTL int64
}

// LeaseTimeToLiveResponse is the result of Lease.TimeToLive, in seconds.
type LeaseTimeToLiveResponse struct {
	*pb.ResponseHeader
	ID LeaseID `json:"id"`
	// TTL is what is left; -1 = there is no such lease.
	TTL int64 `json:"ttl"`
	// GrantedTTL is what each renewal begins with.
	GrantedTTL int64 `json:"granted-ttl"`
	// Keys are those attached to the lease, in no order.
	Keys [][]byte `json:"keys"`
}

// LeaseStatus is an element of a list of leases.
type LeaseStatus struct {
	ID LeaseID `json:"id"`
}

// LeaseLeasesResponse is the result of Lease.Leases.
type LeaseLeasesResponse struct {
	*pb.ResponseHeader
	Leases []LeaseStatus `json:"leases"`
}

// LeaseOp is a question about a lease.
type LeaseOp struct{ keys bool }

// LeaseOption changes a question about a lease.
type LeaseOption func(*LeaseOp)

// WithAttachedKeys makes TimeToLive list the keys of the lease.
func WithAttachedKeys() LeaseOption { return func(op *LeaseOp) { op.keys = true } }

// ErrKeepAliveHalted is returned by KeepAlive when leases are not renewed any more.
type ErrKeepAliveHalted struct{ Reason error }

// Error implements error.
func (e ErrKeepAliveHalted) Error() string {
	text := "etcdclient: leases keep alive halted"
	if e.Reason != nil {
		text += ": " + e.Reason.Error()
	}
	return text
}

// Unwrap returns the reason.
func (e ErrKeepAliveHalted) Unwrap() error { return e.Reason }

func (l *lessor) Grant(ctx context.Context, ttl int64) (*LeaseGrantResponse, error) {
	r, err := l.remote.LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: ttl})
	if err != nil {
		return nil, ContextError(ctx, err)
	}
	return &LeaseGrantResponse{ResponseHeader: r.Header, ID: LeaseID(r.ID), TTL: r.TTL, Error: r.Error}, nil
}

func (l *lessor) Revoke(ctx context.Context, id LeaseID) (*LeaseRevokeResponse, error) {
	r, err := l.remote.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: int64(id)})
	return r, ContextError(ctx, err)
}

func (l *lessor) TimeToLive(ctx context.Context, id LeaseID, opts ...LeaseOption) (*LeaseTimeToLiveResponse, error) {
	var op LeaseOp
	for _, opt := range opts {
		opt(&op)
	}
	r, err := l.remote.LeaseTimeToLive(ctx, &pb.LeaseTimeToLiveRequest{ID: int64(id), Keys: op.keys})
	if err != nil {
		return nil, ContextError(ctx, err)
	}
	return &LeaseTimeToLiveResponse{
		ResponseHeader: r.Header, ID: LeaseID(r.ID), TTL: r.TTL, GrantedTTL: r.GrantedTTL, Keys: r.Keys,
	}, nil
}

func (l *lessor) Leases(ctx context.Context) (*LeaseLeasesResponse, error) {
	r, err := l.remote.LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
	if err != nil {
		return nil, ContextError(ctx, err)
	}
	leases := make([]LeaseStatus, len(r.Leases))
	for i, s := range r.Leases {
		leases[i].ID = LeaseID(s.ID)
	}
	return &LeaseLeasesResponse{ResponseHeader: r.Header, Leases: leases}, nil
}

// KeepAliveOnce repeats what fails, since to renew twice does no harm.
func (l *lessor) KeepAliveOnce(ctx context.Context, id LeaseID) (*LeaseKeepAliveResponse, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	tries := l.c.tries(inner, pb.Lease_LeaseKeepAlive_FullMethodName)
	for {
		r, err := l.renewOnce(inner, id)
		if err == nil {
			if r.TTL <= 0 {
				return nil, rpctypes.ErrLeaseNotFound
			}
			return keepAliveResponse(r), nil
		}
		if !tries.again(err, true) {
			return nil, ContextError(ctx, err)
		}
	}
}

func (l *lessor) renewOnce(ctx context.Context, id LeaseID) (*pb.LeaseKeepAliveResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := l.remote.LeaseKeepAlive(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(id)}); err == nil {
		_ = stream.CloseSend()
	} // else Recv has the reason
	r, err := stream.Recv()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return r, err
}

func keepAliveResponse(r *pb.LeaseKeepAliveResponse) *LeaseKeepAliveResponse {
	return &LeaseKeepAliveResponse{ResponseHeader: r.Header, ID: LeaseID(r.ID), TTL: r.TTL}
}
