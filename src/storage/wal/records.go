package wal

import (
	"errors"
	"fmt"
	"io"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/api/raftwire"
)

// Record is a record as it stands in a segment. The field of its kind is set; a record that only carries the checksum has
// none. Everything is valid until the callback returns.
type Record struct {
	Path      string // of the segment
	Offset    int64  // of its frame
	CRC       uint32 // running checksum after it
	Metadata  []byte
	Entry     *raftpb.Entry
	HardState *raftpb.HardState
	Mark      *Mark
}

// Torn is the record at the end of a log that was not written whole.
type Torn struct {
	Path   string
	Offset int64
	Reason string
}

// Records calls fn for every record of all segments in their order, those that later ones void as well, and passes its
// error on. It is for tools that show a log, locks nothing and changes nothing. torn is set when the log ends in a record
// that was not written whole, which is no error.
func Records(dir string, o Options, fn func(Record) error) (torn *Torn, err error) {
	o = o.withDefaults()
	s, err := scanAll(dir, o.FS)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for {
		h, data, _, err := s.record()
		var end *tornError
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case errors.As(err, &end):
			return &Torn{end.path, end.offset, end.reason}, nil
		case err != nil:
			return nil, err
		}
		r := Record{Path: s.path(), Offset: s.start, CRC: h.crc}
		if err := r.decode(h.typ, data); err != nil {
			return nil, s.damage("%v", err)
		}
		if err := fn(r); err != nil {
			return nil, err
		}
	}
}

func (r *Record) decode(typ recordType, data []byte) error {
	switch typ {
	case typeCRC:
	case typeMetadata:
		r.Metadata = data
	case typeEntry:
		r.Entry = new(raftpb.Entry)
		if err := raftwire.UnmarshalEntry(data, r.Entry); err != nil {
			return err
		}
		return checkEntry(r.Entry)
	case typeState:
		hs, err := parseHardState(data)
		if err != nil {
			return err
		}
		r.HardState = hs.message()
	case typeSnapshot:
		m, err := parseMark(data)
		if err != nil {
			return err
		}
		r.Mark = &m
	default:
		return fmt.Errorf("unexpected record of type %d", typ)
	}
	return nil
}
