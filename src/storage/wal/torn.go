package wal

import (
	"errors"
	"fmt"
	"io"
)

// bad decides whether the frame at the offset, which failed for the given reason, is torn or damaged. It can be torn only
// in the newest segment, and only if the head of the record, as far as it was written, agrees with the length field:
// else a changed length would make good records look torn. Then it is torn when
//   - it goes on behind the end of the file, or
//   - one of its sectors is all zeros, as preallocated: it never reached the disk (etcd#15069), or
//   - zeros follow from inside the record to the end of the file: some file systems fill a lost tail so (etcd#11220).
//
// Anything else was changed after it was written. (etcd#11918)
func (s *scanner) bad(recordBytes int64, reason string) error {
	torn, err := s.torn(s.offset+lengthBytes, recordBytes)
	switch {
	case err != nil:
		return fmt.Errorf("wal: read %s: %w", s.path(), err)
	case torn:
		return &tornError{s.path(), s.offset, reason}
	}
	return s.damage("%s", reason)
}

func (s *scanner) torn(from, recordBytes int64) (bool, error) {
	if !s.last() {
		return false, nil
	}
	to := from + recordBytes
	b := make([]byte, min(headBytesMax, recordBytes, s.size-from))
	if err := s.readAt(b, from); err != nil {
		return false, err
	}
	h, parseErr := parseHead(b)
	agrees := parseErr == nil && h.recordBytes() == recordBytes
	headEnd := min(to, from+headBytesMax)
	if parseErr == nil {
		headEnd = from + int64(h.bytes)
	}
	if to+padding(recordBytes) > s.size && (agrees || headEnd > s.size) {
		return true, nil
	}
	zerosFrom := headEnd - 1 // a head that zeros end may have meant anything
	if agrees || parseErr != nil {
		zerosFrom = to - 1
	}
	if zerosFrom < s.size {
		if zeros, err := s.zeros(zerosFrom, s.size); zeros || err != nil {
			return zeros, err
		}
	}
	if agrees {
		return s.lostSector(from, to)
	}
	return s.lostSector(from, min(headEnd, s.size))
}

// lostSector reports whether a sector that overlaps the bytes from..to of the file is all zeros.
func (s *scanner) lostSector(from, to int64) (bool, error) {
	for at := from / sectorBytes * sectorBytes; at < to; at += sectorBytes {
		if zeros, err := s.zeros(at, min(at+sectorBytes, s.size)); zeros || err != nil {
			return zeros, err
		}
	}
	return false, nil
}

// zeros reports whether the bytes from..to of the file are all zero.
func (s *scanner) zeros(from, to int64) (bool, error) {
	for n := int64(sectorBytes); from < to; n = min(2*n, readBytes) {
		b := make([]byte, min(n, to-from))
		if err := s.readAt(b, from); err != nil {
			return false, err
		}
		if !allZero(b) {
			return false, nil
		}
		from += int64(len(b))
	}
	return true, nil
}

func (s *scanner) readAt(b []byte, at int64) error {
	_, err := s.file.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		return nil // a full read may say so as well; the file is locked, it does not get shorter
	}
	return err
}
