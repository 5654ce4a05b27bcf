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
