package wal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"google.golang.org/protobuf/encoding/protowire"

	"go.etcd.io/raft/v3/raftpb"
	"quoin.dev/api/raftwire"
)

type recordType byte

const (
	typeMetadata recordType = 1
	typeEntry    recordType = 2
	typeState    recordType = 3
	typeCRC      recordType = 4
	typeSnapshot recordType = 5
)

// Tag bytes of walpb.Record {type=1 int64, crc=2 uint32, data=3 bytes}.
const (
	tagType = 1<<3 | byte(protowire.VarintType)
	tagCRC  = 2<<3 | byte(protowire.VarintType)
	tagData = 3<<3 | byte(protowire.BytesType)
)

const (
	lengthBytes  = 8 // of the field before a record
	sectorBytes  = 512
	maxCRCBytes  = 5                                // of a uint32 as varint
	crcOffset    = 3                                // of the checksum in a record: tag, type, tag
	headBytesMax = crcOffset + maxCRCBytes + 1 + 10 // of a record up to its data
	padFlag      = 0x80
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encoder builds frames in a buffer that is used again. crc is the running checksum after the last frame.
type encoder struct {
	buf []byte
	crc uint32
}

// entry appends the frame of e. The record is built around the entry's bytes in place: room for the longest checksum is
// left before them, and closed in the one case of sixteen in which it is shorter.
func (c *encoder) entry(e *raftpb.Entry) {
	frame := c.begin(typeEntry)
	c.buf = append(c.buf, tagData)
	c.buf = protowire.AppendVarint(c.buf, uint64(raftwire.SizeEntry(e)))
	data := len(c.buf)
	c.buf = raftwire.AppendEntry(c.buf, e)
	c.end(frame, c.buf[data:])
}

// record appends a frame with data as it is.
func (c *encoder) record(t recordType, data []byte) {
	frame := c.begin(t)
	c.buf = append(c.buf, tagData)
	c.buf = protowire.AppendVarint(c.buf, uint64(len(data)))
	c.buf = append(c.buf, data...)
	c.end(frame, data)
}

// checksum appends a type-4 frame, which carries the running checksum and no data.
func (c *encoder) checksum() { c.end(c.begin(typeCRC), nil) }

// state appends a hard state.
func (c *encoder) state(hs hardState) {
	frame := c.begin(typeState)
	c.buf = append(c.buf, tagData, byte(hs.size())) // below 128, a varint of one byte
	data := len(c.buf)
	c.buf = hs.append(c.buf)
	c.end(frame, c.buf[data:])
}

func (c *encoder) begin(t recordType) (frame int) {
	frame = len(c.buf)
	c.buf = append(c.buf, 0, 0, 0, 0, 0, 0, 0, 0, tagType, byte(t), tagCRC, 0, 0, 0, 0, 0)
	return frame
}

func (c *encoder) end(frame int, data []byte) {
	c.crc = crc32.Update(c.crc, castagnoli, data)
	record := frame + lengthBytes
	n := protowire.SizeVarint(uint64(c.crc))
	if n < maxCRCBytes {
		copy(c.buf[record+crcOffset+n:], c.buf[record+crcOffset+maxCRCBytes:])
		c.buf = c.buf[:len(c.buf)-(maxCRCBytes-n)]
	}
	protowire.AppendVarint(c.buf[:record+crcOffset], uint64(c.crc))
	length := len(c.buf) - record
	pad := padding(int64(length))
	binary.LittleEndian.PutUint64(c.buf[frame:], lengthField(int64(length)))
	c.buf = append(c.buf, make([]byte, pad)...)
}

// padding returns how many zeros follow a record of so many bytes.
func padding(recordBytes int64) int64 { return -recordBytes & 7 }

func lengthField(recordBytes int64) uint64 {
	field := uint64(recordBytes)
	if pad := padding(recordBytes); pad > 0 {
		field |= uint64(padFlag|pad) << 56
	}
	return field
}

var errLengthField = errors.New("impossible length field")

// parseLength returns the record bytes of a length field. A field that the encoder would not write is an error.
func parseLength(field uint64) (int64, error) {
	recordBytes := int64(field & (1<<56 - 1))
	if field != lengthField(recordBytes) {
		return 0, errLengthField
	}
	return recordBytes, nil
}

// head is the part of a record before its data.
type head struct {
	typ       recordType
	crc       uint32
	dataBytes int64 // -1: no data field
	bytes     int   // of the head itself
}

var errRecord = errors.New("not a record")

// parseHead reads the head of a record from its first bytes; fields stand in the order in which they are written, and
// nothing else is accepted, since only the data is under the checksum. b may be cut off: then the head must fit in it.
func parseHead(b []byte) (head, error) {
	if len(b) < crcOffset || b[0] != tagType || b[1] == 0 || b[1] > byte(typeSnapshot) || b[2] != tagCRC {
		return head{}, errRecord
	}
	h := head{typ: recordType(b[1]), dataBytes: -1, bytes: crcOffset}
	crc, n := protowire.ConsumeVarint(b[h.bytes:])
	if n < 0 || crc > 1<<32-1 || n != protowire.SizeVarint(crc) {
		return head{}, errRecord
	}
	h.crc = uint32(crc)
	h.bytes += n
	if h.typ == typeCRC {
		return h, nil
	}
	if len(b) == h.bytes || b[h.bytes] != tagData {
		return head{}, errRecord
	}
	h.bytes++
	size, n := protowire.ConsumeVarint(b[h.bytes:])
	if n < 0 || size >= 1<<56 || n != protowire.SizeVarint(size) {
		return head{}, errRecord
	}
	h.dataBytes = int64(size)
	h.bytes += n
	return h, nil
}

// recordBytes is the length that the whole record has by its head.
func (h head) recordBytes() int64 { return int64(h.bytes) + max(h.dataBytes, 0) }

// reset empties the buffer, and gives one back that grew far beyond what a usual Append needs.
func (c *encoder) reset() {
	if cap(c.buf) > 4*writeBytes {
		c.buf = nil
	}
	c.buf = c.buf[:0]
}
