package rpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/api/rpctypes"

	"quoin.dev/server/apply"
	"quoin.dev/server/auth"
	"quoin.dev/server/lease"
	"quoin.dev/server/member"
	"quoin.dev/server/membership"
	"quoin.dev/storage/mvcc"
)

// wire says as which error of the API an error of the member leaves it.
var wire = []struct{ from, to error }{
	{mvcc.ErrCompacted, rpctypes.ErrGRPCCompacted},
	{mvcc.ErrFutureRevision, rpctypes.ErrGRPCFutureRev},
	{apply.ErrKeyNotFound, rpctypes.ErrGRPCKeyNotFound},
	{apply.ErrNoSpace, rpctypes.ErrGRPCNoSpace},
	{apply.ErrCorrupt, rpctypes.ErrGRPCCorrupt},
	{membership.ErrIDNotFound, rpctypes.ErrGRPCMemberNotFound},
	{membership.ErrIDRemoved, rpctypes.ErrGRPCMemberNotFound},
	{membership.ErrIDExists, rpctypes.ErrGRPCMemberExist},
	{membership.ErrPeerURLExists, rpctypes.ErrGRPCPeerURLExist},
	{membership.ErrNotLearner, rpctypes.ErrGRPCMemberNotLearner},
	{membership.ErrTooManyLearners, rpctypes.ErrGRPCTooManyLearners},
	{membership.ErrLastVoter, notEnoughStarted},
	{member.ErrNotEnoughStarted, notEnoughStarted},
	{member.ErrUnhealthy, rpctypes.ErrGRPCUnhealthy},
	{member.ErrLearnerNotReady, rpctypes.ErrGRPCLearnerNotReady},
	{member.ErrNotLeader, rpctypes.ErrGRPCNotLeader},
	{member.ErrBadTransferee, rpctypes.ErrGRPCBadLeaderTransferee},
	{member.ErrDowngradeFormat, rpctypes.ErrGRPCWrongDowngradeVersionFormat},
	{member.ErrDowngradeTarget, rpctypes.ErrGRPCInvalidDowngradeTargetVersion},
	{member.ErrDowngradeRuns, rpctypes.ErrGRPCDowngradeInProcess},
	{member.ErrNoClusterVersion, rpctypes.ErrGRPCClusterVersionUnavailable},
	{lease.ErrNotFound, rpctypes.ErrGRPCLeaseNotFound},
	{lease.ErrExists, rpctypes.ErrGRPCLeaseExist},
	{lease.ErrTTLTooLarge, rpctypes.ErrGRPCLeaseTTLTooLarge},
	{auth.ErrRootUserNotExist, rpctypes.ErrGRPCRootUserNotExist},
	{auth.ErrRootRoleNotExist, rpctypes.ErrGRPCRootRoleNotExist},
	{auth.ErrUserAlreadyExist, rpctypes.ErrGRPCUserAlreadyExist},
	{auth.ErrUserEmpty, rpctypes.ErrGRPCUserEmpty},
	{auth.ErrUserNotFound, rpctypes.ErrGRPCUserNotFound},
	{auth.ErrRoleAlreadyExist, rpctypes.ErrGRPCRoleAlreadyExist},
	{auth.ErrRoleNotFound, rpctypes.ErrGRPCRoleNotFound},
	{auth.ErrRoleEmpty, rpctypes.ErrGRPCRoleEmpty},
	{auth.ErrAuthFailed, rpctypes.ErrGRPCAuthFailed},
	{auth.ErrPermissionNotGiven, rpctypes.ErrGRPCPermissionNotGiven},
	{auth.ErrPermissionDenied, rpctypes.ErrGRPCPermissionDenied},
	{auth.ErrRoleNotGranted, rpctypes.ErrGRPCRoleNotGranted},
	{auth.ErrPermissionNotGranted, rpctypes.ErrGRPCPermissionNotGranted},
	{auth.ErrAuthNotEnabled, rpctypes.ErrGRPCAuthNotEnabled},
	{auth.ErrInvalidAuthToken, rpctypes.ErrGRPCInvalidAuthToken},
	{auth.ErrInvalidAuthMgmt, rpctypes.ErrGRPCInvalidAuthMgmt},
	{auth.ErrAuthOldRevision, rpctypes.ErrGRPCAuthOldRevision},
	{auth.ErrTooManyPasswords, status.Error(codes.ResourceExhausted, auth.ErrTooManyPasswords.Error())},
	{member.ErrRequestTooLarge, rpctypes.ErrGRPCRequestTooLarge},
	{member.ErrTimeout, rpctypes.ErrGRPCTimeout},
	{member.ErrTimeoutLeaderFail, rpctypes.ErrGRPCTimeoutDueToLeaderFail},
	{member.ErrTimeoutConnectionLost, rpctypes.ErrGRPCTimeoutDueToConnectionLost},
	{member.ErrStopped, rpctypes.ErrGRPCStopped},
	// The published API gives this one no code of its own, and clients match the text.
	{member.ErrTooManyRequests, status.Error(codes.Unknown, "etcdserver: too many requests")},
	// Unavailable makes clients ask another member; the published API has no error for this.
	{member.ErrDiffers, status.Error(codes.Unavailable, member.ErrDiffers.Error())},
	{context.Canceled, status.Error(codes.Canceled, "context canceled")},
	{context.DeadlineExceeded, status.Error(codes.DeadlineExceeded, "context deadline exceeded")},
}

// notEnoughStarted leaves with code Unknown, though it is published with another.
var notEnoughStarted = status.Error(codes.Unknown, member.ErrNotEnoughStarted.Error())

// toWire translates an error for the client; one that has a gRPC status already keeps it.
func toWire(err error) error {
	if err == nil {
		return nil
	}
	for _, w := range wire {
		if errors.Is(err, w.from) {
			return w.to
		}
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.Unknown, err.Error())
}
