package index

import (
	"bytes"
	"math"
	"math/bits"
)

// Scan calls fn for the keys in [from, to) that exist at main revision atRev, in ascending order; to nil means to the end.
// It visits at most max keys of the index, those that did not exist at atRev included, no bound when max <= 0; then it
// returns the key to resume from and false. It returns true when the range is done or fn returned false.
func (x *Index) Scan(from, to []byte, atRev int64, max int, fn func(key []byte, m Meta) bool) (next []byte, done bool) {
	if to != nil && bytes.Compare(from, to) >= 0 {
		return nil, true
	}
	if max <= 0 {
		max = math.MaxInt
	}
	var p path
	l, pos, _ := x.locate(from, &p)
	for {
		end, last := int(l.n), l.next == 0
		if to != nil && pos < end && bytes.Compare(x.arena.key(l.entries[end-1].ref()), to) >= 0 {
			end, _ = l.find(&x.arena, to)
			last = true
		}
		stop := end
		if end-pos > max {
			stop = pos + max
		}
		max -= stop - pos
		if !x.scanLeaf(l, pos, stop, atRev, fn) {
			return nil, true
		}
		if stop < end {
			return x.arena.key(l.entries[stop].ref()), false
		}
		if last {
			return nil, true
		}
		l = x.leaves.at(l.next)
		pos = 0
	}
}

// scanLeaf calls fn for those of the keys pos to end-1 of a leaf that exist at atRev; false when fn returned false.
func (x *Index) scanLeaf(l *leaf, pos, end int, atRev int64, fn func(key []byte, m Meta) bool) bool {
	// Bit i of settled: the newest revision of key i is what there is at atRev. Finding that out first reads all the records
	// in one sweep that the processor can overlap; one by one, between calls of fn, each would be waited for.
	settled := uint64(0)
	for i := pos; i < end; i++ {
		if x.arena.record(l.entries[i].ref()).modMain() <= atRev {
			settled |= 1 << i
		}
	}
	for i := pos; i < end; i++ {
		bit := uint64(1) << i
		if settled&bit != 0 && l.live&bit == 0 {
			continue
		}
		r := x.arena.record(l.entries[i].ref())
		m, ok := Meta{}, true
		if settled&bit != 0 {
			m = r.meta()
		} else {
			m, ok = x.pastAt(r.history(), atRev)
		}
		if ok && !fn(r.key(), m) {
			return false
		}
	}
	return true
}

// CountLatest returns how many keys in [from, to) exist at head; to nil means to the end.
func (x *Index) CountLatest(from, to []byte) int64 {
	end := int64(x.live)
	if to != nil {
		end = x.rank(to)
	}
	return max(0, end-x.rank(from))
}

// rank returns how many live keys are less than key.
func (x *Index) rank(key []byte) int64 {
	if len(key) == 0 {
		return 0
	}
	var p path
	l, pos, _ := x.locate(key, &p)
	sum := int64(bits.OnesCount64(l.live & (1<<pos - 1)))
	for _, s := range p.steps[:x.height] {
		for _, n := range x.inners.at(s.node).live[:s.at] {
			sum += int64(n)
		}
	}
	return sum
}
