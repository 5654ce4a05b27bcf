package backend

import (
	"encoding/binary"
	"fmt"
)

// Revision addresses one row of the Key bucket: the Main-th transaction that changed the store, and the
// position of the change inside it.
type Revision struct {
	Main int64
	Sub  int32
}

// Less orders revisions as the rows of the Key bucket are ordered.
func (r Revision) Less(o Revision) bool {
	return r.Main < o.Main || (r.Main == o.Main && r.Sub < o.Sub)
}

// Row keys are 8 bytes big-endian main, '_', 8 bytes big-endian sub; a tombstone has a 't' behind it.
const (
	RevisionKeyBytes  = 17
	TombstoneKeyBytes = RevisionKeyBytes + 1

	revisionSeparator = '_'
	tombstoneMark     = 't'
)

// AppendRevisionKey appends the 17-byte row key of r, or the 18-byte one of a tombstone.
func AppendRevisionKey(dst []byte, r Revision, tombstone bool) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Main))
	dst = append(dst, revisionSeparator)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Sub))
	if tombstone {
		dst = append(dst, tombstoneMark)
	}
	return dst
}

// ParseRevisionKey is the inverse of AppendRevisionKey.
func ParseRevisionKey(key []byte) (r Revision, tombstone bool, err error) {
	if len(key) != RevisionKeyBytes && len(key) != TombstoneKeyBytes {
		return r, false, fmt.Errorf("revision key %x has %d bytes, expected %d or %d", key, len(key), RevisionKeyBytes, TombstoneKeyBytes)
	}
	sub := binary.BigEndian.Uint64(key[9:])
	tombstone = len(key) == TombstoneKeyBytes
	if key[8] != revisionSeparator || sub > 1<<31-1 || (tombstone && key[17] != tombstoneMark) {
		return r, false, fmt.Errorf("revision key %x is malformed", key)
	}
	return Revision{Main: int64(binary.BigEndian.Uint64(key)), Sub: int32(sub)}, tombstone, nil
}
