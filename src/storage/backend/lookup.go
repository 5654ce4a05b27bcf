package backend

import (
	"encoding/binary"
	"unsafe"

	"go.etcd.io/bbolt"
)

// lookup finds rows of the Key bucket in the pages of a read transaction. It does what a bbolt cursor does, several times
// faster: it knows that keys are revisions, compares them as two numbers, and keeps no stack. Reading a range is one
// lookup per key, so this is where big ranges spend their time. The layout of pages is the one that verify checks.
type lookup struct {
	data     []byte // the used part of the map; stable while the transaction is open
	pageSize uint64
	root     uint64
}

// newLookup is called with the transaction open. ok is false where the bucket has no pages of its own.
func newLookup(tx *bbolt.Tx, in *bbolt.Bucket) (l lookup, ok bool) {
	if in == nil || in.Root() == 0 {
		return lookup{}, false
	}
	info := tx.DB().Info()
	base := *(*unsafe.Pointer)(unsafe.Pointer(&info.Data))
	return lookup{
		data:     unsafe.Slice((*byte)(base), tx.Size()),
		pageSize: uint64(info.PageSize),
		root:     uint64(in.Root()),
	}, true
}

// place is a row in a leaf page.
type place struct {
	page  uint64 // offset; 0 = none
	index int
}

func (l *lookup) count(page uint64) int { return int(order.Uint16(l.data[page+10:])) }

// key reads the revision of element i, whose key starts pos behind it. shift is where the element says pos.
func (l *lookup) key(page uint64, i int, shift uint64) (main, sub uint64) {
	e := page + pageHeader + uint64(i)*elementBytes
	k := l.data[e+uint64(order.Uint32(l.data[e+shift:])):]
	_ = k[RevisionKeyBytes-1]
	return binary.BigEndian.Uint64(k), binary.BigEndian.Uint64(k[9:])
}

// after is the number of leading elements of the page that are not after the revision.
func (l *lookup) after(page uint64, shift, main, sub uint64) int {
	low, high := 0, l.count(page)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if m, s := l.key(page, mid, shift); m < main || (m == main && s <= sub) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

const (
	branchPos = 0 // where a branch element says where its key is
	leafPos   = 4
)

// find returns the row of a revision, be it a tombstone or not, and where it is. near is where an earlier one was: what
// was written one after the other is often read one after the other.
func (l *lookup) find(r Revision, near place) (at place, value []byte, tombstone, ok bool) {
	main, sub := uint64(r.Main), uint64(r.Sub)
	if near.page != 0 && near.index+1 < l.count(near.page) {
		if m, s := l.key(near.page, near.index+1, leafPos); m == main && s == sub {
			at = place{near.page, near.index + 1}
			value, tombstone = l.row(at)
			return at, value, tombstone, true
		}
	}
	page := l.root * l.pageSize
	for range maxDepth {
		leaf := order.Uint16(l.data[page+8:]) == leafPage
		shift := uint64(branchPos)
		if leaf {
			shift = leafPos
		}
		n := l.after(page, shift, main, sub)
		if leaf {
			if n == 0 {
				return place{}, nil, false, false
			}
			at = place{page, n - 1}
			if m, s := l.key(page, n-1, shift); m != main || s != sub {
				return at, nil, false, false
			}
			value, tombstone = l.row(at)
			return at, value, tombstone, true
		}
		n = max(n, 1) // before the first key of the tree: the first page is as good as any
		page = order.Uint64(l.data[page+pageHeader+uint64(n-1)*elementBytes+8:]) * l.pageSize
	}
	panic("backend: a page tree without an end: the file is damaged, restore this member from a snapshot")
}

func (l *lookup) row(at place) (value []byte, tombstone bool) {
	e := at.page + pageHeader + uint64(at.index)*elementBytes
	pos, keyBytes, valueBytes := uint64(order.Uint32(l.data[e+4:])), uint64(order.Uint32(l.data[e+8:])), uint64(order.Uint32(l.data[e+12:]))
	start := e + pos + keyBytes
	return l.data[start : start+valueBytes : start+valueBytes], keyBytes == TombstoneKeyBytes
}
