package peer

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/api/raftwire"
)

// Frames of msgapp streams (version 2) start with one of these.
const (
	frameHeartbeat byte = 0
	frameEntries   byte = 1 // an append that continues the one before: entries and commit index only
	frameMessage   byte = 2 // a whole message
)

// appPosition is what both ends of a msgapp stream remember: where the log of the last append ended.
type appPosition struct {
	term, index uint64
}

// continues says whether m needs no more than its entries and commit index to be understood.
func (p *appPosition) continues(m *raftpb.Message) bool {
	return m.GetIndex() == p.index && m.GetLogTerm() == p.term && m.GetLogTerm() == m.GetTerm()
}

// reset moves the position behind a whole message.
func (p *appPosition) reset(m *raftpb.Message) {
	p.term, p.index = m.GetTerm(), m.GetIndex()
	if n := len(m.Entries); n > 0 {
		p.index = m.Entries[n-1].GetIndex()
	}
}

// appEncoder writes the frames of one msgapp stream.
type appEncoder struct {
	pos appPosition
}

func (e *appEncoder) encode(dst []byte, m *raftpb.Message) []byte {
	switch {
	case isLinkHeartbeat(m):
		return append(dst, frameHeartbeat)
	case e.pos.continues(m):
		dst = append(dst, frameEntries)
		dst = binary.BigEndian.AppendUint64(dst, uint64(len(m.Entries)))
		for _, entry := range m.Entries {
			dst = binary.BigEndian.AppendUint64(dst, uint64(raftwire.SizeEntry(entry)))
			dst = raftwire.AppendEntry(dst, entry)
		}
		e.pos.index += uint64(len(m.Entries))
		return binary.BigEndian.AppendUint64(dst, m.GetCommit())
	default:
		e.pos.reset(m)
		return appendSized(append(dst, frameMessage), m)
	}
}

// appDecoder reads the frames of one msgapp stream from member remote to member local.
type appDecoder struct {
	frames        *frameReader
	local, remote uint64
	pos           appPosition
	slab          raftwire.EntrySlab
}

func (d *appDecoder) decode() (*raftpb.Message, error) {
	kind, err := d.frames.kind()
	if err != nil {
		return nil, err
	}
	switch kind {
	case frameHeartbeat:
		return linkHeartbeat, nil
	case frameEntries:
		m, err := d.entries()
		return m, noEOF(err)
	case frameMessage:
		m, err := readSized(d.frames, maxFrameBytes)
		if err != nil {
			return nil, noEOF(err)
		}
		d.pos.reset(m)
		return m, nil
	default:
		return nil, fmt.Errorf("unknown msgapp frame %d", kind)
	}
}

// entries reads a frame that continues the append before. The bytes of all its entries together are held to the limit of
// a frame, and their number to that of a message.
func (d *appDecoder) entries() (*raftpb.Message, error) {
	count, err := d.frames.uint64()
	if err != nil {
		return nil, err
	}
	if count > raftwire.MaxEntries {
		return nil, fmt.Errorf("msgapp frame with %d entries is over the limit of %d", count, raftwire.MaxEntries)
	}
	v := &struct{ term, index, commit, from, to uint64 }{term: d.pos.term, index: d.pos.index, from: d.remote, to: d.local}
	m := &raftpb.Message{
		Type: new(raftpb.MsgApp), From: &v.from, To: &v.to, Term: &v.term, LogTerm: &v.term, Index: &v.index,
	}
	budget := uint64(maxFrameBytes)
	for left := count; left > 0; left-- {
		data, err := d.frames.sized(budget)
		if err != nil {
			return nil, err
		}
		budget -= uint64(len(data))
		entry, err := d.slab.Decode(data, left)
		if err != nil {
			return nil, err
		}
		m.Entries = append(m.Entries, entry)
	}
	d.pos.index += count
	v.commit, err = d.frames.uint64()
	m.Commit = &v.commit
	return m, err
}
