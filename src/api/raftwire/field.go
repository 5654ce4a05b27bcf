package raftwire

import "google.golang.org/protobuf/encoding/protowire"

// field is one decoded key of the wire format with the value of the two wire types that raft uses.
type field struct {
	num    protowire.Number
	typ    protowire.Type
	varint uint64 // when typ is VarintType
	bytes  []byte // when typ is BytesType; its capacity ends with it
}

// nextField consumes one field of data and returns the rest. Fields of other wire types are consumed whole and
// returned with neither value set, which callers take as unknown.
func nextField(data []byte) (field, []byte, error) {
	num, typ, n := consumeTag(data)
	if n < 0 || num < protowire.MinValidNumber || num > protowire.MaxValidNumber {
		return field{}, nil, errTag
	}
	data = data[n:]
	f := field{num: num, typ: typ}
	switch typ {
	case protowire.VarintType:
		f.varint, n = protowire.ConsumeVarint(data)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(data)
		if n >= 0 {
			f.bytes = f.bytes[:len(f.bytes):len(f.bytes)]
		}
	default:
		n = protowire.ConsumeFieldValue(num, typ, data)
	}
	if n < 0 {
		return field{}, nil, fieldError(num, n)
	}
	return f, data[n:], nil
}

// consumeTag is protowire.ConsumeTag with a short way for the one-byte tags, which are all that raft has.
func consumeTag(data []byte) (protowire.Number, protowire.Type, int) {
	if len(data) > 0 && data[0] < 0x80 {
		return protowire.Number(data[0] >> 3), protowire.Type(data[0] & 7), 1
	}
	return protowire.ConsumeTag(data)
}

// isVarint and isBytes say whether f is field num in the wanted wire type; a known number in another wire type is
// unknown to protobuf, not an error.
func (f *field) isVarint(num protowire.Number) bool {
	return f.num == num && f.typ == protowire.VarintType
}

func (f *field) isBytes(num protowire.Number) bool {
	return f.num == num && f.typ == protowire.BytesType
}

func sizeUint(v *uint64) int {
	if v == nil {
		return 0
	}
	return 1 + protowire.SizeVarint(*v)
}

func appendUint(dst []byte, num protowire.Number, v *uint64) []byte {
	if v == nil {
		return dst
	}
	dst = append(dst, byte(num)<<3|byte(protowire.VarintType))
	return protowire.AppendVarint(dst, *v)
}

func sizeBytes(v []byte) int {
	if v == nil {
		return 0
	}
	return sizeLen(len(v))
}

// sizeLen is the size of a field of n bytes with its one-byte tag and its length.
func sizeLen(n int) int { return 1 + protowire.SizeBytes(n) }

func appendLen(dst []byte, num protowire.Number, n int) []byte {
	dst = append(dst, byte(num)<<3|byte(protowire.BytesType))
	return protowire.AppendVarint(dst, uint64(n))
}

func appendBytes(dst []byte, num protowire.Number, v []byte) []byte {
	if v == nil {
		return dst
	}
	return append(appendLen(dst, num, len(v)), v...)
}
