package member

import (
	"fmt"
	"strings"

	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"quoin.dev/server/config"
	"quoin.dev/server/membership"
	"quoin.dev/storage/wal"
)

// --force-new-cluster goes on from one directory when the majority of its cluster is lost for good. The log gets changes of
// membership at its end that leave this member alone, and all of it counts as committed. They are applied like any others:
// the rows, the configuration of raft and what a snapshot says of them follow, whatever the directory began with.
//
// How far the log was committed is written later than the entries themselves, so the end of it may have been acknowledged. What
// was not is a write of unknown fate, which may come true. etcd drops both.
//
// A crash in the middle leaves some of the changes, which the next forced start takes into account; one of a member that is
// alone changes nothing.

// forceNewCluster changes the contents of the log, on disk and as they were read. The database is open, and holds the
// members as of the entry that it goes to.
func (m *Member) forceNewCluster(snapshot *raftpb.Snapshot, contents *wal.Contents) error {
	if m.state.Members.IsRemoved(m.id) {
		return fmt.Errorf("member: --force-new-cluster: this member, %s, was removed from its cluster before that was lost, and its data "+
			"are old: use the directory of another member, or restore from a snapshot", membership.FormatID(m.id))
	}
	committed := snapshot.GetMetadata().GetIndex() + uint64(len(contents.Entries))
	term := max(1, contents.HardState.GetTerm(), snapshot.GetMetadata().GetTerm())
	var entries []*raftpb.Entry
	for _, change := range m.changesToAlone(contents.Entries) {
		data, err := proto.Marshal(change)
		if err != nil {
			return err
		}
		committed++
		entries = append(entries, &raftpb.Entry{
			Index: new(committed), Term: new(term), Type: raftpb.EntryConfChange.Enum(), Data: data,
		})
	}
	state := &raftpb.HardState{Term: new(term), Vote: new(contents.HardState.GetVote()), Commit: new(committed)}
	if err := m.wal.Append(state, entries); err != nil {
		return fmt.Errorf("member: --force-new-cluster: %w", err)
	}
	if err := m.wal.Sync(); err != nil {
		return fmt.Errorf("member: --force-new-cluster: %w", err)
	}
	contents.HardState, contents.Entries = state, append(contents.Entries, entries...)
	m.forcedTo = committed
	return nil
}

// changesToAlone lists the changes that leave this member as the only one, and a voter. It becomes that first: at no moment
// may there be no voter.
func (m *Member) changesToAlone(committed []*raftpb.Entry) (changes []*raftpb.ConfChange) {
	members := m.membersAfter(committed)
	self, known := members.Member(m.id)
	switch {
	case !known: // the log ends before this member was added
		urls := config.Strings(m.cfg.Cluster.InitialAdvertisePeerURLs)
		add := membership.AddChange(membership.Member{ID: m.id, PeerURLs: urls})
		if members.Validate(add) != nil { // an earlier member had its URLs
			for _, other := range members.Members() {
				changes = append(changes, membership.UpdateChange(other.ID, nil))
			}
		}
		changes = append(changes, add)
	case self.IsLearner:
		changes = append(changes, membership.PromoteChange(m.id))
	}
	var gone []string
	for _, other := range members.Members() {
		if other.ID != m.id {
			changes = append(changes, membership.RemoveChange(other.ID))
			gone = append(gone, membership.FormatID(other.ID))
		}
	}
	m.logger.Warn("forcing a new cluster of this member alone; the members that are removed must not run any more",
		zap.String("local-member-id", membership.FormatID(m.id)), zap.String("removed-member-ids", strings.Join(gone, ",")))
	return changes
}

// membersAfter follows the member list from where the database is to the end of some entries.
func (m *Member) membersAfter(entries []*raftpb.Entry) *membership.Cluster {
	members := m.state.Members.Copy(nowhere{})
	consistent, _ := m.backend.Applied()
	for _, e := range entries {
		if e.GetType() != raftpb.EntryConfChange || e.GetIndex() <= consistent {
			continue
		}
		_, _ = members.Apply(changeOf(e)) // what is refused now was, and will be, when it is applied
	}
	return members
}

// hears reports whether a message of another member may reach raft. A member that was forced to be alone listens to nobody
// before it is, and to none of its former cluster afterwards, for whose log it has another.
func (m *Member) hears(from uint64) bool {
	if m.forcedTo == 0 {
		return true
	}
	if m.applied.index() < m.forcedTo {
		return false
	}
	_, known := m.cluster().Member(from)
	return known
}
