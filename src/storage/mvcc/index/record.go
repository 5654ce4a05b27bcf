package index

import (
	"encoding/binary"
	"fmt"
)

// A record is the block of a key with its newest revision, little-endian:
//
//	 0  uint32  key length and flags      24  int64  version
//	 4  uint32  newest past, or 0         32  int32  mod sub
//	 8  int64   mod main                  36  int32  create sub
//	16  int64   create main               40  key
type record []byte

func (a *arena) record(at addr) record { return record(a.block(at)) }

func (a *arena) addRecord(key []byte, m Meta) addr {
	if len(key) > blockMaxKeyBytes {
		panic(fmt.Sprintf("index: a key of %d bytes is longer than the %d allowed", len(key), blockMaxKeyBytes))
	}
	at, b := a.add(uint32(len(key)))
	record(b).setMeta(m)
	copy(b[recordHeadBytes:], key)
	return at
}

func (a *arena) addSeparator(key []byte) addr {
	at, b := a.add(uint32(len(key)) | blockSeparator)
	copy(b[separatorHeadBytes:], key)
	return at
}

func (r record) word() uint32           { return binary.LittleEndian.Uint32(r) }
func (r record) tombstone() bool        { return r.word()&blockTombstone != 0 }
func (r record) history() uint32        { return binary.LittleEndian.Uint32(r[4:]) }
func (r record) modMain() int64         { return int64(binary.LittleEndian.Uint64(r[8:])) }
func (r record) version() int64         { return int64(binary.LittleEndian.Uint64(r[24:])) }
func (r record) setHistory(past uint32) { binary.LittleEndian.PutUint32(r[4:], past) }

func (r record) create() Rev {
	return Rev{Main: int64(binary.LittleEndian.Uint64(r[16:])), Sub: int32(binary.LittleEndian.Uint32(r[36:]))}
}

func (r record) key() []byte {
	to := recordHeadBytes + int(r.word()&blockMaxKeyBytes)
	return r[recordHeadBytes:to:to]
}

func (r record) meta() Meta {
	_ = r[recordHeadBytes-1]
	word := r.word()
	return Meta{
		Mod:       Rev{Main: r.modMain(), Sub: int32(binary.LittleEndian.Uint32(r[32:]))},
		Create:    r.create(),
		Version:   r.version(),
		Tombstone: word&blockTombstone != 0,
		Leased:    word&blockLeased != 0,
	}
}

func (r record) setMeta(m Meta) {
	_ = r[recordHeadBytes-1]
	word := r.word() &^ (blockTombstone | blockLeased)
	if m.Tombstone {
		word |= blockTombstone
	}
	if m.Leased {
		word |= blockLeased
	}
	binary.LittleEndian.PutUint32(r, word)
	binary.LittleEndian.PutUint64(r[8:], uint64(m.Mod.Main))
	binary.LittleEndian.PutUint64(r[16:], uint64(m.Create.Main))
	binary.LittleEndian.PutUint64(r[24:], uint64(m.Version))
	binary.LittleEndian.PutUint32(r[32:], uint32(m.Mod.Sub))
	binary.LittleEndian.PutUint32(r[36:], uint32(m.Create.Sub))
}
