package index

import "encoding/binary"

// sweep moves about max live blocks out of chunks that are mostly garbage, which releases those chunks; true when none is
// left. It pays for itself: a chunk is swept once more was freed in it than has to be moved.
func (x *Index) sweep(max int) (done bool) {
	return x.sweepArena(&x.arena, max) && x.sweepArena(&x.separators, max)
}

func (x *Index) sweepArena(a *arena, max int) (done bool) {
	for {
		if !a.sweepOn && !a.nextVictim() {
			return true
		}
		// Moving the last live block releases the chunk, which ends its sweep.
		for a.sweepOn {
			word := binary.LittleEndian.Uint32(a.bytes[a.sweeping][a.sweepAt:])
			if word&blockDead == 0 {
				if max <= 0 {
					return false
				}
				max--
				x.move(a, addr(a.sweeping<<arenaChunkBits|a.sweepAt/arenaUnitBytes))
			}
			a.sweepAt += blockBytes(word)
		}
	}
}

// nextVictim starts on the next queued chunk; false when there is none.
func (a *arena) nextVictim() bool {
	for len(a.victims) > 0 {
		v := int(a.victims[len(a.victims)-1])
		a.victims = a.victims[:len(a.victims)-1]
		// A chunk that has been released since, and perhaps begun anew, is not queued.
		if a.chunks[v].queued {
			a.sweeping, a.sweepAt, a.sweepOn = v, 0, true
			return true
		}
	}
	return false
}

// move copies a live block to the tail of its arena and makes the tree point at the copy.
func (x *Index) move(a *arena, from addr) {
	word := binary.LittleEndian.Uint32(a.block(from))
	to, b := a.add(word)
	copy(b[:blockBytes(word)], a.block(from))
	find := x.entryOfKey
	if word&blockSeparator != 0 {
		find = x.entryOfSeparator
	}
	e := find(a.key(to))
	if e == nil || e.ref() != from {
		panic("index: a live block of the arena is not in the tree")
	}
	*e = *e>>headShift<<headShift | entry(to)
	a.free(from)
}

func (x *Index) entryOfKey(key []byte) *entry {
	var p path
	if l, pos, found := x.locate(key, &p); found {
		return &l.entries[pos]
	}
	return nil
}

// entryOfSeparator looks in the nodes on the way to its key: one of them has it.
func (x *Index) entryOfSeparator(key []byte) *entry {
	id := x.root
	for range x.height {
		in := x.inners.at(id)
		pos, found := in.find(&x.separators, key)
		if found {
			return &in.entries[pos]
		}
		id = in.child[pos]
	}
	return nil
}
