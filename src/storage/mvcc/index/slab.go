package index

import (
	"fmt"
	"math"
	"math/bits"
	"unsafe"
)

// A slab numbers items of one pointer-free type. It grows by chunks, so that growth copies nothing, and releases a chunk
// whose items have all been freed. Number 0 is never given out: it means none.
type slab[T any] struct {
	what   string
	chunks []*[slabChunkItems]T // nil where released
	rooms  []slabRoom           // of each chunk
	vacant []uint32             // places in chunks that are nil
	open   []uint32             // chunks with room
	used   int
}

const (
	slabChunkItems = 256
	slabMaxItems   = math.MaxUint32
)

// A slabRoom says which items of a chunk are free: one bit each.
type slabRoom struct {
	free   [slabChunkItems / 64]uint64
	used   int32
	openAt uint32 // place in slab.open, while there is room
}

func (s *slab[T]) at(id uint32) *T {
	return &s.chunks[id/slabChunkItems][id%slabChunkItems]
}

// alloc returns the number of a zero item.
func (s *slab[T]) alloc() uint32 {
	if len(s.open) == 0 {
		s.grow()
	}
	chunk := s.open[len(s.open)-1]
	room := &s.rooms[chunk]
	for w, free := range room.free {
		if free == 0 {
			continue
		}
		room.free[w] = free & (free - 1)
		room.used++
		s.used++
		if room.used == slabChunkItems {
			s.open = s.open[:len(s.open)-1]
		}
		return chunk*slabChunkItems + uint32(w*64+bits.TrailingZeros64(free))
	}
	panic("index: a slab chunk counts as open but has no free item")
}

func (s *slab[T]) grow() {
	var chunk uint32
	if n := len(s.vacant); n > 0 {
		chunk = s.vacant[n-1]
		s.vacant = s.vacant[:n-1]
	} else {
		if (len(s.chunks)+1)*slabChunkItems > slabMaxItems {
			panic(fmt.Sprintf("index: there are 2^32 %s, which is all the index can number", s.what))
		}
		chunk = uint32(len(s.chunks))
		s.chunks = append(s.chunks, nil)
		s.rooms = append(s.rooms, slabRoom{})
	}
	s.chunks[chunk] = new([slabChunkItems]T)
	room := &s.rooms[chunk]
	*room = slabRoom{openAt: uint32(len(s.open))}
	for w := range room.free {
		room.free[w] = math.MaxUint64
	}
	if chunk == 0 {
		room.free[0] &^= 1
		room.used = 1
	}
	s.open = append(s.open, chunk)
}

// release frees an item. Its bytes are cleared at once, so that a stale number shows.
func (s *slab[T]) release(id uint32) {
	chunk := id / slabChunkItems
	room := &s.rooms[chunk]
	w, bit := id%slabChunkItems/64, uint64(1)<<(id%64)
	if id == 0 || s.chunks[chunk] == nil || room.free[w]&bit != 0 {
		panic(fmt.Sprintf("index: number %d of %s is not in use and cannot be freed", id, s.what))
	}
	*s.at(id) = *new(T)
	room.free[w] |= bit
	s.used--
	if room.used == slabChunkItems {
		room.openAt = uint32(len(s.open))
		s.open = append(s.open, chunk)
	}
	room.used--
	if room.used == 0 {
		last := s.open[len(s.open)-1]
		s.open[room.openAt] = last
		s.rooms[last].openAt = room.openAt
		s.open = s.open[:len(s.open)-1]
		s.chunks[chunk] = nil
		s.vacant = append(s.vacant, chunk)
	}
}

func (s *slab[T]) heldBytes() int64 {
	held := int64(len(s.chunks)-len(s.vacant)) * int64(unsafe.Sizeof([slabChunkItems]T{}))
	return held + int64(cap(s.chunks))*8 + int64(cap(s.rooms))*int64(unsafe.Sizeof(slabRoom{})) +
		int64(cap(s.vacant)+cap(s.open))*4
}
