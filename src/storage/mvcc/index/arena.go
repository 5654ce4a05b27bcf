package index

import (
	"encoding/binary"
	"fmt"
)

// An addr is the place of a block in the arena, in units of 8 bytes; 0 means none.
type addr = uint32

const (
	arenaUnitBytes    = 8
	arenaChunkBits    = 15 // of an addr: the unit within its chunk
	arenaChunkBytes   = arenaUnitBytes << arenaChunkBits
	arenaUnitMask     = 1<<arenaChunkBits - 1
	arenaMaxChunks    = 1 << (32 - arenaChunkBits)
	arenaSharedMaxLen = arenaChunkBytes / 4 // a longer block gets a chunk of its own
)

// The first word of a block: the length of its key, and flags.
const (
	blockMaxKeyBytes    = 1<<28 - 1
	blockSeparator      = 1 << 28 // a separator of the tree: the key follows at once
	blockDead           = 1 << 29 // garbage
	blockTombstone      = 1 << 30 // the newest revision of the key is a tombstone
	blockLeased         = 1 << 31 // … is attached to a lease
	separatorHeadBytes  = 4
	recordHeadBytes     = 40
	recordKeyShiftBytes = recordHeadBytes - separatorHeadBytes
)

// The arena holds blocks of bytes in chunks that are only ever appended to. Freed blocks stay where they are until their
// chunk is all garbage, or is queued as a victim for Index.sweep, which moves what is left elsewhere.
type arena struct {
	bytes   [][]byte // a chunk may be larger than arenaChunkBytes when it holds a single block; nil where released
	chunks  []arenaChunk
	vacant  []uint32 // places that are nil
	tail    int      // the chunk being filled, when filling
	filling bool

	victims    []uint32 // chunks that were more than half garbage when sealed or later
	sweeping   int      // the chunk being swept, when sweepOn
	sweepAt    int      // byte offset in it
	sweepOn    bool
	totalBytes int64
}

type arenaChunk struct {
	usedBytes int
	liveBytes int
	sealed    bool
	queued    bool
}

func blockBytes(word uint32) int {
	n := int(word&blockMaxKeyBytes) + recordHeadBytes
	if word&blockSeparator != 0 {
		n -= recordKeyShiftBytes
	}
	return (n + arenaUnitBytes - 1) &^ (arenaUnitBytes - 1)
}

// block returns the bytes from at to the end of the chunk.
func (a *arena) block(at addr) []byte {
	return a.bytes[at>>arenaChunkBits][int(at&arenaUnitMask)*arenaUnitBytes:]
}

// key returns the key of a record or separator.
func (a *arena) key(at addr) []byte {
	b := a.block(at)
	word := binary.LittleEndian.Uint32(b)
	from := recordHeadBytes
	if word&blockSeparator != 0 {
		from = separatorHeadBytes
	}
	to := from + int(word&blockMaxKeyBytes)
	return b[from:to:to]
}

// add appends a block whose first word is given; the caller fills in the rest.
func (a *arena) add(word uint32) (addr, []byte) {
	size := blockBytes(word)
	if size > arenaSharedMaxLen {
		at := a.newChunk(size)
		c := &a.chunks[at]
		c.usedBytes, c.liveBytes, c.sealed = size, size, true
		binary.LittleEndian.PutUint32(a.bytes[at], word)
		return addr(at << arenaChunkBits), a.bytes[at]
	}
	if a.filling && a.chunks[a.tail].usedBytes+size > arenaChunkBytes {
		a.filling = false
		a.chunks[a.tail].sealed = true
		a.settle(a.tail)
	}
	if !a.filling {
		a.tail = a.newChunk(arenaChunkBytes)
		a.filling = true
	}
	c := &a.chunks[a.tail]
	from := c.usedBytes
	c.usedBytes += size
	c.liveBytes += size
	b := a.bytes[a.tail][from:]
	binary.LittleEndian.PutUint32(b, word)
	return addr(a.tail<<arenaChunkBits | from/arenaUnitBytes), b
}

func (a *arena) newChunk(size int) int {
	if len(a.bytes) == 0 {
		// Chunk 0 stays empty, so that no block has address 0.
		a.bytes = append(a.bytes, nil)
		a.chunks = append(a.chunks, arenaChunk{sealed: true})
	}
	a.totalBytes += int64(size)
	if n := len(a.vacant); n > 0 {
		at := int(a.vacant[n-1])
		a.vacant = a.vacant[:n-1]
		a.bytes[at] = make([]byte, size)
		a.chunks[at] = arenaChunk{}
		return at
	}
	if len(a.bytes) == arenaMaxChunks {
		panic(fmt.Sprintf("index: the keys fill all %d chunks of %d bytes that can be addressed", arenaMaxChunks, arenaChunkBytes))
	}
	a.bytes = append(a.bytes, make([]byte, size))
	a.chunks = append(a.chunks, arenaChunk{})
	return len(a.bytes) - 1
}

// free makes a block garbage. Its key bytes are left as they are, for readers that still hold them.
func (a *arena) free(at addr) {
	b := a.block(at)
	word := binary.LittleEndian.Uint32(b)
	if word&blockDead != 0 {
		panic(fmt.Sprintf("index: the block at %d is freed twice", at))
	}
	binary.LittleEndian.PutUint32(b, word|blockDead)
	chunk := int(at >> arenaChunkBits)
	a.chunks[chunk].liveBytes -= blockBytes(word)
	a.settle(chunk)
}

// settle releases a chunk without live blocks, and queues one that is more than half garbage.
func (a *arena) settle(chunk int) {
	c := &a.chunks[chunk]
	switch {
	case !c.sealed:
	case c.liveBytes == 0:
		a.totalBytes -= int64(len(a.bytes[chunk]))
		a.bytes[chunk] = nil
		c.queued = false
		if a.sweepOn && a.sweeping == chunk {
			a.sweepOn = false
		}
		a.vacant = append(a.vacant, uint32(chunk))
	case !c.queued && c.liveBytes < len(a.bytes[chunk])/2:
		c.queued = true
		a.victims = append(a.victims, uint32(chunk))
	}
}

func (a *arena) heldBytes() int64 {
	return a.totalBytes + int64(cap(a.bytes))*24 + int64(cap(a.chunks))*24 + int64(cap(a.vacant)+cap(a.victims))*4
}
