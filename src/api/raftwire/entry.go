package raftwire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"go.etcd.io/raft/v3/raftpb"
)

// Field numbers of raftpb.Entry.
const (
	entryType  = 1
	entryTerm  = 2
	entryIndex = 3
	entryData  = 4
)

// entryValues are the values that the pointers of one decoded entry point to, in one allocation.
type entryValues struct {
	term, index uint64
	typ         raftpb.EntryType
}

// SizeEntry returns how many bytes AppendEntry writes.
func SizeEntry(e *raftpb.Entry) int {
	n := sizeUint(e.Term) + sizeUint(e.Index) + sizeBytes(e.Data)
	if e.Type != nil {
		n += 1 + protowire.SizeVarint(uint64(int64(*e.Type)))
	}
	return n
}

// AppendEntry appends the encoding of e to dst and returns the extended slice.
func AppendEntry(dst []byte, e *raftpb.Entry) []byte {
	if e.Type != nil {
		dst = append(dst, entryType<<3|byte(protowire.VarintType))
		dst = protowire.AppendVarint(dst, uint64(int64(*e.Type)))
	}
	dst = appendUint(dst, entryTerm, e.Term)
	dst = appendUint(dst, entryIndex, e.Index)
	return appendBytes(dst, entryData, e.Data)
}

// UnmarshalEntry replaces e by the entry encoded in data. e.Data points into data: data must stay unchanged for as long
// as e is used. After an error, which wraps ErrMalformed, e holds nothing useful.
func UnmarshalEntry(data []byte, e *raftpb.Entry) error {
	e.Reset()
	return decodeEntry(data, e, new(entryValues))
}

// decodeEntry fills the empty entry e, whose numbers go to v.
func decodeEntry(data []byte, e *raftpb.Entry, v *entryValues) error {
	for len(data) > 0 {
		f, rest, err := nextField(data)
		if err != nil {
			return err
		}
		data = rest
		switch {
		case f.isVarint(entryTerm):
			v.term = f.varint
			e.Term = &v.term
		case f.isVarint(entryIndex):
			v.index = f.varint
			e.Index = &v.index
		case f.isVarint(entryType):
			v.typ = raftpb.EntryType(f.varint)
			e.Type = &v.typ
		case f.isBytes(entryData):
			e.Data = f.bytes
		}
	}
	return nil
}

// EntrySlab decodes many entries with few allocations. The zero value is ready. Entries of one slab block share memory,
// so a slab should serve entries that live about equally long, like those of one message.
type EntrySlab struct {
	free []entrySlot
}

type entrySlot struct {
	entry  raftpb.Entry
	values entryValues
}

// slabBlock is the largest number of entries allocated ahead of the bytes that justify them (about 9 KiB).
const slabBlock = 64

// Decode returns the entry encoded in data, under the rules of UnmarshalEntry. expect is how many entries the caller
// believes are still to come, this one included; it may come from an untrusted peer, since at most slabBlock entries
// are allocated ahead.
func (s *EntrySlab) Decode(data []byte, expect uint64) (*raftpb.Entry, error) {
	if len(s.free) == 0 {
		s.free = make([]entrySlot, max(1, min(expect, slabBlock)))
	}
	slot := &s.free[0]
	s.free = s.free[1:]
	if err := decodeEntry(data, &slot.entry, &slot.values); err != nil {
		return nil, err
	}
	return &slot.entry, nil
}
