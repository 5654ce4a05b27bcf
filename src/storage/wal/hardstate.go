package wal

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"

	"go.etcd.io/raft/v3/raftpb"
)

// hardState is raftpb.HardState by value, so that the last one can be kept without pointing into the caller's memory.
type hardState struct{ term, vote, commit uint64 }

func hardStateOf(hs *raftpb.HardState) hardState {
	return hardState{hs.GetTerm(), hs.GetVote(), hs.GetCommit()}
}

func (hs hardState) message() *raftpb.HardState {
	return &raftpb.HardState{Term: new(hs.term), Vote: new(hs.vote), Commit: new(hs.commit)}
}

// size is how many bytes append adds, at most 33.
func (hs hardState) size() int {
	return 3 + protowire.SizeVarint(hs.term) + protowire.SizeVarint(hs.vote) + protowire.SizeVarint(hs.commit)
}

func (hs hardState) append(b []byte) []byte {
	for i, v := range [...]uint64{hs.term, hs.vote, hs.commit} {
		b = protowire.AppendVarint(append(b, byte(i+1)<<3), v)
	}
	return b
}

var errHardState = errors.New("not a hard state")

// parseHardState accepts what append writes and no more: the type of a record is not under the checksum, and an entry
// taken for a hard state must not pass.
func parseHardState(b []byte) (hardState, error) {
	var v [3]uint64
	for i := range v {
		if len(b) == 0 || b[0] != byte(i+1)<<3 {
			return hardState{}, errHardState
		}
		var n int
		if v[i], n = protowire.ConsumeVarint(b[1:]); n < 0 {
			return hardState{}, errHardState
		}
		b = b[1+n:]
	}
	if len(b) > 0 || v[0] == 0 {
		return hardState{}, errHardState
	}
	return hardState{v[0], v[1], v[2]}, nil
}
