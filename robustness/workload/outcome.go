package workload

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"quoin.dev/api/rpctypes"
	"quoin.dev/api/v3lockpb"
	"quoin.dev/quoin/robustness/history"
)

// OutcomeOf tells what a client knows of a call by its error. The call was sent if anything of it may have reached a member.
//
// The text decides, not the code: some errors leave a member with the code Unknown. Whatever is not known to mean that nothing was
// done and nothing will be, is of unknown outcome.
func OutcomeOf(request proto.Message, err error, sent bool) history.Outcome {
	switch {
	case err == nil:
		return history.OK
	case !sent:
		return history.Refused
	}
	if _, ok := request.(*v3lockpb.LockRequest); ok {
		// The call is a row of requests: the first one may be done when a later one is refused.
		return history.Unknown
	}
	if refusal(err) {
		return history.Refused
	}
	return history.Unknown
}

// refusal tells whether an error is the answer of a member that did nothing.
func refusal(err error) bool {
	if meaning, ok := meanings[rpctypes.ErrorDesc(err)]; ok {
		return meaning.outcome == history.Refused
	}
	// No handler ran. ResourceExhausted would be as plain when a member says so, but it also is what this side says of an answer that
	// is too large.
	return status.Code(err) == codes.Unimplemented
}

// says tells whether an error is one of the wire.
func says(err, wire error) bool { return rpctypes.ErrorDesc(err) == rpctypes.ErrorDesc(wire) }

// staleToken tells whether a user needs a new token.
func staleToken(err error) bool {
	return says(err, rpctypes.ErrGRPCInvalidAuthToken) || says(err, rpctypes.ErrGRPCAuthOldRevision) || says(err, rpctypes.ErrGRPCUserEmpty)
}

// meaning is what an error says of its request, and why.
type meaning struct {
	outcome history.Outcome
	why     string
}

// Why nothing was done.
const (
	validated = "the member holds the request against the rules before it proposes it"
	decided   = "all members decide so when the entry is applied, before anything is changed"
	notTaken  = "the member refuses it before it proposes it"
	noHandler = "the call is stopped before its handler"
)

// Why it can not be known.
const (
	waiting  = "the proposal is on its way, the member only does not wait for it any longer"
	anyPhase = "it is said in any phase of a call, also after a part of it was done"
)

// meanings is the table of all errors, by their texts.
var meanings = func() map[string]meaning {
	m := map[string]meaning{}
	add := func(outcome history.Outcome, why string, errs ...error) {
		for _, err := range errs {
			m[rpctypes.ErrorDesc(err)] = meaning{outcome, why}
		}
	}
	say := func(texts ...string) (errs []error) {
		for _, text := range texts {
			errs = append(errs, status.Error(codes.Unknown, text))
		}
		return errs
	}

	add(history.Refused, validated,
		rpctypes.ErrGRPCEmptyKey, rpctypes.ErrGRPCValueProvided, rpctypes.ErrGRPCLeaseProvided, rpctypes.ErrGRPCTooManyOps,
		rpctypes.ErrGRPCDuplicateKey, rpctypes.ErrGRPCInvalidSortOption, rpctypes.ErrGRPCRequestTooLarge, rpctypes.ErrGRPCMemberBadURLs,
		rpctypes.ErrGRPCLeaseTTLTooLarge, rpctypes.ErrGRPCWrongDowngradeVersionFormat, rpctypes.ErrGRPCInvalidDowngradeTargetVersion)
	// A transaction looks at the revisions, leases and keys of all its operations before it writes the first.
	add(history.Refused, decided,
		rpctypes.ErrGRPCKeyNotFound, rpctypes.ErrGRPCCompacted, rpctypes.ErrGRPCFutureRev, rpctypes.ErrGRPCLeaseNotFound, rpctypes.ErrGRPCLeaseExist,
		rpctypes.ErrGRPCMemberExist, rpctypes.ErrGRPCPeerURLExist, rpctypes.ErrGRPCMemberNotFound, rpctypes.ErrGRPCMemberNotLearner,
		rpctypes.ErrGRPCTooManyLearners, rpctypes.ErrGRPCCorrupt)
	add(history.Refused, decided,
		rpctypes.ErrGRPCRootUserNotExist, rpctypes.ErrGRPCRootRoleNotExist, rpctypes.ErrGRPCUserAlreadyExist, rpctypes.ErrGRPCUserEmpty,
		rpctypes.ErrGRPCUserNotFound, rpctypes.ErrGRPCRoleAlreadyExist, rpctypes.ErrGRPCRoleNotFound, rpctypes.ErrGRPCRoleEmpty,
		rpctypes.ErrGRPCPermissionNotGiven, rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCRoleNotGranted, rpctypes.ErrGRPCPermissionNotGranted,
		rpctypes.ErrGRPCAuthFailed, rpctypes.ErrGRPCAuthNotEnabled, rpctypes.ErrGRPCInvalidAuthMgmt, rpctypes.ErrGRPCAuthOldRevision)
	add(history.Refused, notTaken,
		rpctypes.ErrGRPCRequestTooManyRequests, rpctypes.ErrGRPCUnhealthy, rpctypes.ErrGRPCMemberNotEnoughStarted, rpctypes.ErrGRPCLearnerNotReady,
		rpctypes.ErrGRPCNotLeader, rpctypes.ErrGRPCBadLeaderTransferee, rpctypes.ErrGRPCClusterVersionUnavailable,
		rpctypes.ErrGRPCDowngradeInProcess, rpctypes.ErrGRPCNoInflightDowngrade, rpctypes.ErrGRPCClusterIDMismatch)
	add(history.Refused, notTaken, say("auth: too many passwords are being checked",
		"auth: authentication failed, password was given for no password user", "auth: token signing attempted with verify-only key")...)
	add(history.Refused, noHandler,
		rpctypes.ErrGRPCInvalidAuthToken, rpctypes.ErrGRPCNotSupportedForLearner, rpctypes.ErrGRPCNotCapable,
		rpctypes.ErrGRPCInvalidClientAPIVersion)

	add(history.Unknown, waiting,
		rpctypes.ErrGRPCTimeout, rpctypes.ErrGRPCTimeoutDueToLeaderFail, rpctypes.ErrGRPCTimeoutDueToConnectionLost,
		rpctypes.ErrGRPCTimeoutWaitAppliedIndex, rpctypes.ErrGRPCStopped, rpctypes.ErrGRPCCanceled, rpctypes.ErrGRPCDeadlineExceeded)
	add(history.Unknown, anyPhase, rpctypes.ErrGRPCNoLeader, rpctypes.ErrGRPCLeaderChanged, rpctypes.ErrGRPCWatchCanceled)
	add(history.Unknown, anyPhase, say("not a primary lessor", "mutex: session is expired",
		"etcdserver: this member holds something else than the others; ask another member")...)
	add(history.Unknown, "a member whose quota is exceeded while the entry is on its way applies it, and answers with this all the same",
		rpctypes.ErrGRPCNoSpace)
	return m
}()
