package mvcc

import (
	"fmt"
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"
)

// The wire tags of mvccpb.KeyValue. Rows are encoded by hand: field order, omitted zero fields and all, since the bytes
// are hashed, compared between members and sent to clients as they are.
const (
	wireVarint = byte(protowire.VarintType)
	wireBytes  = byte(protowire.BytesType)

	tagKey     = 1<<3 | wireBytes
	tagCreate  = 2<<3 | wireVarint
	tagMod     = 3<<3 | wireVarint
	tagVersion = 4<<3 | wireVarint
	tagValue   = 5<<3 | wireBytes
	tagLease   = 6<<3 | wireVarint
	lastField  = 6
)

// keyValue is a decoded row. key and value point into the encoded bytes.
type keyValue struct {
	key, value           []byte
	create, mod, version int64
	lease                int64
}

func sizeVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func sizeBytesField(n int) int {
	if n == 0 {
		return 0
	}
	return 1 + sizeVarint(uint64(n)) + n
}

func sizeIntField(v int64) int {
	if v == 0 {
		return 0
	}
	return 1 + sizeVarint(uint64(v))
}

func (kv *keyValue) size() int {
	return sizeBytesField(len(kv.key)) + sizeIntField(kv.create) + sizeIntField(kv.mod) + sizeIntField(kv.version) +
		sizeBytesField(len(kv.value)) + sizeIntField(kv.lease)
}

func appendBytesField(dst []byte, tag byte, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	return append(protowire.AppendVarint(append(dst, tag), uint64(len(v))), v...)
}

func appendIntField(dst []byte, tag byte, v int64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(append(dst, tag), uint64(v))
}

func (kv *keyValue) appendTo(dst []byte) []byte {
	dst = appendBytesField(dst, tagKey, kv.key)
	dst = appendIntField(dst, tagCreate, kv.create)
	dst = appendIntField(dst, tagMod, kv.mod)
	dst = appendIntField(dst, tagVersion, kv.version)
	dst = appendBytesField(dst, tagValue, kv.value)
	return appendIntField(dst, tagLease, kv.lease)
}

// encode makes one allocation of the exact size.
func (kv *keyValue) encode() []byte { return kv.appendTo(make([]byte, 0, kv.size())) }

// parse decodes a row; bytes are not copied. Unknown fields are skipped.
func (kv *keyValue) parse(data []byte) error {
	*kv = keyValue{}
	for rest := data; len(rest) > 0; {
		var n int
		switch tag := rest[0]; tag {
		case tagKey, tagValue:
			v, m := protowire.ConsumeBytes(rest[1:])
			if n = m; n >= 0 {
				n++
				if tag == tagKey {
					kv.key = v
				} else {
					kv.value = v
				}
			}
		case tagCreate, tagMod, tagVersion, tagLease:
			v, m := protowire.ConsumeVarint(rest[1:])
			if n = m; n >= 0 {
				n++
				kv.setInt(tag, int64(v))
			}
		default:
			var field protowire.Number
			if field, _, n = protowire.ConsumeField(rest); field <= lastField && n >= 0 {
				return fmt.Errorf("row of %d bytes is not an encoded key-value: the tag of field %d is one that no encoder writes", len(data), field)
			}
		}
		if n < 0 {
			return fmt.Errorf("row of %d bytes is not an encoded key-value: %w", len(data), protowire.ParseError(n))
		}
		rest = rest[n:]
	}
	return nil
}

func (kv *keyValue) setInt(tag byte, v int64) {
	switch tag {
	case tagCreate:
		kv.create = v
	case tagMod:
		kv.mod = v
	case tagVersion:
		kv.version = v
	case tagLease:
		kv.lease = v
	}
}

// mustParse is for rows of this store, which were checked when it was opened or were written by it.
func mustParse(raw []byte) (kv keyValue) {
	if err := kv.parse(raw); err != nil {
		panic(fmt.Sprintf("mvcc: expected an encoded key-value, found %v: the store file changed under a running member, restore it from a snapshot", err))
	}
	return kv
}

// Value cuts the value out of an encoded key-value.
func Value(raw []byte) []byte { kv := mustParse(raw); return kv.value }

// LeaseID cuts the lease out of an encoded key-value; 0 = none.
func LeaseID(raw []byte) int64 { kv := mustParse(raw); return kv.lease }
