package index

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
)

// runMaxKeys makes a leaf 512 bytes, eight cache lines.
const runMaxKeys = 60

// A run is an ascending sequence of keys, the part that leaves and inner nodes share.
type run struct {
	n      uint32
	prefix uint32 // bytes that all keys of the run have in common
	// Entries from n on are noEntry, so a search need not ask for n.
	entries [runMaxKeys]entry
}

// An entry is a key of a run: above, as a big-endian number, the headBytes bytes after the prefix, zero where the key ends;
// below, the block in the arena. Heads are in order, and only where they are equal a search has to read keys.
type entry uint64

const (
	headBytes = 4
	headShift = 32
	noEntry   = entry(math.MaxUint64)
)

func entryOf(key []byte, prefix int, ref addr) entry {
	return entry(headOf(key, prefix))<<headShift | entry(ref)
}

func (e entry) ref() addr    { return addr(e) }
func (e entry) head() uint32 { return uint32(e >> headShift) }

// headOf returns the head of a key that has at least prefix bytes.
func headOf(key []byte, prefix int) uint32 {
	s := key[prefix:]
	if len(s) >= headBytes {
		return binary.BigEndian.Uint32(s)
	}
	h := uint32(0)
	for i, b := range s {
		h |= uint32(b) << (24 - 8*i)
	}
	return h
}

// commonLen returns how many leading bytes a and b share.
func commonLen(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if d := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); d != 0 {
			return i + bits.TrailingZeros64(d)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// less is 1 when e is less than limit, else 0, without a branch.
func less(e entry, limit uint64) int {
	_, borrow := bits.Sub64(uint64(e), limit, 0)
	return int(borrow)
}

// lowerBound returns how many heads are less than h. A first round looks at one entry of each cache line, so that a node
// that is not in the processor's cache is fetched all at once instead of line by line.
func (r *run) lowerBound(h uint32) int {
	e, limit := &r.entries, uint64(h)<<headShift
	lines := less(e[3], limit) + less(e[11], limit) + less(e[19], limit) + less(e[27], limit) +
		less(e[35], limit) + less(e[43], limit) + less(e[51], limit)
	if lines == 0 {
		return less(e[0], limit) + less(e[1], limit) + less(e[2], limit)
	}
	line := (*[8]entry)(e[lines*8-4:])
	return lines*8 - 4 + less(line[0], limit) + less(line[1], limit) + less(line[2], limit) + less(line[3], limit) +
		less(line[4], limit) + less(line[5], limit) + less(line[6], limit) + less(line[7], limit)
}

// lookup returns where key is. When it is absent, pos is right only if the key has the prefix of the run.
func (r *run) lookup(a *arena, key []byte) (pos int, found bool) {
	if len(key) < int(r.prefix) {
		return 0, false
	}
	h := headOf(key, int(r.prefix))
	lo := r.lowerBound(h)
	hi := lo
	for hi < int(r.n) && r.entries[hi].head() == h {
		hi++
	}
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		c := bytes.Compare(a.key(r.entries[mid].ref()), key)
		if c == 0 {
			return mid, true
		}
		if c < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, false
}

// hasPrefix tells whether key begins with what all keys of the run have in common.
func (r *run) hasPrefix(a *arena, key []byte) bool {
	return r.prefix == 0 || r.n == 0 || bytes.HasPrefix(key, a.key(r.entries[0].ref())[:r.prefix])
}

// find returns how many keys of the run are less than key, and whether the next one equals it.
func (r *run) find(a *arena, key []byte) (pos int, found bool) {
	pos, found = r.lookup(a, key)
	if found || r.hasPrefix(a, key) {
		return pos, found
	}
	if bytes.Compare(key, a.key(r.entries[0].ref())) < 0 {
		return 0, false
	}
	return int(r.n), false
}

// insert puts a key at pos. There must be room.
func (r *run) insert(a *arena, pos int, key []byte, ref addr) {
	n := int(r.n)
	if n == 0 {
		r.prefix = uint32(len(key))
	} else {
		first := a.key(r.entries[0].ref())[:r.prefix]
		if c := commonLen(key, first); c < int(r.prefix) {
			r.shorten(first, c)
		}
	}
	copy(r.entries[pos+1:n+1], r.entries[pos:n])
	r.entries[pos] = entryOf(key, int(r.prefix), ref)
	r.n++
}

// shorten lowers the prefix to its first c bytes. The new heads begin with the bytes that leave the prefix, so no key is
// read.
func (r *run) shorten(prefix []byte, c int) {
	leave := prefix[c:]
	top := headOf(leave[:min(len(leave), headBytes)], 0)
	shift := 8 * uint(len(leave)) // beyond 31 the old head is shifted out altogether
	for i, e := range r.entries[:r.n] {
		r.entries[i] = entry(top|e.head()>>shift)<<headShift | entry(e.ref())
	}
	r.prefix = uint32(c)
}

// remove takes out the key at pos. The prefix stays, if shorter than it could be.
func (r *run) remove(pos int) {
	copy(r.entries[pos:], r.entries[pos+1:r.n])
	r.n--
	r.entries[r.n] = noEntry
}

// set makes the run consist of the keys of these entries, whose heads do not matter, with the longest prefix.
func (r *run) set(a *arena, entries []entry) {
	r.n = uint32(copy(r.entries[:], entries))
	for i := int(r.n); i < runMaxKeys; i++ {
		r.entries[i] = noEntry
	}
	r.prefix = 0
	if r.n == 0 {
		return
	}
	p := commonLen(a.key(r.entries[0].ref()), a.key(r.entries[r.n-1].ref()))
	r.prefix = uint32(p)
	for i, e := range r.entries[:r.n] {
		r.entries[i] = entryOf(a.key(e.ref()), p, e.ref())
	}
}
