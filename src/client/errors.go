package client

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/api/rpctypes"
)

var (
	// ErrNoAvailableEndpoints is returned by New for an empty list of endpoints, and by Sync when no member
	// advertises a client URL.
	ErrNoAvailableEndpoints = errors.New("etcdclient: no available endpoints")
	// ErrOldCluster is returned by New when Config.RejectOldCluster is set and a member is too old.
	ErrOldCluster = errors.New("etcdclient: old cluster version")
)

// ContextError returns what a call with the context returns for an error of gRPC: the answer of a member as an
// rpctypes.EtcdError, the error of the context if that has ended, or the error itself.
func ContextError(ctx context.Context, err error) error {
	err = rpctypes.Error(err)
	if _, answered := err.(rpctypes.EtcdError); err == nil || answered {
		return err
	}
	if s, ok := status.FromError(err); ok && ctx.Err() != nil {
		if s.Code() == codes.DeadlineExceeded || s.Code() == codes.Canceled {
			return ctx.Err()
		}
	}
	return err
}

// IsConnCanceled reports whether an error comes from a connection that was closed on this side.
func IsConnCanceled(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, context.Canceled) {
		return true
	}
	s, ok := status.FromError(err)
	return ok && s.Code() == codes.Canceled
}
