package backend

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"os"
)

// The structure of a bbolt file, as far as it has to be right for bbolt to read it without a panic or a fault: meta
// pages, and for every page that is reachable from the root its id, kind, extent, elements, and key order.
const (
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	pageHeader     = 16
	elementBytes   = 16
	bucketHeader   = 16
	metaBytes      = 64
	branchPage     = 0x01
	leafPage       = 0x02
	freelistPage   = 0x10
	bucketElement  = 0x01
	noFreelist     = ^uint64(0)
	maxDepth       = 32
	minPageBytes   = 1 << 10
	maxPageBytes   = 1 << 24
	maxExtentBytes = 1 << 31
)

var order = binary.NativeEndian // bbolt writes its structures as they are in memory

type boltMeta struct {
	pageSize             uint32
	root, freelist, high uint64
	txid                 uint64
}

func parseMeta(page []byte) (m boltMeta, ok bool) {
	if len(page) < pageHeader+metaBytes {
		return m, false
	}
	d := page[pageHeader:]
	h := fnv.New64a()
	_, _ = h.Write(d[:56])
	if order.Uint32(d) != boltMagic || order.Uint32(d[4:]) != boltVersion || order.Uint64(d[56:]) != h.Sum64() {
		return m, false
	}
	m = boltMeta{pageSize: order.Uint32(d[8:]), root: order.Uint64(d[16:]), freelist: order.Uint64(d[32:]), high: order.Uint64(d[40:]), txid: order.Uint64(d[48:])}
	return m, m.pageSize >= minPageBytes && m.pageSize <= maxPageBytes && m.pageSize&(m.pageSize-1) == 0
}

type corruption string

func (c corruption) Error() string { return string(c) }

func (corruption) Unwrap() error { return ErrCorrupt }

func corruptf(format string, a ...any) error { return corruption(fmt.Sprintf(format, a...)) }

// unwrapCorrupt is the bare finding, for a message that says the rest itself.
func unwrapCorrupt(err error) error {
	if c, ok := errors.AsType[corruption](err); ok {
		return c
	}
	return err
}

// verify reads the structure of the file. An empty file is fine: bbolt makes a database of it.
func verify(f io.ReaderAt, size int64) error {
	if size == 0 {
		return nil
	}
	m, err := findMeta(f, size)
	if err != nil {
		return err
	}
	c := &checker{f: f, size: size, boltMeta: m}
	if int64(m.high) < 0 || m.high > uint64(size)/uint64(m.pageSize) {
		return corruptf("the file is truncated: %d pages of %d bytes expected, %d bytes found", m.high, m.pageSize, size)
	}
	c.seen = make([]uint64, m.high/64+1)
	c.seen[0] = 3 // the meta pages
	if m.freelist != noFreelist {
		if err := c.freelistPage(); err != nil {
			return err
		}
	}
	_, err = c.page(m.root, nil, nil, 0)
	return err
}

func findMeta(f io.ReaderAt, size int64) (boltMeta, error) {
	read := func(at int64) (boltMeta, bool) {
		var page [pageHeader + metaBytes]byte
		if at+int64(len(page)) > size {
			return boltMeta{}, false
		}
		if _, err := f.ReadAt(page[:], at); err != nil {
			return boltMeta{}, false
		}
		return parseMeta(page[:])
	}
	m0, ok0 := read(0)
	var m1 boltMeta
	var ok1 bool
	if ok0 {
		m1, ok1 = read(int64(m0.pageSize))
	} else {
		for at := int64(minPageBytes); at <= maxPageBytes && !ok1; at *= 2 {
			m1, ok1 = read(at)
		}
	}
	switch {
	case ok0 && (!ok1 || m0.txid >= m1.txid):
		return m0, nil
	case ok1:
		return m1, nil
	case size < int64(2*os.Getpagesize()):
		return m0, corruptf("%d bytes are too few", size)
	case otherByteOrder(f):
		return m0, ErrByteOrder
	default:
		return m0, corruptf("no valid meta page")
	}
}

// otherByteOrder reports whether the first meta page begins with the magic number read backwards.
func otherByteOrder(f io.ReaderAt) bool {
	var magic [4]byte
	_, err := f.ReadAt(magic[:], pageHeader)
	return err == nil && order.Uint32(magic[:]) == bits.ReverseBytes32(boltMagic)
}

type checker struct {
	boltMeta
	f    io.ReaderAt
	size int64
	seen []uint64 // a bit per page
	bufs [][]byte // a page buffer per depth
}

// load reads a page with its overflow pages and marks them as seen.
func (c *checker) load(id uint64, depth int) ([]byte, error) {
	if id < 2 || id >= c.high {
		return nil, corruptf("page %d is referred to, but the file ends at page %d", id, c.high)
	}
	if depth >= maxDepth {
		return nil, corruptf("page %d: the tree is deeper than %d", id, maxDepth)
	}
	for len(c.bufs) <= depth {
		c.bufs = append(c.bufs, make([]byte, c.pageSize))
	}
	buf := c.bufs[depth][:c.pageSize]
	at := int64(id) * int64(c.pageSize)
	if _, err := c.f.ReadAt(buf, at); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	if got := order.Uint64(buf); got != id {
		return nil, corruptf("page %d says it is page %d", id, got)
	}
	more := uint64(order.Uint32(buf[12:]))
	if more >= c.high-id || (more+1)*uint64(c.pageSize) > maxExtentBytes {
		return nil, corruptf("page %d says %d pages follow, but the file ends at page %d", id, more, c.high)
	}
	for p := id; p <= id+more; p++ {
		if c.seen[p/64]&(1<<(p%64)) != 0 {
			return nil, corruptf("page %d is referred to twice", p)
		}
		c.seen[p/64] |= 1 << (p % 64)
	}
	if n := int((more + 1) * uint64(c.pageSize)); n > len(buf) {
		if cap(buf) < n {
			buf = append(make([]byte, 0, n), buf...)
		}
		buf = buf[:n]
		if _, err := c.f.ReadAt(buf[c.pageSize:], at+int64(c.pageSize)); err != nil {
			return nil, fmt.Errorf("read page %d: %w", id, err)
		}
		c.bufs[depth] = buf
	}
	return buf, nil
}

func (c *checker) freelistPage() error {
	buf, err := c.load(c.freelist, 0)
	if err != nil {
		return err
	}
	first, n := 0, uint64(order.Uint16(buf[10:]))
	if n == 0xFFFF {
		first, n = 1, order.Uint64(buf[pageHeader:])
	}
	if order.Uint16(buf[8:]) != freelistPage || n > uint64(len(buf)-pageHeader)/8-uint64(first) {
		return corruptf("page %d is not a freelist", c.freelist)
	}
	for i := range int(n) {
		if id := order.Uint64(buf[pageHeader+8*(first+i):]); id < 2 || id >= c.high {
			return corruptf("the freelist holds page %d, but the file ends at page %d", id, c.high)
		}
	}
	return nil
}

// page checks the subtree at id, whose keys have to be in [low, high), and returns the last key in it.
func (c *checker) page(id uint64, low, high []byte, depth int) ([]byte, error) {
	buf, err := c.load(id, depth)
	if err != nil {
		return nil, err
	}
	switch order.Uint16(buf[8:]) {
	case leafPage:
		return c.leaf(id, buf, low, high, depth)
	case branchPage:
		return c.branch(id, buf, low, high, depth)
	}
	return nil, corruptf("page %d is neither branch nor leaf (flags %#x)", id, order.Uint16(buf[8:]))
}

// element cuts an element's key, and what follows it, out of a page. pos counts from the element itself.
func element(buf []byte, at int, pos, keyBytes, valueBytes uint32) (key, value []byte, ok bool) {
	start := uint64(at) + uint64(pos)
	end := start + uint64(keyBytes)
	if keyBytes == 0 || end+uint64(valueBytes) > uint64(len(buf)) {
		return nil, nil, false
	}
	return buf[start:end], buf[end : end+uint64(valueBytes)], true
}

func (c *checker) branch(id uint64, buf []byte, low, high []byte, depth int) (last []byte, err error) {
	n := int(order.Uint16(buf[10:]))
	if n == 0 || pageHeader+n*elementBytes > len(buf) {
		return nil, corruptf("branch page %d has %d elements", id, n)
	}
	at := func(i int) (key []byte, child uint64, ok bool) {
		e := pageHeader + i*elementBytes
		key, _, ok = element(buf, e, order.Uint32(buf[e:]), order.Uint32(buf[e+4:]), 0)
		return key, order.Uint64(buf[e+8:]), ok
	}
	for i := range n {
		key, child, ok := at(i)
		if !ok || !inOrder(last, key, i > 0) || (i == 0 && low != nil && bytes.Compare(key, low) < 0) || (high != nil && bytes.Compare(key, high) >= 0) {
			return nil, corruptf("branch page %d: element %d is malformed or out of order", id, i)
		}
		to := high
		if i+1 < n {
			if to, _, ok = at(i + 1); !ok {
				return nil, corruptf("branch page %d: element %d is malformed", id, i+1)
			}
		}
		if last, err = c.page(child, key, to, depth+1); err != nil {
			return nil, err
		}
	}
	return last, nil
}

func inOrder(last, key []byte, has bool) bool { return !has || bytes.Compare(last, key) < 0 }

func (c *checker) leaf(id uint64, buf []byte, low, high []byte, depth int) (last []byte, err error) {
	n := int(order.Uint16(buf[10:]))
	if pageHeader+n*elementBytes > len(buf) {
		return nil, corruptf("leaf page %d has %d elements", id, n)
	}
	for i := range n {
		e := pageHeader + i*elementBytes
		key, value, ok := element(buf, e, order.Uint32(buf[e+4:]), order.Uint32(buf[e+8:]), order.Uint32(buf[e+12:]))
		if !ok || !inOrder(last, key, i > 0) || (i == 0 && low != nil && bytes.Compare(key, low) < 0) || (high != nil && bytes.Compare(key, high) >= 0) {
			return nil, corruptf("leaf page %d: element %d is malformed or out of order", id, i)
		}
		last = key
		if order.Uint32(buf[e:])&bucketElement != 0 {
			if err := c.bucket(id, key, value, depth); err != nil {
				return nil, err
			}
		}
	}
	return last, nil
}

// bucket checks the tree of a bucket, or the page inside the element of a small one.
func (c *checker) bucket(id uint64, name, value []byte, depth int) error {
	if len(value) < bucketHeader {
		return corruptf("leaf page %d: bucket %q has no header", id, name)
	}
	if root := order.Uint64(value); root != 0 {
		if _, err := c.page(root, nil, nil, depth+1); err != nil {
			return fmt.Errorf("bucket %q: %w", name, err)
		}
		return nil
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != leafPage {
		return corruptf("leaf page %d: bucket %q has a malformed inline page", id, name)
	}
	_, err := c.leaf(id, inline, nil, nil, depth+1)
	return err
}
