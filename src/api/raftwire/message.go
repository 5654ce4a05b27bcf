package raftwire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
)

// Field numbers of raftpb.Message.
const (
	messageType       = 1
	messageTo         = 2
	messageFrom       = 3
	messageTerm       = 4
	messageLogTerm    = 5
	messageIndex      = 6
	messageEntries    = 7
	messageCommit     = 8
	messageSnapshot   = 9
	messageReject     = 10
	messageRejectHint = 11
	messageContext    = 12
	messageVote       = 13
	messageResponses  = 14
)

// Snapshots are rare and deeply nested, so protobuf itself handles them.
var (
	marshalSnapshot   = proto.MarshalOptions{Deterministic: true}
	unmarshalSnapshot = proto.UnmarshalOptions{Merge: true, DiscardUnknown: true}
)

// SizeMessage returns how many bytes AppendMessage writes.
func SizeMessage(m *raftpb.Message) int {
	n := sizeUint(m.To) + sizeUint(m.From) + sizeUint(m.Term) + sizeUint(m.LogTerm) + sizeUint(m.Index) +
		sizeUint(m.Commit) + sizeUint(m.RejectHint) + sizeUint(m.Vote) + sizeBytes(m.Context)
	if m.Type != nil {
		n += 1 + protowire.SizeVarint(uint64(int64(*m.Type)))
	}
	if m.Reject != nil {
		n += 2
	}
	for _, e := range m.Entries {
		n += sizeLen(SizeEntry(e))
	}
	if m.Snapshot != nil {
		n += sizeLen(marshalSnapshot.Size(m.Snapshot))
	}
	for _, r := range m.Responses {
		n += sizeLen(SizeMessage(r))
	}
	return n
}

// AppendMessage appends the encoding of m to dst and returns the extended slice.
func AppendMessage(dst []byte, m *raftpb.Message) []byte {
	if m.Type != nil {
		dst = append(dst, messageType<<3|byte(protowire.VarintType))
		dst = protowire.AppendVarint(dst, uint64(int64(*m.Type)))
	}
	dst = appendUint(dst, messageTo, m.To)
	dst = appendUint(dst, messageFrom, m.From)
	dst = appendUint(dst, messageTerm, m.Term)
	dst = appendUint(dst, messageLogTerm, m.LogTerm)
	dst = appendUint(dst, messageIndex, m.Index)
	for _, e := range m.Entries {
		dst = appendLen(dst, messageEntries, SizeEntry(e))
		dst = AppendEntry(dst, e)
	}
	dst = appendUint(dst, messageCommit, m.Commit)
	if m.Snapshot != nil {
		dst = appendSnapshot(dst, m.Snapshot)
	}
	if m.Reject != nil {
		dst = append(dst, messageReject<<3|byte(protowire.VarintType))
		dst = protowire.AppendVarint(dst, protowire.EncodeBool(*m.Reject))
	}
	dst = appendUint(dst, messageRejectHint, m.RejectHint)
	dst = appendBytes(dst, messageContext, m.Context)
	dst = appendUint(dst, messageVote, m.Vote)
	for _, r := range m.Responses {
		dst = appendLen(dst, messageResponses, SizeMessage(r))
		dst = AppendMessage(dst, r)
	}
	return dst
}

func appendSnapshot(dst []byte, s *raftpb.Snapshot) []byte {
	dst = appendLen(dst, messageSnapshot, marshalSnapshot.Size(s))
	dst, err := marshalSnapshot.MarshalAppend(dst, s)
	if err != nil {
		// Only missing required fields and invalid UTF-8 make Marshal fail, and a snapshot has neither.
		panic(fmt.Sprintf("raftwire: a snapshot could not be encoded, which no snapshot allows: %v", err))
	}
	return dst
}

// messageValues are the values that the pointers of one decoded message point to, in one allocation.
type messageValues struct {
	to, from, term, logTerm, index, commit, rejectHint, vote uint64
	typ                                                      raftpb.MessageType
	reject                                                   bool
}

// UnmarshalMessage replaces m by the message encoded in data. Context and the data of entries point into data: data must
// stay unchanged for as long as m or its entries are used. After an error, which wraps ErrMalformed, m holds nothing
// useful.
func UnmarshalMessage(data []byte, m *raftpb.Message) error {
	m.Reset()
	return decodeMessage(data, m, 0)
}

func decodeMessage(data []byte, m *raftpb.Message, depth int) error {
	v := new(messageValues)
	slab := EntrySlab{}
	for len(data) > 0 {
		f, rest, err := nextField(data)
		if err != nil {
			return err
		}
		switch f.typ {
		case protowire.VarintType:
			setNumber(m, v, &f)
		case protowire.BytesType:
			if f.num == messageEntries && m.Entries == nil {
				n, err := countEntries(data)
				if err != nil {
					return err
				}
				m.Entries = make([]*raftpb.Entry, 0, n)
			}
			if err := setBytes(m, &slab, &f, depth); err != nil {
				return err
			}
		}
		data = rest
	}
	return nil
}

// countEntries counts the entries of data, which begins with one, so that their slice is allocated once.
func countEntries(data []byte) (int, error) {
	n := 0
	for len(data) > 0 {
		f, rest, err := nextField(data)
		if err != nil {
			return 0, err
		}
		if f.isBytes(messageEntries) {
			n++
		}
		data = rest
	}
	if n > MaxEntries {
		return 0, errTooManyEntries
	}
	return n, nil
}

func setNumber(m *raftpb.Message, v *messageValues, f *field) {
	switch f.num {
	case messageType:
		v.typ = raftpb.MessageType(f.varint)
		m.Type = &v.typ
	case messageTo:
		v.to, m.To = f.varint, &v.to
	case messageFrom:
		v.from, m.From = f.varint, &v.from
	case messageTerm:
		v.term, m.Term = f.varint, &v.term
	case messageLogTerm:
		v.logTerm, m.LogTerm = f.varint, &v.logTerm
	case messageIndex:
		v.index, m.Index = f.varint, &v.index
	case messageCommit:
		v.commit, m.Commit = f.varint, &v.commit
	case messageReject:
		v.reject = protowire.DecodeBool(f.varint)
		m.Reject = &v.reject
	case messageRejectHint:
		v.rejectHint, m.RejectHint = f.varint, &v.rejectHint
	case messageVote:
		v.vote, m.Vote = f.varint, &v.vote
	}
}

func setBytes(m *raftpb.Message, slab *EntrySlab, f *field, depth int) error {
	switch f.num {
	case messageEntries:
		e, err := slab.Decode(f.bytes, uint64(cap(m.Entries)-len(m.Entries)))
		if err != nil {
			return err
		}
		m.Entries = append(m.Entries, e)
	case messageSnapshot:
		if m.Snapshot == nil {
			m.Snapshot = new(raftpb.Snapshot)
		}
		if err := unmarshalSnapshot.Unmarshal(f.bytes, m.Snapshot); err != nil {
			return fmt.Errorf("%w: snapshot: %v", ErrMalformed, err)
		}
	case messageContext:
		m.Context = f.bytes
	case messageResponses:
		if depth+1 > maxDepth {
			return errTooDeep
		}
		r := new(raftpb.Message)
		if err := decodeMessage(f.bytes, r, depth+1); err != nil {
			return err
		}
		m.Responses = append(m.Responses, r)
	}
	return nil
}
