package backend

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// TestLookupAgainstCursor holds the direct lookup together with bbolt's cursor, its slow twin, on a tree of some depth
// from which rows have been removed.
func TestLookupAgainstCursor(t *testing.T) {
	b := open(t, Options{BatchInterval: time.Hour, PendingBytes: 1 << 30})
	r := rand.New(rand.NewPCG(3, 4))
	var revs []Revision
	main := int64(1)
	for range 60_000 {
		main += 1 + r.Int64N(3)
		for sub := range int32(1 + r.IntN(2)) {
			rev := Revision{Main: main, Sub: sub}
			b.PutRevision(rev, r.IntN(5) == 0, make([]byte, r.IntN(40)))
			revs = append(revs, rev)
		}
	}
	b.PutRevision(Revision{Main: main + 1}, false, make([]byte, 100_000))
	b.Commit(Applied{Index: 1, Term: 1})
	compare := func() {
		check(t, b.Flush())
		v := b.View()
		defer v.Close()
		if !v.tx.direct {
			t.Fatal("the lookup is not in use")
		}
		for range 40_000 {
			rev := Revision{Main: r.Int64N(main + 3), Sub: int32(r.IntN(2))}
			if r.IntN(4) > 0 {
				i := r.IntN(len(revs))
				rev = revs[i]
				if i > 0 && r.IntN(2) == 0 {
					v.GetRevision(revs[i-1])
				}
			}
			got, tombstone, ok := v.GetRevision(rev)
			want, wantTombstone, wantOK := seekRevision(v.tx.buckets[Key], rev)
			if ok != wantOK || tombstone != wantTombstone || !bytes.Equal(got, want) {
				t.Fatalf("row %v: %d bytes %v %v, want %d bytes %v %v", rev, len(got), tombstone, ok, len(want), wantTombstone, wantOK)
			}
		}
	}
	compare()
	var gone [][]byte
	for i := 1000; i < len(revs); i++ {
		if i < 30_000 || r.IntN(3) == 0 {
			gone = append(gone, AppendRevisionKey(nil, revs[i], false))
		}
	}
	b.DeleteLater(Key, gone...)
	compare()
}
