package backend

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// Applied says which raft entry the data covers: the consistent index. It goes to the file in the transaction of
// the data it covers, never alone and never without it (etcd#13766).
type Applied struct {
	// Index and Term of the last applied entry. Index 0 leaves both as they are: for writers outside of raft.
	Index, Term uint64
	// ConfState after that entry; nil leaves the stored one as it is.
	ConfState *raftpb.ConfState
}

var (
	keyConsistentIndex = []byte("consistent_index")
	keyTerm            = []byte("term")
	keyConfState       = []byte("confState")
)

// confStateJSON has the field order and omissions of the row that etcd writes.
type confStateJSON struct {
	Voters         []uint64 `json:"voters,omitempty"`
	Learners       []uint64 `json:"learners,omitempty"`
	VotersOutgoing []uint64 `json:"voters_outgoing,omitempty"`
	LearnersNext   []uint64 `json:"learners_next,omitempty"`
	AutoLeave      bool     `json:"auto_leave"`
}

func encodeConfState(cs *raftpb.ConfState) []byte {
	data, err := json.Marshal(confStateJSON{
		Voters: cs.GetVoters(), Learners: cs.GetLearners(), VotersOutgoing: cs.GetVotersOutgoing(),
		LearnersNext: cs.GetLearnersNext(), AutoLeave: cs.GetAutoLeave(),
	})
	if err != nil {
		panic(fmt.Sprintf("backend: a conf state of plain numbers did not encode: %v", err))
	}
	return data
}

func decodeConfState(data []byte) (*raftpb.ConfState, error) {
	var j confStateJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, fmt.Errorf("meta/confState is not the JSON of a conf state: %w", err)
	}
	return &raftpb.ConfState{
		Voters: j.Voters, Learners: j.Learners, VotersOutgoing: j.VotersOutgoing,
		LearnersNext: j.LearnersNext, AutoLeave: new(j.AutoLeave),
	}, nil
}

// Applied reads the consistent index rows as this view sees them in the file. Rows that are not there read as zero.
func (v *View) Applied() (Applied, error) {
	var a Applied
	for _, f := range []struct {
		key []byte
		to  *uint64
	}{{keyConsistentIndex, &a.Index}, {keyTerm, &a.Term}} {
		switch data := v.Get(Meta, f.key); len(data) {
		case 0:
		case 8:
			*f.to = binary.BigEndian.Uint64(data)
		default:
			return a, fmt.Errorf("meta/%s has %d bytes, expected 8", f.key, len(data))
		}
	}
	if data := v.Get(Meta, keyConfState); data != nil {
		cs, err := decodeConfState(data)
		if err != nil {
			return a, err
		}
		a.ConfState = cs
	}
	return a, nil
}
