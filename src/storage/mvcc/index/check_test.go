package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// checker walks the whole index and says what is wrong with it.
type checker struct {
	x                     *Index
	leaves, inners, pasts int
	lives                 map[uint32]bool
	lastLeaf              uint32
	lastKey               []byte
	started               bool
	liveBytes             [2]map[int]int // per chunk of the arena, per chunk of the separators
}

func check(x *Index) (err error) {
	c := &checker{x: x, lives: map[uint32]bool{}}
	c.liveBytes[0], c.liveBytes[1] = map[int]int{}, map[int]int{}
	defer func() {
		if r := recover(); r != nil {
			if e, ok := r.(checkError); ok {
				err = e
				return
			}
			panic(r)
		}
	}()
	live := c.node(x.root, x.height, nil, nil, true)
	c.must(live == x.live, "live keys: counted %d, Len says %d", live, x.live)
	c.must(x.leaves.at(c.lastLeaf).next == 0, "the last leaf has a next")
	c.must(c.leaves == x.leaves.used, "leaves: %d in the tree, %d in the slab", c.leaves, x.leaves.used)
	c.must(c.inners == x.inners.used, "inner nodes: %d in the tree, %d in the slab", c.inners, x.inners.used)
	c.must(c.pasts == x.pasts.used, "pasts: %d in histories, %d in the slab", c.pasts, x.pasts.used)
	c.must(len(c.lives) == x.lives.used, "lives: %d in histories, %d in the slab", len(c.lives), x.lives.used)
	c.arena(&x.arena, c.liveBytes[0])
	c.arena(&x.separators, c.liveBytes[1])
	return nil
}

type checkError struct{ error }

func (c *checker) must(ok bool, format string, args ...any) {
	if !ok {
		panic(checkError{fmt.Errorf(format, args...)})
	}
}

func (c *checker) node(id uint32, height int, from, to []byte, rightmost bool) (live int) {
	if height == 0 {
		return c.leaf(id, from, to, rightmost)
	}
	in := c.x.inners.at(id)
	c.inners++
	c.run(&c.x.separators, &in.run, from, to)
	c.must(int(in.n) <= c.x.innerMaxKeys, "an inner node has %d keys", in.n)
	if id == c.x.root {
		c.must(in.children() >= 2, "the root has one child")
	} else if !rightmost {
		c.must(in.children() >= c.x.innerMinChildren(), "an inner node has %d children only", in.children())
	}
	for i := range in.children() {
		lo, hi := from, to
		if i > 0 {
			lo = c.x.separators.key(in.entries[i-1].ref())
		}
		if i < int(in.n) {
			hi = c.x.separators.key(in.entries[i].ref())
			c.block(&c.x.separators, c.liveBytes[1], in.entries[i].ref(), true)
		}
		n := c.node(in.child[i], height-1, lo, hi, rightmost && i == int(in.n))
		c.must(n == int(in.live[i]), "a child has %d live keys, its parent says %d", n, in.live[i])
		live += n
	}
	return live
}

func (c *checker) leaf(id uint32, from, to []byte, rightmost bool) (live int) {
	l := c.x.leaves.at(id)
	c.leaves++
	if c.lastLeaf != 0 {
		c.must(c.x.leaves.at(c.lastLeaf).next == id, "leaf %d is not linked to %d", c.lastLeaf, id)
	}
	c.lastLeaf = id
	c.run(&c.x.arena, &l.run, from, to)
	c.must(int(l.n) <= c.x.leafMaxKeys, "a leaf has %d keys", l.n)
	c.must(rightmost || int(l.n) >= c.x.leafMinKeys(), "a leaf has %d keys only", l.n)
	c.must(l.live>>l.n == 0 && l.busy>>l.n == 0, "bits beyond the keys are set")
	for i, e := range l.entries[:l.n] {
		ref := e.ref()
		r := c.x.arena.record(ref)
		c.block(&c.x.arena, c.liveBytes[0], ref, false)
		c.must(!c.started || bytes.Compare(c.lastKey, r.key()) < 0, "keys %q and %q are out of order", c.lastKey, r.key())
		c.lastKey, c.started = r.key(), true
		c.must(l.live>>i&1 == 1 == !r.tombstone(), "the live bit of %q is wrong", r.key())
		c.must(l.busy>>i&1 == 1 == (r.tombstone() || r.history() != 0), "the busy bit of %q is wrong", r.key())
		if !r.tombstone() {
			live++
		}
		c.history(r)
	}
	return live
}

func (c *checker) run(a *arena, r *run, from, to []byte) {
	for _, e := range r.entries[:r.n] {
		key := a.key(e.ref())
		c.must(bytes.Compare(key, from) >= 0, "key %q is left of its node, from %q", key, from)
		c.must(to == nil || bytes.Compare(key, to) < 0, "key %q is right of its node, to %q", key, to)
		c.must(len(key) >= int(r.prefix), "key %q is shorter than the prefix, %d", key, r.prefix)
		c.must(bytes.Equal(key[:r.prefix], a.key(r.entries[0].ref())[:r.prefix]), "key %q has not the prefix of its run", key)
		c.must(e.head() == headOf(key, int(r.prefix)), "the head of %q is wrong", key)
	}
	for _, e := range r.entries[r.n:] {
		c.must(e == noEntry, "an entry beyond the keys is not empty")
	}
}

func (c *checker) history(r record) {
	newer := r.meta()
	c.must(!newer.Tombstone || newer == Meta{Mod: newer.Mod, Tombstone: true}, "tombstone %v has more than a revision", newer)
	for id := r.history(); id != 0; {
		p := c.x.pasts.at(id)
		c.pasts++
		m := c.x.pastMeta(p)
		c.must(newer.Mod.after(m.Mod), "revisions %v and %v of %q are out of order", newer.Mod, m.Mod, r.key())
		if p.life != lifeNone && p.life != lifeOwn {
			c.lives[p.life] = true
		}
		newer, id = m, p.next
	}
}

func (c *checker) block(a *arena, live map[int]int, at addr, separator bool) {
	word := binary.LittleEndian.Uint32(a.block(at))
	c.must(word&blockDead == 0, "block %d is in the tree and dead", at)
	c.must(word&blockSeparator != 0 == separator, "block %d is of the wrong kind", at)
	live[int(at>>arenaChunkBits)] += blockBytes(word)
}

func (c *checker) arena(a *arena, live map[int]int) {
	total := int64(0)
	for i, chunk := range a.chunks {
		size := len(a.bytes[i])
		total += int64(size)
		c.must(size == 0 || live[i] == chunk.liveBytes,
			"chunk %d has %d live bytes, %d counted", i, chunk.liveBytes, live[i])
		c.must(size == 0 || !chunk.sealed || chunk.queued || chunk.liveBytes >= size/2,
			"chunk %d is mostly garbage and not queued", i)
	}
	c.must(total == a.totalBytes, "chunks have %d bytes, %d counted", total, a.totalBytes)
}
