package index

import (
	"slices"
	"sort"
)

// A twin is the slow and obvious form: a map of histories and a sorted slice of the keys.
type twin struct {
	histories map[string][]Meta
	keys      []string
}

func newTwin() *twin { return &twin{histories: map[string][]Meta{}} }

func (t *twin) push(key []byte, m Meta) {
	k := string(key)
	if _, ok := t.histories[k]; !ok {
		i := sort.SearchStrings(t.keys, k)
		t.keys = slices.Insert(t.keys, i, k)
	}
	t.histories[k] = append(t.histories[k], m)
}

func (t *twin) Put(key []byte, mod Rev, leased bool) Meta {
	m := Meta{Mod: mod, Create: mod, Version: 1, Leased: leased}
	if last, ok := t.Latest(key); ok && !last.Tombstone {
		m.Create, m.Version = last.Create, last.Version+1
	}
	t.push(key, m)
	return m
}

func (t *twin) Tombstone(key []byte, mod Rev) bool {
	if last, ok := t.Latest(key); !ok || last.Tombstone {
		return false
	}
	t.push(key, Meta{Mod: mod, Tombstone: true})
	return true
}

func (t *twin) Restore(key []byte, m Meta) {
	if m.Tombstone {
		m = Meta{Mod: m.Mod, Tombstone: true}
	}
	t.push(key, m)
}

func (t *twin) Get(key []byte, atRev int64) (Meta, bool) {
	h := t.histories[string(key)]
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Mod.Main <= atRev {
			if h[i].Tombstone {
				return Meta{}, false
			}
			return h[i], true
		}
	}
	return Meta{}, false
}

func (t *twin) Latest(key []byte) (Meta, bool) {
	h := t.histories[string(key)]
	if len(h) == 0 {
		return Meta{}, false
	}
	return h[len(h)-1], true
}

func (t *twin) span(from, to []byte) []string {
	lo := sort.SearchStrings(t.keys, string(from))
	hi := len(t.keys)
	if to != nil {
		hi = sort.SearchStrings(t.keys, string(to))
	}
	return t.keys[lo:max(lo, hi)]
}

func (t *twin) Scan(from, to []byte, atRev int64, max int, fn func(key []byte, m Meta) bool) (next []byte, done bool) {
	for i, k := range t.span(from, to) {
		if max > 0 && i == max {
			return []byte(k), false
		}
		if m, ok := t.Get([]byte(k), atRev); ok && !fn([]byte(k), m) {
			return nil, true
		}
	}
	return nil, true
}

func (t *twin) CountLatest(from, to []byte) int64 {
	n := int64(0)
	for _, k := range t.span(from, to) {
		if m, _ := t.Latest([]byte(k)); !m.Tombstone {
			n++
		}
	}
	return n
}

func (t *twin) Compact(atRev int64, from []byte, max int, drop func(rev Rev)) (next []byte, done bool) {
	for i, k := range slices.Clone(t.span(from, nil)) {
		if max > 0 && i == max {
			return []byte(k), false
		}
		t.compactKey(k, atRev, drop)
	}
	return nil, true
}

func (t *twin) compactKey(k string, atRev int64, drop func(rev Rev)) {
	h := t.histories[k]
	newest := -1
	for i, m := range h {
		if m.Mod.Main <= atRev {
			newest = i
		}
	}
	var kept []Meta
	for i, m := range h {
		switch {
		case i > newest, i == newest && (!m.Tombstone || m.Mod.Main == atRev):
			kept = append(kept, m)
		default:
			drop(m.Mod)
		}
	}
	t.histories[k] = kept
	if len(kept) == 0 {
		delete(t.histories, k)
		i := sort.SearchStrings(t.keys, k)
		t.keys = slices.Delete(t.keys, i, i+1)
	}
}

func (t *twin) Len() int { return int(t.CountLatest(nil, nil)) }
