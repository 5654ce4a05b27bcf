// Package waldir reads what the logs on the disks of members hold, whether quoin or etcd wrote them.
package waldir

import (
	"fmt"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/storage/wal"
)

// Log is the log of one member.
type Log struct {
	Member string
	// ID is the member's in the cluster.
	ID uint64
	// First is the index of the first entry that is there; what is before it was purged, or came as a snapshot.
	First uint64
	// Entries are those from First on, without a hole.
	Entries []Entry
	// Committed is up to where the member knew entries to be committed.
	Committed uint64
	// marked are the members as of the last snapshot.
	marked *raftpb.ConfState
}

// Entry is one of a log.
type Entry struct {
	Index, Term uint64
	// Request is the one that it holds, in a form that equal requests have in common; empty for other entries.
	Request string
	// Change is one of the membership.
	Change *raftpb.ConfChange
}

// Read reads the log in the data directory of a member that does not run.
func Read(dataDir string) (*Log, error) {
	l := &Log{First: 1}
	_, err := wal.Records(filepath.Join(dataDir, "member", "wal"), wal.Options{}, l.add)
	if err != nil {
		return nil, fmt.Errorf("waldir: %w", err)
	}
	return l, nil
}

func (l *Log) last() uint64 { return l.First + uint64(len(l.Entries)) - 1 }

// add takes a record. An entry replaces what was at its index and after; a snapshot beyond the end replaces all.
func (l *Log) add(r wal.Record) error {
	switch {
	case r.Metadata != nil:
		m := new(pb.Metadata)
		if err := proto.Unmarshal(r.Metadata, m); err != nil {
			return err
		}
		l.ID = m.GetNodeID()
	case r.HardState != nil:
		l.Committed = r.HardState.GetCommit()
	case r.Mark != nil:
		if r.Mark.ConfState != nil {
			l.marked = r.Mark.ConfState
		}
		if r.Mark.Index > l.last() {
			l.First, l.Entries = r.Mark.Index+1, nil
		}
	case r.Entry != nil:
		return l.addEntry(r.Entry)
	}
	return nil
}

func (l *Log) addEntry(e *raftpb.Entry) error {
	switch index := e.GetIndex(); {
	case index < l.First || index > l.last()+1:
		l.First, l.Entries = index, nil
	default:
		l.Entries = l.Entries[:index-l.First]
	}
	entry := Entry{Index: e.GetIndex(), Term: e.GetTerm()}
	switch {
	case e.GetType() == raftpb.EntryConfChange:
		entry.Change = new(raftpb.ConfChange)
		if err := proto.Unmarshal(e.GetData(), entry.Change); err != nil {
			return err
		}
	case e.GetType() == raftpb.EntryNormal && len(e.GetData()) > 0:
		r := new(pb.InternalRaftRequest)
		if err := proto.Unmarshal(e.GetData(), r); err != nil {
			return err
		}
		entry.Request = formOf(r)
	}
	l.Entries = append(l.Entries, entry)
	return nil
}

// formOf is the form of the request of an entry.
func formOf(r *pb.InternalRaftRequest) string {
	switch {
	case r.Put != nil:
		return form(r.Put)
	case r.DeleteRange != nil:
		return form(r.DeleteRange)
	case r.Txn != nil:
		return form(r.Txn)
	case r.LeaseGrant != nil:
		return form(r.LeaseGrant)
	case r.LeaseRevoke != nil:
		return form(r.LeaseRevoke)
	}
	return ""
}

// form is what equal requests have in common.
func form(m proto.Message) string {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return ""
	}
	return string(m.ProtoReflect().Descriptor().Name()) + ":" + string(data)
}

// Voters are the logs of those that are voters in the end, by the log that goes furthest; none if that can not be told.
func Voters(logs []*Log) []*Log {
	furthest := slices.MaxFunc(logs, func(a, b *Log) int { return int(int64(a.Committed) - int64(b.Committed)) })
	voters := map[uint64]bool{}
	for _, id := range furthest.marked.GetVoters() {
		voters[id] = true
	}
	for _, e := range furthest.Entries {
		if c := e.Change; c != nil && e.Index <= furthest.Committed {
			voters[c.GetNodeId()] = c.GetType() == raftpb.ConfChangeAddNode
		}
	}
	var out []*Log
	for _, l := range logs {
		if voters[l.ID] {
			out = append(out, l)
		}
	}
	return out
}

// Count is where requests are in logs.
type Count struct {
	logs []*Log
	// places are the entries with a request, by its form, in the order of their indexes and terms.
	places map[string][]place
	// begins is where the shortest log begins: what is before it may have been purged everywhere.
	begins uint64
}

type place struct {
	index, term uint64
	on          []string
}

// Index finds out where all requests are.
func Index(logs []*Log) *Count {
	c := &Count{logs: logs, places: map[string][]place{}}
	type key struct {
		form        string
		index, term uint64
	}
	at := map[key]int{}
	for _, l := range logs {
		c.begins = max(c.begins, l.First)
		for _, e := range l.Entries {
			if e.Request == "" {
				continue
			}
			k := key{e.Request, e.Index, e.Term}
			i, ok := at[k]
			if !ok {
				i = len(c.places[e.Request])
				at[k] = i
				c.places[e.Request] = append(c.places[e.Request], place{index: e.Index, term: e.Term})
			}
			c.places[e.Request][i].on = append(c.places[e.Request][i].on, l.Member)
		}
	}
	// The places of one form are taken from the back: those on the most members come first.
	for _, list := range c.places {
		slices.SortStableFunc(list, func(a, b place) int { return len(a.on) - len(b.on) })
	}
	return c
}

// Take finds a place of a request, and uses it up: two acknowledged requests need two entries. It returns the members that have it,
// those whose logs begin behind it included. behind tells that it may have been in a part that no log has any more.
func (c *Count) Take(request proto.Message) (on []string, behind bool) {
	f := form(request)
	list := c.places[f]
	if len(list) == 0 {
		return nil, c.begins > 1
	}
	p := list[len(list)-1]
	c.places[f] = list[:len(list)-1]
	on = slices.Clone(p.on)
	for _, l := range c.logs {
		if l.First > p.index && !slices.Contains(on, l.Member) {
			on = append(on, l.Member)
		}
	}
	return on, false
}
