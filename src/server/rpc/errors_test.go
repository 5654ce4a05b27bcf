package rpc

import (
	"context"
	"errors"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/api/rpctypes"

	"quoin.dev/server/apply"
	"quoin.dev/server/auth"
	"quoin.dev/server/lease"
	"quoin.dev/server/member"
	"quoin.dev/storage/mvcc"
)

// TestErrorsLeaveAsPublished spells out code and text of every error that leaves a member: clients match both.
func TestErrorsLeaveAsPublished(t *testing.T) {
	for _, c := range []struct {
		err  error
		code codes.Code
		text string
	}{
		{mvcc.ErrCompacted, codes.OutOfRange, "etcdserver: mvcc: required revision has been compacted"},
		{mvcc.ErrFutureRevision, codes.OutOfRange, "etcdserver: mvcc: required revision is a future revision"},
		{apply.ErrNoSpace, codes.ResourceExhausted, "etcdserver: mvcc: database space exceeded"},
		{apply.ErrCorrupt, codes.DataLoss, "etcdserver: corrupt cluster"},
		{apply.ErrKeyNotFound, codes.InvalidArgument, "etcdserver: key not found"},
		{lease.ErrNotFound, codes.NotFound, "etcdserver: requested lease not found"},
		{lease.ErrExists, codes.FailedPrecondition, "etcdserver: lease already exists"},
		{lease.ErrTTLTooLarge, codes.OutOfRange, "etcdserver: too large lease TTL"},
		{auth.ErrRootUserNotExist, codes.FailedPrecondition, "etcdserver: root user does not exist"},
		{auth.ErrRootRoleNotExist, codes.FailedPrecondition, "etcdserver: root user does not have root role"},
		{auth.ErrUserAlreadyExist, codes.FailedPrecondition, "etcdserver: user name already exists"},
		{auth.ErrUserEmpty, codes.InvalidArgument, "etcdserver: user name is empty"},
		{auth.ErrUserNotFound, codes.FailedPrecondition, "etcdserver: user name not found"},
		{auth.ErrRoleAlreadyExist, codes.FailedPrecondition, "etcdserver: role name already exists"},
		{auth.ErrRoleNotFound, codes.FailedPrecondition, "etcdserver: role name not found"},
		{auth.ErrRoleEmpty, codes.InvalidArgument, "etcdserver: role name is empty"},
		{auth.ErrAuthFailed, codes.InvalidArgument, "etcdserver: authentication failed, invalid user ID or password"},
		{auth.ErrNoPasswordUser, codes.Unknown, "auth: authentication failed, password was given for no password user"},
		{auth.ErrPermissionNotGiven, codes.InvalidArgument, "etcdserver: permission not given"},
		{auth.ErrPermissionDenied, codes.PermissionDenied, "etcdserver: permission denied"},
		{auth.ErrRoleNotGranted, codes.FailedPrecondition, "etcdserver: role is not granted to the user"},
		{auth.ErrPermissionNotGranted, codes.FailedPrecondition, "etcdserver: permission is not granted to the role"},
		{auth.ErrAuthNotEnabled, codes.FailedPrecondition, "etcdserver: authentication is not enabled"},
		{auth.ErrInvalidAuthToken, codes.Unauthenticated, "etcdserver: invalid auth token"},
		{auth.ErrInvalidAuthMgmt, codes.InvalidArgument, "etcdserver: invalid auth management"},
		{auth.ErrAuthOldRevision, codes.InvalidArgument, "etcdserver: revision of auth store is old"},
		{member.ErrRequestTooLarge, codes.InvalidArgument, "etcdserver: request is too large"},
		{member.ErrTooManyRequests, codes.Unknown, "etcdserver: too many requests"},
		{member.ErrStopped, codes.Unavailable, "etcdserver: server stopped"},
		{member.ErrTimeout, codes.Unavailable, "etcdserver: request timed out"},
		{member.ErrTimeoutLeaderFail, codes.Unavailable, "etcdserver: request timed out, possibly due to previous leader failure"},
		{member.ErrTimeoutConnectionLost, codes.Unavailable, "etcdserver: request timed out, possibly due to connection lost"},
		{context.Canceled, codes.Canceled, "context canceled"},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "context deadline exceeded"},
		{rpctypes.ErrGRPCNotSupportedForLearner, codes.FailedPrecondition, "etcdserver: rpc not supported for learner"},
		{errors.New("something else"), codes.Unknown, "something else"},
	} {
		t.Run(c.text, func(t *testing.T) {
			w := NewWithT(t)
			for _, err := range []error{c.err, toWire(c.err)} {
				sent := toWire(err)
				w.Expect(status.Code(sent)).To(Equal(c.code))
				w.Expect(status.Convert(sent).Message()).To(Equal(c.text))
			}
			if _, isStatus := status.FromError(c.err); !isStatus && c.code != codes.Unknown {
				w.Expect(status.Code(toWire(fmt.Errorf("range: %w", c.err)))).To(Equal(c.code), "wrapped on its way")
			}
		})
	}
	NewWithT(t).Expect(toWire(nil)).To(Succeed())
}
