package index

import "math/bits"

// A leaf holds keys. Bit i of live and busy belongs to key i of the run.
type leaf struct {
	live uint64 // the newest revision is not a tombstone
	busy uint64 // has history or is a tombstone: compaction may find something
	next uint32 // the leaf to the right, or 0
	run
}

// An inner node has one child more than keys: child i holds the keys k with key i-1 <= k < key i of the run.
type inner struct {
	run
	child [runMaxKeys + 1]uint32
	live  [runMaxKeys + 1]uint32 // live keys below each child
}

func (in *inner) children() int { return int(in.n) + 1 }

func (in *inner) liveSum() (sum uint32) {
	for _, n := range in.live[:in.n+1] {
		sum += n
	}
	return sum
}

// insertChild puts a child to the right of child at, beginning at the separator.
func (in *inner) insertChild(a *arena, at int, separator addr, child, live uint32) {
	n := in.children()
	in.run.insert(a, at, a.key(separator), separator)
	copy(in.child[at+2:n+1], in.child[at+1:n])
	copy(in.live[at+2:n+1], in.live[at+1:n])
	in.child[at+1] = child
	in.live[at+1] = live
}

// removeChild takes out child at+1, whose keys are in child at by now, with the separator between them.
func (in *inner) removeChild(at int) {
	n := in.children()
	in.live[at] += in.live[at+1]
	in.run.remove(at)
	copy(in.child[at+1:], in.child[at+2:n])
	copy(in.live[at+1:], in.live[at+2:n])
}

// setSeparator replaces the separator to the right of child at.
func (in *inner) setSeparator(a *arena, at int, separator addr) {
	in.run.remove(at)
	in.run.insert(a, at, a.key(separator), separator)
}

func (l *leaf) liveSum() uint32 { return uint32(bits.OnesCount64(l.live)) }

func (l *leaf) insertKey(a *arena, pos int, key []byte, ref addr, live, busy bool) {
	l.run.insert(a, pos, key, ref)
	l.live = insertBit(l.live, pos, live)
	l.busy = insertBit(l.busy, pos, busy)
}

func insertBit(word uint64, pos int, on bool) uint64 {
	below := word & (1<<pos - 1)
	word = below | (word&^below)<<1
	if on {
		word |= 1 << pos
	}
	return word
}

func removeBit(word uint64, pos int) uint64 {
	below := word & (1<<pos - 1)
	return below | word>>(pos+1)<<pos
}
