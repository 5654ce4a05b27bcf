package index

import (
	"bytes"
	"flag"
	"fmt"
	"sync"
	"testing"
)

var seeds = flag.Uint64("seeds", 2, "how many random histories to try")

// Guards against etcd#8127 (the index rebuilt wrongly), etcd#18089 (a tombstone exactly at the compacted revision is lost).
func TestRandomAgainstTwin(t *testing.T) {
	for _, c := range []struct{ leaf, inner, keys, steps int }{
		{2, 3, 40, 2000}, {3, 3, 300, 3000}, {4, 3, 2000, 3000}, {12, 5, 1000, 3000}, {runMaxKeys, runMaxKeys, 6000, 6000},
	} {
		t.Run(fmt.Sprintf("leaf %d inner %d", c.leaf, c.inner), func(t *testing.T) {
			for seed := range *seeds {
				p := newPair(t, seed, c.leaf, c.inner, c.keys)
				for i := range c.steps {
					// Seasons of growth and of decline, so that nodes split and merge.
					deletes := 5
					if i/700%2 == 1 {
						deletes = 85
					}
					p.write(deletes)
					if i%8 == 0 {
						p.read()
					}
					if p.rng.IntN(300) == 0 {
						p.compact(func() {
							p.write(deletes)
							if p.rng.IntN(4) == 0 {
								p.read()
							}
							if p.rng.IntN(50) == 0 {
								p.check()
							}
						})
						p.check()
					}
					if i%500 == 0 {
						p.check()
					}
				}
				p.check()
				p.compareAll()
				p.restore()
				p.wipe()
			}
		})
	}
}

// FuzzAgainstTwin lets the input choose the order of operations; the keys come from a seed.
func FuzzAgainstTwin(f *testing.F) {
	f.Add(uint64(1), []byte("wwwwwwwwddddrrcwwdrcc"))
	f.Add(uint64(2), []byte("wdwdwdwdwdwdwdwdcrcrcrR"))
	f.Add(uint64(3), []byte("wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDcR"))
	f.Fuzz(func(t *testing.T, seed uint64, ops []byte) {
		p := newPair(t, seed, 3, 3, 30)
		p.write(0)
		for _, op := range ops[:min(len(ops), 2000)] {
			switch op {
			case 'd':
				p.write(50)
			case 'D':
				p.write(100)
			case 'r':
				p.read()
			case 'c':
				p.compact(func() { p.write(30) })
			case 'R':
				p.restore()
			default:
				p.write(0)
			}
		}
		p.check()
		p.compareAll()
		p.wipe()
	})
}

func TestCompactKeeps(t *testing.T) {
	const k = "key"
	for _, c := range []struct {
		name    string
		history string // one change per revision from 1 on: p put, d delete, - some other key
		atRev   int64
		dropped []int64
		get     map[int64]int64 // at revision: version, 0 for absent
		gone    bool            // the index forgets the key
	}{
		{"nothing at or below", "--pp", 2, nil, map[int64]int64{3: 1, 4: 2}, false},
		{"newest put stays", "ppp", 3, []int64{1, 2}, map[int64]int64{3: 3}, false},
		{"newest put stays between revisions", "pp-", 3, []int64{1}, map[int64]int64{3: 2}, false},
		{"newer revisions stay", "pppp", 2, []int64{1}, map[int64]int64{2: 2, 3: 3, 4: 4}, false},
		{"tombstone at the revision stays (etcd#18089)", "ppd", 3, []int64{1, 2}, map[int64]int64{3: 0}, false},
		{"older tombstone goes", "ppd-", 4, []int64{1, 2, 3}, map[int64]int64{4: 0}, true},
		{"tombstone at the revision stays under a new life", "pdp", 2, []int64{1}, map[int64]int64{2: 0, 3: 1}, false},
		{"older tombstone goes from under a new life", "pd-p", 3, []int64{1, 2}, map[int64]int64{3: 0, 4: 1}, false},
		{"new life stays whole", "ppdpp", 4, []int64{1, 2, 3}, map[int64]int64{4: 1, 5: 2}, false},
		{"newer tombstone stays", "pd", 1, nil, map[int64]int64{1: 1, 2: 0}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for max := range 3 {
				x := New()
				for i, change := range c.history {
					switch mod := (Rev{Main: int64(i + 1)}); change {
					case 'p':
						x.Put([]byte(k), mod, false)
					case 'd':
						x.Tombstone([]byte(k), mod)
					}
				}
				dropped := map[Rev]bool{}
				for next, done := []byte(nil), false; !done; {
					next, done = x.Compact(c.atRev, next, max, func(r Rev) { dropped[r] = true })
				}
				if len(dropped) != len(c.dropped) {
					t.Fatalf("dropped %v, want %v", dropped, c.dropped)
				}
				for _, main := range c.dropped {
					if !dropped[Rev{Main: main}] {
						t.Fatalf("dropped %v, want %v", dropped, c.dropped)
					}
				}
				for at, version := range c.get {
					if m, ok := x.Get([]byte(k), at); m.Version != version || ok != (version > 0) {
						t.Fatalf("Get at %d = %+v %v, want version %d", at, m, ok, version)
					}
				}
				if _, known := x.Latest([]byte(k)); known == c.gone {
					t.Fatalf("the key is known: %v", known)
				}
				if err := check(x); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestRevisionsOnlyGrow(t *testing.T) {
	key := []byte("key")
	for name, change := range map[string]func(*Index){
		"put":       func(x *Index) { x.Put(key, Rev{Main: 5, Sub: 1}, false) },
		"tombstone": func(x *Index) { x.Tombstone(key, Rev{Main: 4, Sub: 9}) },
		"restore":   func(x *Index) { x.Restore(key, Meta{Mod: Rev{Main: 5}}) },
	} {
		x := New()
		x.Put(key, Rev{Main: 5, Sub: 1}, false)
		mustPanic(t, name, func() { change(x) })
	}
}

func mustPanic(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if s, ok := recover().(string); !ok || s == "" {
			t.Fatalf("%s: no panic with a sentence", name)
		}
	}()
	f()
}

func TestSeveralReadersAtOnce(t *testing.T) {
	x := New()
	const keys = 3000
	for i := range int64(2 * keys) {
		x.Put(fmt.Appendf(nil, "key-%d", i%keys), Rev{Main: i + 1}, false)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			n := int64(0)
			x.Scan(nil, nil, keys, 0, func(key []byte, m Meta) bool {
				now, _ := x.Latest(key)
				old, ok := x.Get(key, keys)
				if !ok || old != m || now.Version != 2 {
					t.Errorf("%q is %+v, now %+v; the scan says %+v", key, old, now, m)
				}
				n++
				return true
			})
			if n != keys || x.CountLatest(nil, nil) != keys || int64(x.Len()) != keys || x.Bytes() == 0 {
				t.Errorf("a scan sees %d keys, CountLatest %d", n, x.CountLatest(nil, nil))
			}
		})
	}
	all.Wait()
}

func TestLongKeys(t *testing.T) {
	x := New()
	long := bytes.Repeat([]byte("x"), 3<<20)
	for i := range byte(6) {
		x.Put(append(long, i), Rev{Main: int64(i + 1)}, false)
	}
	for i := range byte(6) {
		if m, ok := x.Get(append(long, i), 100); !ok || m.Mod.Main != int64(i+1) {
			t.Fatalf("long key %d is %+v %v", i, m, ok)
		}
		x.Tombstone(append(long, i), Rev{Main: 100 + int64(i)})
	}
	x.Compact(1000, nil, 0, func(Rev) {})
	if err := check(x); err != nil {
		t.Fatal(err)
	}
	if x.Bytes() > 2<<20 {
		t.Fatalf("the index holds %d bytes after its long keys are gone", x.Bytes())
	}
}
