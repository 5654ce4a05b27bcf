package wal

import (
	"errors"
	"fmt"
	"io"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/api/walpb"
)

// Mark is a snapshot record: the state machine up to Index is stored elsewhere, and ConfState are the members then. The
// zero Mark, in every new log, is the empty state.
type Mark struct {
	Index, Term uint64
	ConfState   *raftpb.ConfState
}

func (m Mark) marshal() ([]byte, error) {
	return (&walpb.Snapshot{Index: new(m.Index), Term: new(m.Term), ConfState: m.ConfState}).MarshalVT()
}

var errMark = errors.New("not a snapshot record")

func parseMark(data []byte) (Mark, error) {
	var rec walpb.Snapshot
	if err := rec.UnmarshalVT(data); err != nil {
		return Mark{}, fmt.Errorf("%w: %w", errMark, err)
	}
	if rec.Index == nil || rec.Term == nil || rec.GetIndex() > 0 && rec.GetTerm() == 0 {
		return Mark{}, errMark
	}
	return Mark{rec.GetIndex(), rec.GetTerm(), rec.GetConfState()}, nil
}

// Marks returns the snapshot records that a start may use, oldest first. A record is written before the state it speaks
// of is known to be committed here, so only those up to the commit index of the last hard state count; and only those
// that say who the members were, which logs of etcd before 3.5 may not. It changes nothing on disk.
//
// A kill between saving a snapshot and its record leaves a snapshot without a mark; one between the record and the hard
// state after it leaves a mark past the commit index. Both are left out, and the start uses the one before. (etcd#11888)
func Marks(dir string, o Options) (out []Mark, err error) {
	o = o.withDefaults()
	s, err := scanAll(dir, o.FS)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var marks []Mark
	var state hardState
	var torn *tornError
	for {
		typ, data, err := s.next()
		if errors.Is(err, io.EOF) || errors.As(err, &torn) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch typ {
		case typeState:
			if state, err = parseHardState(data); err != nil {
				return nil, s.damage("%v", err)
			}
		case typeSnapshot:
			m, err := parseMark(data)
			if err != nil {
				return nil, s.damage("%v", err)
			}
			marks = append(marks, m)
		}
	}
	for _, m := range marks {
		if m.Index <= state.commit && (m.Index == 0 || m.ConfState != nil) {
			out = append(out, m)
		}
	}
	return out, nil
}
