package member

import (
	"math"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/server/membership"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/roster"
)

// replayConfChange tells raft again about a change that the database has seen already. What was refused then is refused
// now: raft must not wait for the vote of a member that is not there.
func (a *machine) replayConfChange(change *raftpb.ConfChange) *raftpb.ConfState {
	if a.wasRefused(change) {
		change.NodeId = new(uint64(0))
	}
	return a.tellRaft(change)
}

// wasRefused finds out what became of a change when it was first applied. The list in the database is of a later time, so
// the list of that time is followed beside it.
func (a *machine) wasRefused(change *raftpb.ConfChange) bool {
	if a.history == nil {
		return false
	}
	effect, err := a.history.Apply(change)
	if err != nil {
		return true
	}
	if effect.Kind != membership.Added {
		return false
	}
	// Whoever was added is a member to this day, or known as removed. That also tells what the history does not check:
	// the bound on learners, which may have been another then.
	id := change.GetNodeId()
	if _, known := a.m.state.Members.Member(id); known || a.m.state.Members.IsRemoved(id) {
		return false
	}
	_, _ = a.history.Apply(membership.RemoveChange(id)) // it has just been added, so it can be removed
	return true
}

// historyOf is the member list as of a snapshot, or as of the beginning of the log. It is nil if the snapshot does not
// say who belonged to the cluster then.
func historyOf(from *raftpb.Snapshot) *membership.Cluster {
	history := membership.New(nowhere{}, membership.Options{MaxLearners: math.MaxInt})
	if from == nil {
		return history
	}
	then, err := roster.DecodeImage(from.GetData())
	confState := from.GetMetadata().GetConfState()
	if err != nil || len(then.Members) != len(confState.GetVoters())+len(confState.GetLearners()) {
		return nil
	}
	changes := make([]*raftpb.ConfChange, 0, 2*len(then.Removed)+len(then.Members))
	for _, id := range then.Removed {
		changes = append(changes, membership.AddChange(membership.Member{ID: id, IsLearner: true}), membership.RemoveChange(id))
	}
	for _, m := range then.Members {
		changes = append(changes, membership.AddChange(m))
	}
	for _, change := range changes {
		if _, err := history.Apply(change); err != nil {
			return nil
		}
	}
	return history
}

// nowhere is where the rows of a list go that is only followed.
type nowhere struct{}

func (nowhere) Put(backend.Bucket, []byte, []byte) {}
func (nowhere) Delete(backend.Bucket, []byte)      {}
