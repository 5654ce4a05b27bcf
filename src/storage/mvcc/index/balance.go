package index

import "math/bits"

// leafMinKeys and innerMinChildren bound how empty a node may become before it shares with a neighbour. The nodes on the
// way to the last leaf may be emptier, since ascending inserts start new ones there.
func (x *Index) leafMinKeys() int      { return max(1, x.leafMaxKeys*2/5) }
func (x *Index) innerMinChildren() int { return max(2, (x.innerMaxKeys+1)*2/5) }

// removeKeys takes the keys whose bits are set out of the path's leaf. They are dead, so no count changes.
func (x *Index) removeKeys(p *path, gone uint64) {
	l := x.leaves.at(p.leaf)
	for ; gone != 0; gone &^= 1 << (bits.Len64(gone) - 1) {
		pos := bits.Len64(gone) - 1
		x.arena.free(l.entries[pos].ref())
		l.run.remove(pos)
		l.live = removeBit(l.live, pos)
		l.busy = removeBit(l.busy, pos)
	}
	if int(l.n) >= x.leafMinKeys() || x.height == 0 {
		return
	}
	s := p.steps[x.height-1]
	parent := x.inners.at(s.node)
	if parent.n == 0 {
		return
	}
	// at is the left one of the two neighbours.
	at := int(min(s.at, parent.n-1))
	if x.shareLeaves(parent, at) {
		x.balanceInner(p, x.height-1)
	}
}

// shareLeaves evens out children at and at+1, or merges them into one and returns true.
func (x *Index) shareLeaves(parent *inner, at int) (merged bool) {
	left, right := x.leaves.at(parent.child[at]), x.leaves.at(parent.child[at+1])
	var entries [2 * runMaxKeys]entry
	ln, n := int(left.n), int(left.n+right.n)
	copy(entries[:], left.entries[:ln])
	copy(entries[ln:], right.entries[:right.n])
	if n <= x.leafMaxKeys {
		left.set(&x.arena, entries[:n])
		left.live |= right.live << ln
		left.busy |= right.busy << ln
		left.next = right.next
		x.leaves.release(parent.child[at+1])
		x.separators.free(parent.entries[at].ref())
		parent.removeChild(at)
		return true
	}
	cut := n / 2
	left.live, right.live = moveBits(left.live, right.live, ln, cut)
	left.busy, right.busy = moveBits(left.busy, right.busy, ln, cut)
	left.set(&x.arena, entries[:cut])
	right.set(&x.arena, entries[cut:n])
	last, first := x.arena.key(entries[cut-1].ref()), x.arena.key(entries[cut].ref())
	separator := x.separators.addSeparator(first[:commonLen(last, first)+1])
	x.separators.free(parent.entries[at].ref())
	parent.setSeparator(&x.separators, at, separator)
	parent.live[at], parent.live[at+1] = left.liveSum(), right.liveSum()
	return false
}

// moveBits moves the border between two neighbouring bit sets, the left of n bits, to cut.
func moveBits(left, right uint64, n, cut int) (uint64, uint64) {
	if cut <= n {
		return left & (1<<cut - 1), right<<(n-cut) | left>>cut
	}
	d := cut - n
	return left | right&(1<<d-1)<<n, right >> d
}

// balanceInner looks after the path's inner node at level, which has lost a child.
func (x *Index) balanceInner(p *path, level int) {
	in := x.inners.at(p.steps[level].node)
	if level == 0 {
		for x.height > 0 && x.inners.at(x.root).n == 0 {
			old := x.root
			x.root = x.inners.at(old).child[0]
			x.inners.release(old)
			x.height--
		}
		return
	}
	if in.children() >= x.innerMinChildren() {
		return
	}
	s := p.steps[level-1]
	parent := x.inners.at(s.node)
	if parent.n == 0 {
		return
	}
	if x.shareInners(parent, int(min(s.at, parent.n-1))) {
		x.balanceInner(p, level-1)
	}
}

// shareInners is shareLeaves for children that are inner nodes: the separator between them comes down, another goes up.
func (x *Index) shareInners(parent *inner, at int) (merged bool) {
	left, right := x.inners.at(parent.child[at]), x.inners.at(parent.child[at+1])
	var entries [2*runMaxKeys + 1]entry
	var child, live [2 * (runMaxKeys + 1)]uint32
	ln, n := left.children(), left.children()+right.children()
	copy(entries[:], left.entries[:ln-1])
	entries[ln-1] = parent.entries[at]
	copy(entries[ln:], right.entries[:right.n])
	copy(child[:], left.child[:ln])
	copy(child[ln:], right.child[:right.n+1])
	copy(live[:], left.live[:ln])
	copy(live[ln:], right.live[:right.n+1])
	if n <= x.innerMaxKeys+1 {
		left.set(&x.separators, entries[:n-1])
		copy(left.child[:], child[:n])
		copy(left.live[:], live[:n])
		x.inners.release(parent.child[at+1])
		parent.removeChild(at)
		return true
	}
	cut := n / 2
	left.set(&x.separators, entries[:cut-1])
	copy(left.child[:], child[:cut])
	copy(left.live[:], live[:cut])
	right.set(&x.separators, entries[cut:n-1])
	copy(right.child[:], child[cut:n])
	copy(right.live[:], live[cut:n])
	parent.setSeparator(&x.separators, at, entries[cut-1].ref())
	parent.live[at], parent.live[at+1] = left.liveSum(), right.liveSum()
	return false
}
