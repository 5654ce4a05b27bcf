package mvcc

import (
	"math/rand/v2"
	"slices"
	"testing"

	"quoin.dev/storage/mvcc/index"
)

func TestGatheringGivesAllInOrder(t *testing.T) {
	for _, n := range []int{0, 1, runRevisions, 3*runRevisions + 17} {
		var g gathering
		var want, got []index.Rev
		for range n {
			r := index.Rev{Main: rand.Int64N(int64(n)), Sub: rand.Int32N(3)}
			g.add(r)
			want = append(want, r)
		}
		rests := 0
		check(t, g.sort(func() error { rests++; return nil }))
		if runs := (n + runRevisions - 1) / runRevisions; rests != runs {
			t.Errorf("%d rests while %d revisions were sorted, not %d", rests, n, runs)
		}
		for batch := g.next(1000); len(batch) > 0; batch = g.next(1000) {
			got = append(got, batch...)
		}
		slices.SortFunc(want, compareRevs)
		if !slices.Equal(got, want) {
			t.Errorf("%d revisions did not come back in order", n)
		}
		if g.n != 0 || len(g.runs) != 0 {
			t.Errorf("%d revisions are left in %d runs", g.n, len(g.runs))
		}
	}
}
