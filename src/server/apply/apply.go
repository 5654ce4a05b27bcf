// Package apply is the deterministic state machine of a member: a committed request in, its effect and its result out.
//
// It has no clock, no goroutine, no randomness and no I/O of its own, so that every member that applies the same log
// holds the same state. What depends on the member alone, such as who waits for a result, comes in as an argument.
package apply

import (
	"errors"
	"fmt"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/alarm"
	"quoin.dev/server/auth"
	"quoin.dev/server/lease"
	"quoin.dev/server/membership"
	"quoin.dev/storage/mvcc"
	"quoin.dev/storage/schema"
)

// Errors that a request can end with, beside those of mvcc, lease, auth and membership.
var (
	// ErrKeyNotFound: ignore_value or ignore_lease names a key that does not exist.
	ErrKeyNotFound = errors.New("etcdserver: key not found")
	// ErrNoSpace: the NOSPACE alarm is active and the request would grow the store.
	ErrNoSpace = errors.New("etcdserver: no space")
	// ErrCorrupt: the CORRUPT alarm is active.
	ErrCorrupt = errors.New("etcdserver: corrupt cluster")
)

// State is everything the log changes.
type State struct {
	KV      *mvcc.Store
	Leases  *lease.Lessor
	Members *membership.Cluster
	Alarms  *alarm.Set
	Auth    *auth.Store
	// Rows takes rows into the batch that is being applied.
	Rows schema.Writer
	// Watches is told of every change once it is made; nil if nobody watches.
	Watches interface{ Publish([]mvcc.Change) }
}

// end ends a transaction and tells of what it changed.
func (s *State) end(txn *mvcc.Txn) {
	if changes := txn.End(); s.Watches != nil {
		s.Watches.Publish(changes)
	}
}

// Result is what became of a request.
type Result struct {
	// Response is the message of the request's RPC without the member's part of the header; nil when Err is set.
	Response any
	Err      error
	// Physical is closed when a compaction has removed what it compacted; nil for other requests.
	Physical <-chan struct{}
}

// Apply applies the request of the entry at index. wanted says that somebody on this member waits for the result; without it,
// reads inside of a transaction are skipped, since they change nothing. Whether the sender may do this is decided here, whatever
// was decided before: users and roles may have changed on the way.
func (s *State) Apply(r *pb.InternalRaftRequest, index uint64, wanted bool) Result {
	if err := s.Auth.View().Decide(senderOf(r), r, s.Leases); err != nil {
		return Result{Err: err}
	}
	if err := s.refuse(r); err != nil {
		return Result{Err: err}
	}
	switch {
	case r.Put != nil:
		return result(s.put(r.Put))
	case r.Txn != nil:
		return result(s.txn(r.Txn, wanted))
	case r.DeleteRange != nil:
		return result(s.deleteRange(r.DeleteRange))
	case r.Range != nil:
		return result(s.rangeInLog(r.Range, wanted))
	case r.Compaction != nil:
		return s.compact(r.Compaction)
	case r.LeaseGrant != nil:
		return result(s.leaseGrant(r.LeaseGrant))
	case r.LeaseRevoke != nil:
		return result(s.leaseRevoke(r.LeaseRevoke))
	case r.LeaseCheckpoint != nil:
		for _, c := range r.LeaseCheckpoint.Checkpoints {
			// A lease that is gone was revoked after the checkpoint was proposed: there is nothing to record.
			_ = s.Leases.Checkpoint(lease.ID(c.ID), c.Remaining_TTL)
		}
		return Result{Response: &pb.LeaseCheckpointResponse{}}
	case r.Alarm != nil:
		return Result{Response: s.alarm(r.Alarm)}
	case r.ClusterMemberAttrSet != nil:
		attributes := r.ClusterMemberAttrSet.GetMemberAttributes()
		s.Members.SetAttributes(r.ClusterMemberAttrSet.Member_ID, attributes.GetName(), attributes.GetClientUrls())
		return Result{}
	case r.ClusterVersionSet != nil:
		// The storage version follows the cluster version in the same batch, so that no file claims what it does not hold.
		s.Members.SetVersion(r.ClusterVersionSet.Ver)
		schema.PutStorageVersion(s.Rows, schema.StorageVersionFor(r.ClusterVersionSet.Ver))
		return Result{}
	case r.DowngradeInfoSet != nil:
		s.Members.SetDowngrade(membership.Downgrade{Enabled: r.DowngradeInfoSet.Enabled, TargetVersion: r.DowngradeInfoSet.Ver})
		return Result{}
	case r.DowngradeVersionTest != nil:
		return Result{} // it exists only to mark a log as needing a version
	}
	if result, ok := s.applyAuth(r, index); ok {
		return result
	}
	panic(fmt.Sprintf("apply: the log holds a request that this version of quoin does not know (id %x); expected one of KV, "+
		"lease, alarm, membership or auth; start this member with a version that supports it", r.GetHeader().GetID()))
}

func result[T any](response *T, err error) Result {
	if err != nil {
		return Result{Err: err}
	}
	return Result{Response: response}
}

// refuse holds a request against the active alarms.
func (s *State) refuse(r *pb.InternalRaftRequest) error {
	if s.Alarms.Empty() {
		return nil
	}
	changesKeys := r.Put != nil || r.DeleteRange != nil || r.Txn != nil
	if s.Alarms.Active(pb.AlarmType_CORRUPT) && (changesKeys || r.Compaction != nil || r.LeaseGrant != nil || r.LeaseRevoke != nil) {
		return ErrCorrupt
	}
	grows := r.Put != nil || r.LeaseGrant != nil || (r.Txn != nil && Cost(r) > 0)
	if s.Alarms.Active(pb.AlarmType_NOSPACE) && grows {
		return ErrNoSpace
	}
	return nil
}

func (s *State) compact(r *pb.CompactionRequest) Result {
	done, err := s.KV.Compact(r.Revision)
	if err != nil {
		return Result{Err: err}
	}
	return Result{Response: &pb.CompactionResponse{Header: &pb.ResponseHeader{Revision: s.KV.Revision()}}, Physical: done}
}

func (s *State) alarm(r *pb.AlarmRequest) *pb.AlarmResponse {
	response := &pb.AlarmResponse{Header: &pb.ResponseHeader{Revision: s.KV.Revision()}}
	m := &pb.AlarmMember{MemberID: r.MemberID, Alarm: r.Alarm}
	switch r.Action {
	case pb.AlarmRequest_GET:
		response.Alarms = s.Alarms.List(r.Alarm)
	case pb.AlarmRequest_ACTIVATE:
		if r.Alarm != pb.AlarmType_NONE {
			s.Alarms.Activate(m)
			response.Alarms = []*pb.AlarmMember{m}
		}
	case pb.AlarmRequest_DEACTIVATE:
		if s.Alarms.Deactivate(m) {
			response.Alarms = []*pb.AlarmMember{m}
		}
	}
	return response
}
