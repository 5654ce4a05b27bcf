package index

import "fmt"

// Rev is the revision of one change: the transaction it belongs to, and its place among the changes of that transaction.
type Rev struct {
	Main int64
	Sub  int32
}

func (r Rev) after(o Rev) bool { return r.Main > o.Main || r.Main == o.Main && r.Sub > o.Sub }

// Meta describes one key at one revision.
// A tombstone carries Mod only: Create, Version and Leased are zero.
type Meta struct {
	Mod       Rev
	Create    Rev
	Version   int64
	Tombstone bool
	Leased    bool
}

// Index holds the revisions of all keys. New makes one.
type Index struct {
	leaves slab[leaf]
	inners slab[inner]
	pasts  slab[past]
	lives  slab[life]

	arena      arena // keys with their newest revision
	separators arena // keys of inner nodes, apart so that the few pages they fill stay close to the processor

	root   uint32 // a leaf when height is 0, else an inner node
	height int    // levels of inner nodes
	live   int    // keys whose newest revision is not a tombstone

	// leafMaxKeys and innerMaxKeys are runMaxKeys; tests lower them so that small trees split and merge.
	leafMaxKeys  int
	innerMaxKeys int
}

// New returns an empty index.
func New() *Index {
	x := &Index{leafMaxKeys: runMaxKeys, innerMaxKeys: runMaxKeys}
	x.leaves.what = "leaves"
	x.inners.what = "inner nodes"
	x.pasts.what = "superseded revisions"
	x.lives.what = "lives of keys"
	x.root = x.leaves.alloc()
	x.leaves.at(x.root).set(&x.arena, nil)
	return x
}

// Put records a change of key at mod and returns what the key is from then on: a key that is absent or dead starts a new
// life at version 1. It panics when mod is not newer than every revision the key has.
func (x *Index) Put(key []byte, mod Rev, leased bool) Meta {
	var p path
	l, pos, found := x.locate(key, &p)
	m := Meta{Mod: mod, Create: mod, Version: 1, Leased: leased}
	if !found {
		x.insert(&p, pos, key, m)
		return m
	}
	r := x.arena.record(l.entries[pos].ref())
	if !r.tombstone() {
		m.Create, m.Version = r.create(), r.version()+1
	}
	x.replace(&p, l, pos, r, m)
	return m
}

// Tombstone records the deletion of key at mod; it returns false, changing nothing, when the key is absent or dead.
// It panics when mod is not newer than every revision the key has.
func (x *Index) Tombstone(key []byte, mod Rev) bool {
	var p path
	l, pos, found := x.locate(key, &p)
	if !found || l.live&(1<<pos) == 0 {
		return false
	}
	x.replace(&p, l, pos, x.arena.record(l.entries[pos].ref()), Meta{Mod: mod, Tombstone: true})
	return true
}

// Restore adds a revision read back from storage, where create and version are known. Rows arrive in ascending order of
// revision; it panics when one is not newer than every revision the key has.
func (x *Index) Restore(key []byte, m Meta) {
	if m.Tombstone {
		m = Meta{Mod: m.Mod, Tombstone: true}
	}
	var p path
	l, pos, found := x.locate(key, &p)
	if !found {
		x.insert(&p, pos, key, m)
		return
	}
	x.replace(&p, l, pos, x.arena.record(l.entries[pos].ref()), m)
}

// replace makes m the newest revision of the key at pos of the leaf; the one it supersedes becomes history.
func (x *Index) replace(p *path, l *leaf, pos int, r record, m Meta) {
	was := r.meta()
	if !m.Mod.after(was.Mod) {
		panic(fmt.Sprintf("index: revision %d.%d of key %q is not newer than its revision %d.%d",
			m.Mod.Main, m.Mod.Sub, r.key(), was.Mod.Main, was.Mod.Sub))
	}
	r.setHistory(x.supersede(r.history(), was))
	r.setMeta(m)
	bit := uint64(1) << pos
	l.busy |= bit
	switch {
	case was.Tombstone && !m.Tombstone:
		l.live |= bit
		x.addLive(p, 1)
	case !was.Tombstone && m.Tombstone:
		l.live &^= bit
		x.addLive(p, -1)
	}
}

// Get returns the key as of main revision atRev; false when it did not exist or was deleted then.
func (x *Index) Get(key []byte, atRev int64) (Meta, bool) {
	var p path
	l, pos, found := x.locate(key, &p)
	if !found {
		return Meta{}, false
	}
	return x.metaAt(x.arena.record(l.entries[pos].ref()), atRev)
}

// Latest returns the newest revision of key, which may be a tombstone; false when the index has no revision of it.
func (x *Index) Latest(key []byte) (Meta, bool) {
	var p path
	l, pos, found := x.locate(key, &p)
	if !found {
		return Meta{}, false
	}
	return x.arena.record(l.entries[pos].ref()).meta(), true
}

// Len returns how many keys exist at head.
func (x *Index) Len() int { return x.live }

// Bytes returns the memory held, free room within it included.
func (x *Index) Bytes() int64 {
	return x.arena.heldBytes() + x.separators.heldBytes() +
		x.leaves.heldBytes() + x.inners.heldBytes() + x.pasts.heldBytes() + x.lives.heldBytes()
}
