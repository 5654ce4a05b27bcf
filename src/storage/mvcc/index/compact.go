package index

import (
	"math"
	"math/bits"
)

// Compact removes, key by key, the revisions that no read at atRev or later can see: of each key it keeps the newest
// revision <= atRev, unless that is a tombstone older than atRev, and everything newer. drop is called once for every
// removed revision. Keys left without a revision are removed.
//
// One call does at most about max units of work, no bound when max <= 0: a leaf passed, a key looked at, a revision
// dropped are one unit each, and as many blocks are moved out of chunks that are mostly garbage. It then returns where to
// resume and false. The resume key may be one that was seen already; compacting it again changes nothing.
func (x *Index) Compact(atRev int64, from []byte, max int, drop func(rev Rev)) (next []byte, done bool) {
	if max <= 0 {
		max = math.MaxInt
	}
	c := compaction{x: x, atRev: atRev, work: max, dropped: drop}
	for key := from; ; {
		resume, fence := c.leaf(key)
		switch {
		case resume != nil:
			x.sweep(max)
			return resume, false
		case fence == nil:
			if x.sweep(max) {
				return nil, true
			}
			if len(key) == 0 {
				key = []byte{0}
			}
			return key, false
		case c.work <= 0:
			x.sweep(max)
			return fence, false
		}
		key = fence
	}
}

// A compaction is one call of Compact.
type compaction struct {
	x       *Index
	atRev   int64
	work    int // units left
	dropped func(Rev)
}

// leaf compacts the keys >= key of the next leaf that has busy ones. It returns the key to resume from when the work ran out
// among them, and the start of the leaf after it, nil after the last.
func (c *compaction) leaf(key []byte) (resume, fence []byte) {
	var p path
	l, pos, _ := c.x.locate(key, &p)
	if l.busy>>pos == 0 {
		if key = c.passIdle(l); key == nil || c.work <= 0 {
			return nil, key
		}
		l, pos, _ = c.x.locate(key, &p)
	}
	fence = c.x.fence(&p)
	gone := uint64(0)
	for todo := l.busy >> pos << pos; todo != 0; todo &= todo - 1 {
		i := bits.TrailingZeros64(todo)
		r := c.x.arena.record(l.entries[i].ref())
		if c.work <= 0 || !c.key(r) {
			resume = r.key()
			break
		}
		switch {
		case r.history() != 0:
		case !r.tombstone():
			l.busy &^= 1 << i
		case r.modMain() < c.atRev:
			gone |= 1 << i
			c.dropped(r.meta().Mod)
		}
	}
	c.work--
	if gone != 0 {
		c.x.removeKeys(&p, gone)
	}
	return resume, fence
}

// passIdle goes to the right of l, past leaves without busy keys, as far as the work lasts. It returns the first key of the
// leaf it comes to, nil at the end.
func (c *compaction) passIdle(l *leaf) []byte {
	for l.next != 0 {
		l = c.x.leaves.at(l.next)
		c.work--
		if l.n > 0 && (l.busy != 0 || c.work <= 0) {
			return c.x.arena.key(l.entries[0].ref())
		}
	}
	return nil
}

// key drops superseded revisions of one key; false when the work ran out before the last.
func (c *compaction) key(r record) (finished bool) {
	c.work--
	if r.modMain() <= c.atRev {
		rest := c.drop(r.history(), lifeNone)
		r.setHistory(rest)
		return rest == 0
	}
	newer, kept := uint32(0), r.history()
	for kept != 0 && c.x.pasts.at(kept).main > c.atRev {
		newer, kept = kept, c.x.pasts.at(kept).next
	}
	if kept == 0 {
		return true
	}
	p := c.x.pasts.at(kept)
	p.next = c.drop(p.next, p.life)
	if p.next != 0 {
		return false
	}
	// An old tombstone goes last: without it, what it hides would seem to be the newest.
	if p.life == lifeNone && p.main < c.atRev {
		c.drop(kept, lifeNone)
		if newer == 0 {
			r.setHistory(0)
		} else {
			c.x.pasts.at(newer).next = 0
		}
	}
	return true
}

// drop removes the superseded revisions from front on, as far as the work lasts but at least one, and returns what is left.
// keptLife is the life of the past in front of them.
func (c *compaction) drop(front, keptLife uint32) (rest uint32) {
	rest, dropped := c.x.dropPasts(front, keptLife, max(1, c.work), c.dropped)
	c.work -= dropped
	return rest
}
