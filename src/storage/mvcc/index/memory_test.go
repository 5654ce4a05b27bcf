package index

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// maxOverheadBytes is what a key with one revision may cost beyond its own bytes.
const maxOverheadBytes = 64

func TestOverheadPerKey(t *testing.T) {
	const keys = 150_000
	for name, order := range map[string][]int{"ascending": nil, "random": rand.New(rand.NewPCG(7, 7)).Perm(keys)} {
		x, keyBytes := New(), int64(0)
		for i := range keys {
			n := i
			if order != nil {
				n = order[i]
			}
			k := fmt.Appendf(nil, "/registry/services/endpoints/%08d", n)
			keyBytes += int64(len(k))
			x.Put(k, Rev{Main: int64(i + 1)}, false)
		}
		if per := float64(x.Bytes()-keyBytes) / keys; per > maxOverheadBytes {
			t.Errorf("%s: %.1f bytes per key besides the key, want at most %d", name, per, maxOverheadBytes)
		}
	}
}

// What removed keys held is given back in the same compaction, and keys handed out before keep their bytes.
func TestRemovedKeysGiveMemoryBack(t *testing.T) {
	const keys = 100_000
	key := func(i int) []byte { return fmt.Appendf(nil, "/registry/events/default/event-%06d", i) }
	x := New()
	x.leafMaxKeys = 8 // many leaves, so that separators fill and leave chunks, too
	for i := range keys {
		x.Put(key(i*7919%keys), Rev{Main: int64(i + 1)}, false)
	}
	held := func() int64 { return x.arena.heldBytes() + x.separators.heldBytes() }
	full := held()
	var handed [][]byte
	x.Scan(nil, nil, keys, 0, func(k []byte, _ Meta) bool { handed = append(handed, k); return true })
	rev := int64(keys)
	for i := range keys {
		if i%10 != 0 {
			rev++
			x.Tombstone(key(i), Rev{Main: rev})
		}
	}
	for next, done := []byte(nil), false; !done; {
		next, done = x.Compact(rev+1, next, 100, func(Rev) {})
	}
	if err := check(x); err != nil {
		t.Fatal(err)
	}
	if x.Len() != keys/10 || held() > full/3 {
		t.Fatalf("%d of %d keys hold %d of %d bytes", x.Len(), keys, held(), full)
	}
	for i, k := range handed {
		if !bytes.Equal(k, key(i)) {
			t.Fatalf("the key handed out as %q reads %q", key(i), k)
		}
	}
}

func TestFullArenaPanicsWithASentence(t *testing.T) {
	x := New()
	x.arena.bytes = make([][]byte, arenaMaxChunks)
	x.arena.chunks = make([]arenaChunk, arenaMaxChunks)
	mustPanic(t, "arena", func() { x.Put([]byte("key"), Rev{Main: 1}, false) })
}

func TestMoveBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for range 20_000 {
		n, m := rng.IntN(runMaxKeys+1), rng.IntN(runMaxKeys+1)
		left, right := rng.Uint64()&(1<<n-1), rng.Uint64()&(1<<m-1)
		cut := max(0, n+m-runMaxKeys) + rng.IntN(min(n+m, runMaxKeys)-max(0, n+m-runMaxKeys)+1)
		newLeft, newRight := moveBits(left, right, n, cut)
		for i := range n + m {
			want := left >> i & 1
			if i >= n {
				want = right >> (i - n) & 1
			}
			got := newLeft >> i & 1
			if i >= cut {
				got = newRight >> (i - cut) & 1
			}
			if got != want {
				t.Fatalf("moveBits(%b, %b, %d, %d) = %b, %b: bit %d is %d", left, right, n, cut, newLeft, newRight, i, got)
			}
		}
		if newLeft>>cut != 0 || newRight>>(n+m-cut) != 0 {
			t.Fatalf("moveBits(%b, %b, %d, %d) = %b, %b: bits beyond the end", left, right, n, cut, newLeft, newRight)
		}
	}
}

func TestSlab(t *testing.T) {
	s := slab[int64]{what: "numbers"}
	rng := rand.New(rand.NewPCG(9, 9))
	twin := map[uint32]int64{}
	var ids []uint32
	for i := range int64(20_000) {
		if grow := i < 4000 || i > 12_000 && i < 15_000; len(ids) == 0 || rng.IntN(10) < 2 == !grow {
			id := s.alloc()
			if _, used := twin[id]; used || id == 0 || *s.at(id) != 0 {
				t.Fatalf("alloc returned %d, in use: %v, with value %d", id, used, *s.at(id))
			}
			*s.at(id), twin[id] = i, i
			ids = append(ids, id)
			continue
		}
		at := rng.IntN(len(ids))
		id := ids[at]
		if *s.at(id) != twin[id] {
			t.Fatalf("item %d is %d, want %d", id, *s.at(id), twin[id])
		}
		s.release(id)
		delete(twin, id)
		ids[at] = ids[len(ids)-1]
		ids = ids[:len(ids)-1]
	}
	for _, id := range ids {
		s.release(id)
	}
	if s.used != 0 || len(s.chunks)-len(s.vacant) != 1 {
		t.Fatalf("%d items and %d chunks are left", s.used, len(s.chunks)-len(s.vacant))
	}
	mustPanic(t, "release", func() { s.release(7) })
}
