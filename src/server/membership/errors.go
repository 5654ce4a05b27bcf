package membership

import "errors"

// Why a change of membership is refused. The texts are those that cross the peer port.
var (
	ErrIDRemoved       = errors.New("membership: ID removed")
	ErrIDExists        = errors.New("membership: ID exists")
	ErrIDNotFound      = errors.New("membership: ID not found")
	ErrPeerURLExists   = errors.New("membership: peerURL exists")
	ErrNotLearner      = errors.New("membership: can only promote a learner member")
	ErrTooManyLearners = errors.New("membership: too many learner members in cluster")
	// ErrLastVoter: without a voter nothing could be committed any more. etcd ends all of its members with a panic.
	ErrLastVoter = errors.New("membership: can not remove the last voting member")
)
