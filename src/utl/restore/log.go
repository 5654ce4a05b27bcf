package restore

import (
	"errors"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/storage/roster"
	"quoin.dev/storage/snap"
	"quoin.dev/storage/wal"
)

// writeLog makes the log in which the founders join, and the snapshot behind those entries, which the database is.
func (m *member) writeLog(snapDir string) (err error) {
	metadata, err := (&pb.Metadata{NodeID: new(m.self.ID), ClusterID: new(m.cluster)}).MarshalVT()
	if err != nil {
		return err
	}
	var entries []*raftpb.Entry
	for i, founder := range m.founders {
		change, err := proto.Marshal(roster.AddChange(founder))
		if err != nil {
			return err
		}
		entries = append(entries, &raftpb.Entry{
			Type: raftpb.EntryConfChange.Enum(), Term: new(uint64(firstTerm)), Index: new(uint64(i + 1)), Data: change,
		})
	}
	last := uint64(len(entries))
	w, err := wal.Create(m.wal, metadata, wal.Options{Logger: m.Logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	state := &raftpb.HardState{Term: new(uint64(firstTerm)), Vote: new(m.founders[0].ID), Commit: new(last)}
	if err := w.Append(state, entries); err != nil {
		return err
	}
	if err := w.Sync(); err != nil {
		return err
	}
	dir, err := snap.Open(snapDir, snap.Options{Logger: m.Logger})
	if err != nil {
		return err
	}
	err = dir.Save(&raftpb.Snapshot{
		Data:     roster.EncodeImage(m.founders, nil, ""),
		Metadata: &raftpb.SnapshotMetadata{Index: new(last), Term: new(uint64(firstTerm)), ConfState: m.confState()},
	})
	if err != nil {
		return err
	}
	return w.AppendSnapshot(wal.Mark{Index: last, Term: firstTerm, ConfState: m.confState()})
}
