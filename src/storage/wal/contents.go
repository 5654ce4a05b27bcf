package wal

import (
	"errors"
	"fmt"
	"io"

	"go.uber.org/zap"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/api/raftwire"
)

// Contents is what a log holds from a mark on.
type Contents struct {
	Metadata  []byte
	HardState *raftpb.HardState // the last one; empty when there is none
	Entries   []*raftpb.Entry   // indexes From.Index+1 and on, without a hole
}

// Read returns the contents from a mark on and changes nothing. A torn tail is left out.
func Read(dir string, from Mark, o Options) (*Contents, error) {
	o = o.withDefaults()
	segments, err := segmentsFrom(dir, o.FS, from.Index)
	if err != nil {
		return nil, err
	}
	c, _, err := replay(newScanner(o.FS, segments), from, o)
	return c, err
}

// tail says where the valid records of the newest segment end.
type tail struct {
	offset int64
	crc    uint32
	state  hardState
	last   uint64 // index of the last entry
	torn   *tornError
	noHead bool // the segment has no complete head: everything in it is to be written anew
}

// replay reads all records and closes the scanner.
func replay(s *scanner, from Mark, o Options) (c *Contents, t tail, err error) {
	defer func() { err = errors.Join(err, s.close()) }()
	l := logBuilder{from: from}
	for {
		typ, data, err := s.next()
		if errors.Is(err, io.EOF) || errors.As(err, &t.torn) {
			break
		}
		if err != nil {
			return nil, tail{}, err
		}
		if err := l.add(typ, data); err != nil {
			return nil, tail{}, s.damage("%v", err)
		}
	}
	if t.torn != nil {
		o.Logger.Warn("the write-ahead log ends in a record that was not written whole; it was never acknowledged",
			zap.String("path", t.torn.path), zap.Int64("offset", t.torn.offset), zap.String("reason", t.torn.reason))
	}
	s.start = s.offset
	if !s.hasMeta {
		return nil, tail{}, s.damage("the log ends before its metadata")
	}
	if err := l.finish(s); err != nil {
		return nil, tail{}, err
	}
	t.offset, t.crc, t.state, t.last = s.offset, s.crc, l.state, l.lastIndex()
	if t.noHead = s.records < headRecords; t.noHead {
		t.offset = 0
	}
	c = &Contents{Metadata: s.meta, HardState: &raftpb.HardState{}, Entries: l.entries}
	if l.hasState {
		c.HardState = l.state.message()
	}
	return c, t, nil
}

// logBuilder puts the log together: an entry replaces what was at its index and after.
type logBuilder struct {
	from     Mark
	found    bool   // the record of from was read
	fromTerm uint64 // of what the log has at from.Index, 0 for nothing
	replaced uint64 // index of a snapshot record later than from whose entry the log does not have

	entries  []*raftpb.Entry
	slab     raftwire.EntrySlab
	arena    arena
	state    hardState
	hasState bool
}

func (l *logBuilder) lastIndex() uint64 { return l.from.Index + uint64(len(l.entries)) }

func (l *logBuilder) add(typ recordType, data []byte) error {
	switch typ {
	case typeEntry:
		return l.addEntry(data)
	case typeState:
		return l.addState(data)
	case typeSnapshot:
		return l.addMark(data)
	}
	return fmt.Errorf("unexpected record of type %d", typ)
}

func (l *logBuilder) addState(data []byte) error {
	hs, err := parseHardState(data)
	if err != nil {
		return err
	}
	if l.hasState && hs.term < l.state.term {
		return fmt.Errorf("the term goes back from %d to %d", l.state.term, hs.term)
	}
	l.state, l.hasState = hs, true
	return nil
}

func (l *logBuilder) addEntry(data []byte) error {
	e, err := l.slab.Decode(data, 1<<10)
	if err != nil {
		return err
	}
	if err := checkEntry(e); err != nil {
		return err
	}
	index, term := e.GetIndex(), e.GetTerm()
	if index <= l.from.Index {
		e.Data = nil // it points into the read buffer, and the slab lives on with its neighbours
		l.fromTerm = 0
		if index == l.from.Index {
			l.fromTerm = term
		}
		clear(l.entries)
		l.entries = l.entries[:0]
		return nil
	}
	if l.replaced > 0 {
		return fmt.Errorf("entry %d follows a snapshot from the leader at index %d, which replaced the log; it cannot be read from index %d",
			index, l.replaced, l.from.Index)
	}
	if index > l.lastIndex()+1 {
		return fmt.Errorf("entry %d follows entry %d", index, l.lastIndex())
	}
	keep := index - l.from.Index - 1
	previous := l.fromTerm
	if keep > 0 {
		previous = l.entries[keep-1].GetTerm()
	}
	if term < previous {
		return fmt.Errorf("entry %d has term %d, the one before it %d", index, term, previous)
	}
	clear(l.entries[keep:])
	e.Data = l.arena.clone(e.Data)
	l.entries = append(l.entries[:keep], e)
	return nil
}

// checkEntry refuses what raft never writes, since the type of a record is not under the checksum.
func checkEntry(e *raftpb.Entry) error {
	switch {
	case e.GetIndex() == 0 || e.GetTerm() == 0:
		return fmt.Errorf("an entry has index %d and term %d", e.GetIndex(), e.GetTerm())
	case e.GetType() < raftpb.EntryNormal || e.GetType() > raftpb.EntryConfChangeV2:
		return fmt.Errorf("entry %d has type %d", e.GetIndex(), e.GetType())
	case e.GetType() == raftpb.EntryConfChange && len(e.GetData()) == 0:
		return fmt.Errorf("entry %d changes the membership without saying how", e.GetIndex())
	}
	return nil
}

// addMark finds the mark to read from. A mark at an index where the log has another entry or none belongs to a snapshot
// from the leader: raft dropped the log when it took that, so entries that stood after the index are void.
func (l *logBuilder) addMark(data []byte) error {
	m, err := parseMark(data)
	if err != nil {
		return err
	}
	switch {
	case m.Index < l.from.Index:
	case m.Index == l.from.Index:
		if m.Term != l.from.Term {
			return fmt.Errorf("the snapshot record at index %d has term %d, the snapshot term %d", m.Index, m.Term, l.from.Term)
		}
		l.found = true
		if l.fromTerm != m.Term {
			l.fromTerm = m.Term
			clear(l.entries)
			l.entries = l.entries[:0]
		}
	case m.Index > l.lastIndex() || l.entries[m.Index-l.from.Index-1].GetTerm() != m.Term:
		l.replaced = m.Index
	}
	return nil
}

// finish checks what only the whole log shows.
func (l *logBuilder) finish(s *scanner) error {
	switch {
	case !l.found:
		return fmt.Errorf("%w: index %d, term %d, in %s and after", ErrMarkNotFound, l.from.Index, l.from.Term, s.segments[0].path)
	case l.state.commit < l.from.Index:
		return fmt.Errorf("%w: index %d is not committed, the log knows %d to be", ErrMarkNotFound, l.from.Index, l.state.commit)
	case l.replaced > 0 && l.replaced <= l.state.commit:
		return s.damage("a snapshot from the leader at index %d replaced the log; it cannot be read from index %d", l.replaced, l.from.Index)
	case l.state.commit > l.lastIndex():
		return s.damage("entries up to index %d are committed, but the log ends with entry %d", l.state.commit, l.lastIndex())
	}
	return nil
}

// arena hands out small pieces of larger blocks, since a log has very many small entries.
type arena struct{ free []byte }

const (
	arenaBytes    = 64 << 10
	arenaPieceMax = arenaBytes / 16
)

func (a *arena) clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	if len(b) > arenaPieceMax {
		return append(make([]byte, 0, len(b)), b...)
	}
	if len(a.free) < len(b) {
		a.free = make([]byte, arenaBytes)
	}
	out := a.free[:len(b):len(b)]
	a.free = a.free[len(b):]
	copy(out, b)
	return out
}
