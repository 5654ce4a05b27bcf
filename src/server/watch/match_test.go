package watch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// contains is the slow, obvious way.
func (in interval) contains(key []byte) bool {
	if in.single {
		return in.from == string(key)
	}
	return in.from <= string(key) && (in.open || string(key) < in.to)
}

// TestMatcherAndItsTwin adds and removes random intervals, and asks for the watchers of random keys.
func TestMatcherAndItsTwin(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	key := func() []byte {
		k := make([]byte, 1+rng.IntN(3))
		for i := range k {
			k[i] = "abcde"[rng.IntN(5)]
		}
		return k
	}
	var m matcher
	var twin []*Watcher
	for i := range 20_000 {
		switch n := rng.IntN(10); {
		case n < 4 || len(twin) == 0:
			o := Options{Key: key()}
			if rng.IntN(3) > 0 {
				if o.End = key(); rng.IntN(5) == 0 {
					o.End = []byte{0}
				}
			}
			in, err := newInterval(o.Key, o.End)
			if err != nil {
				continue
			}
			w := &Watcher{id: int64(i)}
			m.add(in, w)
			twin = append(twin, w)
		case n < 7:
			at := rng.IntN(len(twin))
			m.remove(twin[at])
			twin = slices.Delete(twin, at, at+1)
		default:
			k := key()
			var got, want []int64
			m.each(k, func(w *Watcher) { got = append(got, w.id) })
			for _, w := range twin {
				if in := w.interval(); in.contains(k) {
					want = append(want, w.id)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("step %d, key %q: %v, want %v", i, k, got, want)
			}
		}
		if m.count != len(twin) {
			t.Fatalf("step %d: %d watchers, want %d", i, m.count, len(twin))
		}
	}
	n := 0
	m.all(func(*Watcher) { n++ })
	if n != len(twin) {
		t.Fatalf("%d watchers in all, want %d", n, len(twin))
	}
	for _, w := range twin {
		m.remove(w)
	}
	if m.root != nil || len(m.keys) != 0 {
		t.Fatal("an empty matcher holds something: " + fmt.Sprint(m))
	}
}
