package backend

import (
	"bytes"
	"slices"
	"sort"
)

// The table is made of generations. The active one takes writes; a sealed one is being flushed. Both kinds of
// storage in a generation only ever grow at their end, so that a reader that has noted the lengths owns an
// immutable prefix and needs no lock to walk it.

// keyRow is one unflushed row of the Key bucket. The row key is derived from the revision at flush time.
type keyRow struct {
	rev       Revision
	tombstone bool
	value     []byte
}

const chunkRows = 512

// keyLog is the unflushed part of the append-only Key bucket: ascending rows in chunks that never move.
//
//	every chunk but the last holds exactly chunkRows rows
type keyLog struct {
	chunks [][]keyRow
	rows   int
}

func (l *keyLog) append(r keyRow) {
	if l.rows%chunkRows == 0 {
		l.chunks = append(l.chunks, make([]keyRow, 0, chunkRows))
	}
	last := &l.chunks[len(l.chunks)-1]
	*last = append(*last, r)
	l.rows++
}

// prefix is an immutable view of the first n rows.
func (l *keyLog) prefix(n int) keyPrefix {
	full, rest := n/chunkRows, n%chunkRows
	p := keyPrefix{full: l.chunks[:full:full]}
	if rest > 0 {
		p.tail = l.chunks[full][:rest:rest]
	}
	return p
}

func (l *keyLog) at(i int) *keyRow { return &l.chunks[i/chunkRows][i%chunkRows] }

// keyPrefix keeps the header of the last chunk by value, since the writer goes on changing the one in the log.
type keyPrefix struct {
	full [][]keyRow
	tail []keyRow
}

func (p *keyPrefix) rows() int { return len(p.full)*chunkRows + len(p.tail) }

func (p *keyPrefix) at(i int) *keyRow {
	if c := i / chunkRows; c < len(p.full) {
		return &p.full[c][i%chunkRows]
	}
	return &p.tail[i%chunkRows]
}

// search is the position of the first row that is not before r.
func (p *keyPrefix) search(r Revision) int {
	return sort.Search(p.rows(), func(i int) bool { return !p.at(i).rev.Less(r) })
}

func (p *keyPrefix) get(r Revision) *keyRow {
	n := p.rows()
	if n == 0 || r.Less(p.at(0).rev) {
		return nil
	}
	if i := p.search(r); i < n && p.at(i).rev == r {
		return p.at(i)
	}
	return nil
}

// overlay is the unflushed part of a small bucket: a log of changes and the newest change of each key, from which
// prev leads to the older ones. A reader that noted the length n skips changes at positions >= n.
type overlay struct {
	rows []overlayRow
	last map[string]int32
}

type overlayRow struct {
	key, value []byte
	deleted    bool
	prev       int32 // position of the previous change of the same key, -1 if none
}

func (o *overlay) append(key, value []byte, deleted bool) {
	if o.last == nil {
		o.last = make(map[string]int32)
	}
	prev, ok := o.last[string(key)]
	if !ok {
		prev = -1
	}
	o.last[string(key)] = int32(len(o.rows))
	o.rows = append(o.rows, overlayRow{key: key, value: value, deleted: deleted, prev: prev})
}

// get finds the newest of the first n changes of key. The caller holds the lock that guards the active generation.
func (o *overlay) get(key []byte, n int32) (value []byte, deleted, ok bool) {
	i, ok := o.last[string(key)]
	if !ok {
		return nil, false, false
	}
	for i >= n {
		i = o.rows[i].prev
	}
	if i < 0 {
		return nil, false, false
	}
	return o.rows[i].value, o.rows[i].deleted, true
}

// newest is the last of each key's changes in rows, ascending by key. (etcd#21986: the later of two changes wins.)
func newest(rows ...[]overlayRow) []overlayRow {
	n := 0
	for _, r := range rows {
		n += len(r)
	}
	all := make([]overlayRow, 0, n)
	for _, r := range rows {
		all = append(all, r...)
	}
	slices.SortStableFunc(all, func(a, b overlayRow) int { return bytes.Compare(a.key, b.key) })
	out := all[:0]
	for i, r := range all {
		if i+1 < len(all) && string(all[i+1].key) == string(r.key) {
			continue
		}
		out = append(out, r)
	}
	return out
}

// generation is one batch of unflushed writes. Its small overlays are behind a pointer so that views stay small.
type generation struct {
	keys  keyLog
	small *[bucketCount]overlay
	bytes int64
}

// mark is a position in a generation: so many rows of each kind.
type mark struct {
	keys  int
	small [bucketCount]int32
	bytes int64
}

// genView is an immutable prefix of a generation.
type genView struct {
	keys  keyPrefix
	small *[bucketCount]overlay
	n     [bucketCount]int32
}

func newGeneration() *generation { return &generation{small: new([bucketCount]overlay)} }

func (g *generation) mark() mark {
	m := mark{keys: g.keys.rows, bytes: g.bytes}
	for i := range g.small {
		m.small[i] = int32(len(g.small[i].rows))
	}
	return m
}

func (g *generation) view(m *mark) genView {
	return genView{keys: g.keys.prefix(m.keys), small: g.small, n: m.small}
}

// tail is a new generation that holds what was written behind m.
func (g *generation) tail(m mark) *generation {
	t := newGeneration()
	for i := m.keys; i < g.keys.rows; i++ {
		t.keys.append(*g.keys.at(i))
	}
	for b := range g.small {
		for _, r := range g.small[b].rows[m.small[b]:] {
			t.small[b].append(r.key, r.value, r.deleted)
		}
	}
	t.bytes = g.bytes - m.bytes
	return t
}

// changes is the number of rows of the prefix.
func (v *genView) changes() int {
	n := v.keys.rows()
	for _, c := range v.n {
		n += int(c)
	}
	return n
}
