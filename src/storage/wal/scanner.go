package wal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"quoin.dev/pkg/vfs"
)

// readBytes is the largest read buffer; a record that fits in it is decoded without being copied.
const readBytes = 256 << 10

// headRecords is how many records every segment begins with: the checksum so far, and the metadata.
const headRecords = 2

// scanner reads the records of segments one after the other and checks lengths, checksums and the heads of segments.
type scanner struct {
	fsys     vfs.FS
	segments []segment

	current int // in segments
	file    vfs.File
	size    int64
	buf     *bufio.Reader
	scratch []byte // a record larger than buf

	offset  int64  // of the next frame in the current segment
	start   int64  // of the last frame that next returned
	records int    // read from the current segment
	crc     uint32 // running
	meta    []byte
	hasMeta bool
}

// scanAll begins with the first record of a log.
func scanAll(dir string, fsys vfs.FS) (*scanner, error) {
	segments, err := listSegments(dir, fsys)
	if err != nil {
		return nil, fmt.Errorf("wal: list segments: %w", err)
	}
	if len(segments) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNotFound, dir)
	}
	if segments, err = contiguous(segments); err != nil {
		return nil, err
	}
	return newScanner(fsys, segments), nil
}

func newScanner(fsys vfs.FS, segments []segment) *scanner {
	return &scanner{fsys: fsys, segments: segments}
}

func (s *scanner) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

func (s *scanner) path() string { return s.segments[s.current].path }

func (s *scanner) last() bool { return s.current == len(s.segments)-1 }

// damage reports the record that next returned last.
func (s *scanner) damage(format string, args ...any) error {
	return &DamageError{Path: s.path(), Offset: s.start, Reason: fmt.Sprintf(format, args...)}
}

// next returns the next record; its data is valid until the call after. It returns io.EOF after the last record, a
// *tornError when the newest segment ends in a record that was not written whole, and else a *DamageError or an error
// of the file system. Checksum and metadata records are consumed, not returned.
func (s *scanner) next() (recordType, []byte, error) {
	for {
		h, data, consumed, err := s.record()
		if err != nil {
			return 0, nil, err
		}
		if !consumed {
			return h.typ, data, nil
		}
	}
}

// record is next with the records that next consumes.
func (s *scanner) record() (h head, data []byte, consumed bool, err error) {
	for {
		if s.file == nil {
			if err := s.openSegment(); err != nil {
				return head{}, nil, false, err
			}
		}
		s.start = s.offset
		h, data, err = s.frame()
		if errors.Is(err, io.EOF) && !s.last() {
			if err := s.leaveSegment(); err != nil {
				return head{}, nil, false, err
			}
			continue
		}
		if err != nil {
			return head{}, nil, false, err
		}
		consumed, err = s.checkHead(h, data)
		return h, data, consumed, err
	}
}

func (s *scanner) openSegment() error {
	f, err := vfs.Open(s.fsys, s.path())
	if err != nil {
		return fmt.Errorf("wal: open segment: %w", err)
	}
	s.file = f
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("wal: open segment: %w", err)
	}
	s.size = info.Size()
	if want := int(min(s.size, readBytes)); s.buf == nil || s.buf.Size() < want {
		s.buf = bufio.NewReaderSize(nil, want)
	}
	s.buf.Reset(f)
	s.offset, s.start, s.records = 0, 0, 0
	return nil
}

func (s *scanner) leaveSegment() error {
	if s.records < headRecords {
		return s.damage("the segment has no head, but %s follows it", s.segments[s.current+1].path)
	}
	if err := s.close(); err != nil {
		return fmt.Errorf("wal: close segment: %w", err)
	}
	s.current++
	return nil
}

// checkHead holds every segment to its head: a checksum that continues the chain, then the same metadata.
func (s *scanner) checkHead(h head, data []byte) (consumed bool, err error) {
	s.records++
	switch {
	case (h.typ == typeCRC) != (s.records == 1):
		return false, s.damage("record %d of the segment has type %d", s.records, h.typ)
	case (h.typ == typeMetadata) != (s.records == 2):
		return false, s.damage("record %d of the segment has type %d", s.records, h.typ)
	case h.typ == typeMetadata && s.hasMeta && !bytes.Equal(data, s.meta):
		return false, s.damage("its metadata is not that of the segments before")
	case h.typ == typeMetadata:
		s.meta, s.hasMeta = bytes.Clone(data), true
	}
	return s.records <= headRecords, nil
}

// frame reads one frame and advances past it. io.EOF means the end of the segment.
func (s *scanner) frame() (head, []byte, error) {
	recordBytes, err := s.length()
	if err != nil {
		return head{}, nil, err
	}
	frameBytes := lengthBytes + recordBytes + padding(recordBytes)
	if frameBytes > s.size-s.offset {
		return head{}, nil, s.bad(recordBytes, fmt.Sprintf("a record of %d bytes does not fit in the file", recordBytes))
	}
	record, err := s.read(frameBytes)
	if err != nil {
		return head{}, nil, fmt.Errorf("wal: read %s: %w", s.path(), err)
	}
	record = record[lengthBytes : lengthBytes+recordBytes]
	h, err := parseHead(record)
	if err != nil || h.recordBytes() != recordBytes {
		return head{}, nil, s.bad(recordBytes, "the bytes are not a record")
	}
	data := record[h.bytes:]
	if h.typ == typeCRC {
		if err := s.checkChain(h.crc); err != nil {
			return head{}, nil, err
		}
	} else if crc := crc32.Update(s.crc, castagnoli, data); crc != h.crc {
		return head{}, nil, s.bad(recordBytes, fmt.Sprintf("the checksum is %08x, not %08x as the record says", crc, h.crc))
	}
	s.crc = h.crc
	s.offset += frameBytes
	return h, data, nil
}

// checkChain compares the checksum at the head of a segment with the one so far, which is unknown only when reading
// begins in the middle of the log.
func (s *scanner) checkChain(crc uint32) error {
	known := s.records > 0 || s.current > 0 || s.segments[0].seq == 0
	if known && crc != s.crc {
		return s.damage("it continues a log with checksum %08x, the one before ends with %08x", crc, s.crc)
	}
	return nil
}

// length reads the length field of the next frame without moving past it.
func (s *scanner) length() (int64, error) {
	n := min(lengthBytes, s.size-s.offset)
	b, err := s.buf.Peek(int(n))
	switch {
	case err != nil:
		return 0, fmt.Errorf("wal: read %s: %w", s.path(), noEOF(err))
	case allZero(b):
		return 0, s.checkEnd()
	case n < lengthBytes && s.last():
		return 0, &tornError{s.path(), s.offset, "the file ends in a length field"}
	case n < lengthBytes:
		return 0, s.damage("the file ends in a length field")
	}
	value := binary.LittleEndian.Uint64(b)
	recordBytes, err := parseLength(value)
	if err == nil {
		return recordBytes, nil
	}
	if s.last() {
		zeros, err := s.zeros(s.offset+lengthBytes, s.size)
		if err != nil {
			return 0, fmt.Errorf("wal: read %s: %w", s.path(), err)
		}
		if zeros {
			return 0, &tornError{s.path(), s.offset, "a lost tail begins in a length field"}
		}
	}
	return 0, s.damage("%v %016x", err, value)
}

// checkEnd returns io.EOF when a zero length really is the end. Sectors reach the disk whole, so a zero length with
// something behind it in the same sector was set to zero later. Only the newest segment may have anything in later
// sectors: writes that were never synced.
func (s *scanner) checkEnd() error {
	end := s.size
	if s.last() {
		end = min(end, (s.offset/sectorBytes+1)*sectorBytes)
	}
	for at := s.offset; at < end; {
		rest, err := s.read(min(end-at, int64(s.buf.Size())))
		if err != nil {
			return fmt.Errorf("wal: read %s: %w", s.path(), err)
		}
		if !allZero(rest) {
			return s.damage("there are records behind the end of the segment")
		}
		at += int64(len(rest))
	}
	return io.EOF
}

// read returns the next n bytes of the file.
func (s *scanner) read(n int64) ([]byte, error) {
	if n <= int64(s.buf.Size()) {
		b, err := s.buf.Peek(int(n))
		if err == nil {
			_, err = s.buf.Discard(int(n))
		}
		return b, noEOF(err)
	}
	if int64(cap(s.scratch)) < n {
		s.scratch = make([]byte, n) // not more than the file holds
	}
	_, err := io.ReadFull(s.buf, s.scratch[:n])
	return s.scratch[:n], noEOF(err)
}

// noEOF keeps a file that got shorter while it was read from looking like a log that ends.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func allZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
