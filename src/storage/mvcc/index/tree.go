package index

import (
	"fmt"
	"math"
)

// treeMaxHeight is enough for 2^32 leaves: an inner node has at least 24 children.
const treeMaxHeight = 16

// A path is the way from the root to a leaf.
type path struct {
	steps [treeMaxHeight]step
	leaf  uint32
}

// A step is an inner node and the child that was taken.
type step struct {
	node uint32
	at   uint32
}

// locate returns the leaf that holds key, or would; how many of its keys are less; and whether the next one equals it.
//
// It first descends as if the key had the prefix of every node on the way, which spares reading a key per level. That is
// right when it finds the key, and when it ends strictly between two keys of one leaf. Else it descends again with care.
func (x *Index) locate(key []byte, p *path) (l *leaf, pos int, found bool) {
	id := x.root
	for level := range x.height {
		in := x.inners.at(id)
		at, equal := in.lookup(&x.separators, key)
		if equal {
			at++
		}
		p.steps[level] = step{node: id, at: uint32(at)}
		id = in.child[at]
	}
	p.leaf = id
	l = x.leaves.at(id)
	pos, found = l.lookup(&x.arena, key)
	if found || (pos > 0 && (pos < int(l.n) || l.next == 0) && l.hasPrefix(&x.arena, key)) {
		return l, pos, found
	}
	l = x.descend(key, p)
	pos, found = l.find(&x.arena, key)
	return l, pos, found
}

// descend notes the path to the leaf that holds key, or would, and returns that leaf.
func (x *Index) descend(key []byte, p *path) *leaf {
	id := x.root
	for level := range x.height {
		in := x.inners.at(id)
		at, equal := in.find(&x.separators, key)
		if equal {
			at++
		}
		p.steps[level] = step{node: id, at: uint32(at)}
		id = in.child[at]
	}
	p.leaf = id
	return x.leaves.at(id)
}

// addLive counts a key in or out of every subtree on the path.
func (x *Index) addLive(p *path, delta int) {
	x.live += delta
	for _, s := range p.steps[:x.height] {
		in := x.inners.at(s.node)
		n := int64(in.live[s.at]) + int64(delta)
		if n < 0 || n > math.MaxUint32 {
			panic("index: the count of live keys in a subtree is out of bounds")
		}
		in.live[s.at] = uint32(n)
	}
}

// fence returns the smallest key that belongs to the right of the path's leaf, or nil when it is the last leaf.
func (x *Index) fence(p *path) []byte {
	for level := x.height - 1; level >= 0; level-- {
		s := p.steps[level]
		if in := x.inners.at(s.node); s.at < in.n {
			return x.separators.key(in.entries[s.at].ref())
		}
	}
	return nil
}

// rightmost tells whether the path down to level takes the last child of every node.
func (x *Index) rightmost(p *path, level int) bool {
	for _, s := range p.steps[:level+1] {
		if s.at < x.inners.at(s.node).n {
			return false
		}
	}
	return true
}

// insert adds a key with its first revision.
func (x *Index) insert(p *path, pos int, key []byte, m Meta) {
	l := x.leaves.at(p.leaf)
	if int(l.n) == x.leafMaxKeys {
		x.splitLeaf(p, pos, key)
		l = x.descend(key, p)
		pos, _ = l.find(&x.arena, key)
	}
	l.insertKey(&x.arena, pos, key, x.arena.addRecord(key, m), !m.Tombstone, m.Tombstone)
	if !m.Tombstone {
		x.addLive(p, 1)
	}
}

// splitLeaf makes room for key, which will go to pos. Keys that arrive in ascending order leave full leaves behind: when
// key goes to the very end of the tree, it gets a new leaf and nothing moves.
func (x *Index) splitLeaf(p *path, pos int, key []byte) {
	id := x.leaves.alloc()
	left, right := x.leaves.at(p.leaf), x.leaves.at(id)
	right.next, left.next = left.next, id
	n := int(left.n)
	cut := n / 2
	first := key
	if right.next == 0 && pos == n {
		cut = n
	} else {
		first = x.arena.key(left.entries[cut].ref())
	}
	last := x.arena.key(left.entries[cut-1].ref())
	separator := x.separators.addSeparator(first[:commonLen(last, first)+1])
	right.set(&x.arena, left.entries[cut:n])
	if cut < n {
		right.live, right.busy = left.live>>cut, left.busy>>cut
		left.set(&x.arena, left.entries[:cut])
		left.live &= 1<<cut - 1
		left.busy &= 1<<cut - 1
	}
	x.addChild(p, x.height-1, separator, id, left.liveSum(), right.liveSum())
}

// addChild puts a new node to the right of the path's child at level, splitting upwards. The counts are those of the child
// on the path and of the new one.
func (x *Index) addChild(p *path, level int, separator addr, child, leftLive, rightLive uint32) {
	if level < 0 {
		if x.height == treeMaxHeight {
			panic(fmt.Sprintf("index: the tree is higher than %d levels", treeMaxHeight))
		}
		root := x.inners.alloc()
		in := x.inners.at(root)
		in.set(&x.separators, nil)
		in.child[0], in.live[0] = x.root, leftLive
		in.insertChild(&x.separators, 0, separator, child, rightLive)
		x.root = root
		x.height++
		return
	}
	s := p.steps[level]
	in, at := x.inners.at(s.node), int(s.at)
	in.live[at] = leftLive
	if int(in.n) < x.innerMaxKeys {
		in.insertChild(&x.separators, at, separator, child, rightLive)
		return
	}
	id := x.inners.alloc()
	right := x.inners.at(id)
	up := separator
	if at == int(in.n) && x.rightmost(p, level) {
		right.set(&x.separators, nil)
		right.child[0], right.live[0] = child, rightLive
	} else {
		up = x.splitInner(in, right)
		if at < in.children() {
			in.insertChild(&x.separators, at, separator, child, rightLive)
		} else {
			right.insertChild(&x.separators, at-in.children(), separator, child, rightLive)
		}
	}
	x.addChild(p, level-1, up, id, in.liveSum(), right.liveSum())
}

// splitInner moves the right half of a full node to the empty right and returns the separator between them.
func (x *Index) splitInner(in, right *inner) addr {
	n := in.children()
	cut := n / 2
	copy(right.child[:], in.child[cut:n])
	copy(right.live[:], in.live[cut:n])
	right.set(&x.separators, in.entries[cut:in.n])
	up := in.entries[cut-1].ref()
	in.set(&x.separators, in.entries[:cut-1])
	return up
}
