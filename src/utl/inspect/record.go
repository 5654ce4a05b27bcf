package inspect

import (
	"fmt"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/storage/roster"
	"quoin.dev/storage/wal"
)

// Record renders a record of the log.
func (s Style) Record(r wal.Record) Pairs {
	out := Pairs{{"segment", filepath.Base(r.Path)}, {"offset", r.Offset}, {"type", Kind(r)}}
	switch {
	case r.Metadata != nil:
		return append(out, s.metadata(r.Metadata)...)
	case r.Entry != nil:
		return append(out, s.Entry(r.Entry)...)
	case r.HardState != nil:
		return append(out, Pair{"term", r.HardState.GetTerm()}, Pair{"vote", roster.FormatID(r.HardState.GetVote())},
			Pair{"commit", r.HardState.GetCommit()})
	case r.Mark != nil:
		out = append(out, Pair{"index", r.Mark.Index}, Pair{"term", r.Mark.Term})
		return append(out, confState(r.Mark.ConfState)...)
	}
	return append(out, Pair{"crc", fmt.Sprintf("%08x", r.CRC)})
}

// Kind names the type of a record.
func Kind(r wal.Record) string {
	switch {
	case r.Metadata != nil:
		return "metadata"
	case r.Entry != nil:
		return "entry"
	case r.HardState != nil:
		return "state"
	case r.Mark != nil:
		return "snapshot"
	}
	return "crc"
}

func (s Style) metadata(data []byte) Pairs {
	m := new(pb.Metadata)
	if err := m.UnmarshalVT(data); err != nil {
		return Pairs{{"problem", err.Error()}}
	}
	return Pairs{{"member", roster.FormatID(m.GetNodeID())}, {"cluster", roster.FormatID(m.GetClusterID())}}
}

// Entry renders an entry and the request or the change of membership in it.
func (s Style) Entry(e *raftpb.Entry) Pairs {
	out := Pairs{{"index", e.GetIndex()}, {"term", e.GetTerm()}}
	switch {
	case e.GetType() == raftpb.EntryConfChange:
		change := new(raftpb.ConfChange)
		if err := proto.Unmarshal(e.GetData(), change); err != nil {
			return append(out, Pair{"problem", err.Error()})
		}
		out = append(out, Pair{"change", change.GetType().String()}, Pair{"member", roster.FormatID(change.GetNodeId())})
		if len(change.GetContext()) > 0 {
			row, _ := s.textRow(nil, change.GetContext()) // never fails
			out = append(out, Pair{"context", row[1].Value})
		}
		return out
	case e.GetType() == raftpb.EntryConfChangeV2:
		return append(out, Pair{"change", "v2"}, Pair{"bytes", len(e.GetData())})
	case len(e.GetData()) == 0:
		return append(out, Pair{"request", "none: a leader began its term"})
	}
	request := new(pb.InternalRaftRequest)
	if err := proto.Unmarshal(e.GetData(), request); err != nil {
		return append(out, Pair{"problem", err.Error()})
	}
	return append(out, s.message(request)...)
}

func confState(c *raftpb.ConfState) Pairs {
	var out Pairs
	for _, part := range []struct {
		name string
		ids  []uint64
	}{{"voters", c.GetVoters()}, {"learners", c.GetLearners()}, {"outgoing", c.GetVotersOutgoing()}, {"next", c.GetLearnersNext()}} {
		if len(part.ids) == 0 {
			continue
		}
		ids := []any{}
		for _, id := range part.ids {
			ids = append(ids, roster.FormatID(id))
		}
		out = append(out, Pair{part.name, ids})
	}
	return out
}

// Snapshot renders a .snap file: the place in the log, and the members in the image that older versions read.
func (s Style) Snapshot(path string, snap *raftpb.Snapshot) Pairs {
	meta := snap.GetMetadata()
	out := Pairs{{"file", filepath.Base(path)}, {"index", meta.GetIndex()}, {"term", meta.GetTerm()}}
	out = append(out, confState(meta.GetConfState())...)
	image, err := roster.DecodeImage(snap.GetData())
	if err != nil {
		return append(out, Pair{"problem", err.Error()})
	}
	members, removed := []any{}, []any{}
	for _, m := range image.Members {
		members = append(members, Pairs{{"id", roster.FormatID(m.ID)}, {"name", m.Name}, {"peerURLs", list(m.PeerURLs)},
			{"clientURLs", list(m.ClientURLs)}, {"learner", m.IsLearner}})
	}
	for _, id := range image.Removed {
		removed = append(removed, roster.FormatID(id))
	}
	return append(out, Pair{"version", image.Version}, Pair{"members", members}, Pair{"removed", removed})
}

func list(texts []string) []any {
	out := []any{}
	for _, t := range texts {
		out = append(out, t)
	}
	return out
}
