package index

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A pair does everything to the index and to its twin, and compares.
type pair struct {
	t    *testing.T
	rng  *rand.Rand
	x    *Index
	twin *twin
	rev  int64
	keys [][]byte // where most keys are taken from

	compacted    int64 // the newest revision that was compacted
	compacting   bool  // the twin has compacted it all, the index not yet
	droppedTwin  []Rev
	droppedIndex []Rev
}

func newPair(t *testing.T, seed uint64, leafKeys, innerKeys, keys int) *pair {
	p := &pair{t: t, rng: rand.New(rand.NewPCG(seed, 0)), x: New(), twin: newTwin()}
	p.x.leafMaxKeys, p.x.innerMaxKeys = leafKeys, innerKeys
	for range keys {
		p.keys = append(p.keys, p.newKey())
	}
	return p
}

// newKey makes keys that share prefixes, extend each other, have zero bytes, and sometimes are long.
func (p *pair) newKey() []byte {
	switch p.rng.IntN(8) {
	case 0:
		if len(p.keys) > 0 {
			old := p.keys[p.rng.IntN(len(p.keys))]
			return append(bytes.Clone(old), make([]byte, p.rng.IntN(3))...)
		}
		return nil
	case 1:
		if len(p.keys) > 0 {
			old := p.keys[p.rng.IntN(len(p.keys))]
			return bytes.Clone(old[:p.rng.IntN(len(old)+1)])
		}
		return []byte{0xff}
	case 2:
		k := make([]byte, p.rng.IntN(12))
		for i := range k {
			k[i] = byte(p.rng.IntN(3)) * 127
		}
		return k
	case 3:
		if p.rng.IntN(40) == 0 {
			return fmt.Appendf(bytes.Repeat([]byte("long"), 5_000+p.rng.IntN(60_000)), "%d", p.rng.IntN(100))
		}
		return fmt.Appendf(nil, "%d", p.rng.IntN(1000))
	default:
		return fmt.Appendf(nil, "/registry/pods/namespace-%d/pod-%04d", p.rng.IntN(3), p.rng.IntN(5000))
	}
}

func (p *pair) key() []byte {
	if p.rng.IntN(20) == 0 {
		return p.newKey()
	}
	return p.keys[p.rng.IntN(len(p.keys))]
}

func (p *pair) bounds() (from, to []byte) {
	from, to = p.key(), p.key()
	switch p.rng.IntN(6) {
	case 0:
		to = nil
	case 1:
		from = nil
	case 2: // as drawn, perhaps empty
	default:
		if bytes.Compare(from, to) > 0 {
			from, to = to, from
		}
	}
	return from, to
}

func (p *pair) atRev() int64 {
	if p.rng.IntN(3) == 0 {
		return p.rev
	}
	return p.compacted + p.rng.Int64N(p.rev-p.compacted+2)
}

// write makes one transaction of a few changes.
func (p *pair) write(deletes int) {
	p.rev++
	for sub := range int32(1 + p.rng.IntN(3)) {
		k, mod := p.key(), Rev{Main: p.rev, Sub: sub}
		if p.rng.IntN(100) < deletes {
			got, want := p.x.Tombstone(k, mod), p.twin.Tombstone(k, mod)
			if got != want {
				p.t.Fatalf("Tombstone(%q, %v) = %v, want %v", k, mod, got, want)
			}
			continue
		}
		leased := p.rng.IntN(4) == 0
		got, want := p.x.Put(k, mod, leased), p.twin.Put(k, mod, leased)
		if got != want {
			p.t.Fatalf("Put(%q, %v) = %+v, want %+v", k, mod, got, want)
		}
	}
}

func (p *pair) read() {
	k, at := p.key(), p.atRev()
	got, gotOK := p.x.Get(k, at)
	want, wantOK := p.twin.Get(k, at)
	if got != want || gotOK != wantOK {
		p.t.Fatalf("Get(%q, %d) = %+v %v, want %+v %v", k, at, got, gotOK, want, wantOK)
	}
	got, gotOK = p.x.Latest(k)
	want, wantOK = p.twin.Latest(k)
	if p.compacting && !wantOK && gotOK && got.Tombstone {
		got, gotOK = want, wantOK
	}
	if got != want || gotOK != wantOK {
		p.t.Fatalf("Latest(%q) = %+v %v, want %+v %v", k, got, gotOK, want, wantOK)
	}
	from, to := p.bounds()
	if got, want := p.x.CountLatest(from, to), p.twin.CountLatest(from, to); got != want {
		p.t.Fatalf("CountLatest(%q, %q) = %d, want %d", from, to, got, want)
	}
	if got, want := p.x.Len(), p.twin.Len(); got != want {
		p.t.Fatalf("Len = %d, want %d", got, want)
	}
	p.scan()
}

type seen struct {
	key string
	m   Meta
}

// scan compares one scan, resumed as often as limit asks for; step by step, unless the index still visits keys that the twin
// has compacted away.
func (p *pair) scan() {
	from, to := p.bounds()
	at, limit, stop := p.atRev(), 1+p.rng.IntN(20), -1
	if p.rng.IntN(50) == 0 {
		limit = 0
	}
	if p.rng.IntN(4) == 0 {
		stop = p.rng.IntN(10)
	}
	if p.compacting {
		var got, want []seen
		stop = 50
		p.twin.Scan(from, to, at, 0, collect(&want, stop))
		for resume, done := from, false; !done; {
			resume, done = p.x.Scan(resume, to, at, limit, collect(&got, stop))
		}
		if !slices.Equal(got, want) {
			p.t.Fatalf("Scan(%q, %q, %d, %d) = %v, want %v", from, to, at, limit, got, want)
		}
		return
	}
	for range 6 {
		var got, want []seen
		gotNext, gotDone := p.x.Scan(from, to, at, limit, collect(&got, stop))
		wantNext, wantDone := p.twin.Scan(from, to, at, limit, collect(&want, stop))
		if !slices.Equal(got, want) || !bytes.Equal(gotNext, wantNext) || gotDone != wantDone {
			p.t.Fatalf("Scan(%q, %q, %d, %d) = %v %q %v, want %v %q %v",
				from, to, at, limit, got, gotNext, gotDone, want, wantNext, wantDone)
		}
		if gotDone {
			return
		}
		from = gotNext
	}
}

func collect(all *[]seen, stop int) func([]byte, Meta) bool {
	return func(key []byte, m Meta) bool {
		*all = append(*all, seen{string(key), m})
		return len(*all) != stop
	}
}

// compact compacts both; the index in chunks, with between run in the pauses.
func (p *pair) compact(between func()) {
	at := p.compacted + p.rng.Int64N(p.rev-p.compacted+1)
	p.twin.Compact(at, nil, 0, func(r Rev) { p.droppedTwin = append(p.droppedTwin, r) })
	p.compacted, p.compacting = at, true
	limit := p.rng.IntN(30)
	from := []byte(nil)
	for rounds := 0; ; rounds++ {
		next, done := p.x.Compact(at, from, limit, func(r Rev) { p.droppedIndex = append(p.droppedIndex, r) })
		if done {
			break
		}
		if bytes.Compare(next, from) < 0 || rounds > 1_000_000 {
			p.t.Fatalf("Compact from %q resumes at %q", from, next)
		}
		from = next
		between()
	}
	slices.SortFunc(p.droppedIndex, compareRev)
	slices.SortFunc(p.droppedTwin, compareRev)
	if !slices.Equal(p.droppedIndex, p.droppedTwin) {
		p.t.Fatalf("Compact(%d) dropped %v, want %v", at, p.droppedIndex, p.droppedTwin)
	}
	p.droppedIndex, p.droppedTwin, p.compacting = nil, nil, false
}

func compareRev(a, b Rev) int {
	switch {
	case a.after(b):
		return 1
	case b.after(a):
		return -1
	}
	return 0
}

func (p *pair) check() {
	if err := check(p.x); err != nil {
		p.t.Fatal(err)
	}
}

// compareAll holds every history of the twin against the index.
func (p *pair) compareAll() {
	n := 0
	p.x.Scan(nil, nil, p.rev, 0, func([]byte, Meta) bool { n++; return true })
	if n != p.twin.Len() {
		p.t.Fatalf("a full scan sees %d keys, want %d", n, p.twin.Len())
	}
	for k, h := range p.twin.histories {
		for _, m := range h {
			got, ok := p.x.Get([]byte(k), m.Mod.Main)
			want, wantOK := p.twin.Get([]byte(k), m.Mod.Main)
			if got != want || ok != wantOK {
				p.t.Fatalf("Get(%q, %d) = %+v %v, want %+v %v", k, m.Mod.Main, got, ok, want, wantOK)
			}
		}
	}
}

// restore rebuilds an index from the revisions of the twin, as the store does at start.
func (p *pair) restore() {
	type row struct {
		key string
		m   Meta
	}
	var rows []row
	for k, h := range p.twin.histories {
		for _, m := range h {
			rows = append(rows, row{k, m})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return compareRev(a.m.Mod, b.m.Mod) })
	x := New()
	x.leafMaxKeys, x.innerMaxKeys = p.x.leafMaxKeys, p.x.innerMaxKeys
	for _, r := range rows {
		x.Restore([]byte(r.key), r.m)
	}
	p.x = x
	p.check()
	p.compareAll()
	for range 50 {
		p.read()
	}
}

// wipe deletes everything and compacts it away, which must leave nothing.
func (p *pair) wipe() {
	for _, k := range slices.Clone(p.twin.keys) {
		p.rev++
		p.x.Tombstone([]byte(k), Rev{Main: p.rev})
		p.twin.Tombstone([]byte(k), Rev{Main: p.rev})
	}
	p.rev += 2
	p.compacted = p.rev
	p.compact(func() {})
	p.check()
	x := p.x
	if x.leaves.used != 1 || x.inners.used != 0 || x.pasts.used != 0 || x.lives.used != 0 {
		p.t.Fatalf("left over: %d leaves, %d inner nodes, %d pasts, %d lives",
			x.leaves.used, x.inners.used, x.pasts.used, x.lives.used)
	}
}
