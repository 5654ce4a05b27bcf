package mvcc

import (
	"cmp"
	"slices"

	"quoin.dev/storage/mvcc/index"
)

// runRevisions is how many revisions are sorted at once: a few milliseconds of a processor.
const runRevisions = 1 << 15

// gathering takes revisions in any order and gives them back in theirs. It sorts a part at a time, so that no step is long.
type gathering struct {
	runs [][]index.Rev // each but the last one is sorted
	n    int
}

func (g *gathering) add(r index.Rev) {
	if g.n++; len(g.runs) == 0 || len(g.runs[len(g.runs)-1]) == runRevisions {
		g.runs = append(g.runs, nil)
	}
	last := &g.runs[len(g.runs)-1]
	*last = append(*last, r)
}

// sort has to be called before next, with a rest after each run.
func (g *gathering) sort(rest func() error) error {
	for _, run := range g.runs {
		slices.SortFunc(run, compareRevs)
		if err := rest(); err != nil {
			return err
		}
	}
	return nil
}

// next takes up to so many of the lowest revisions out, none when there are no more.
func (g *gathering) next(most int) []index.Rev {
	batch := make([]index.Rev, 0, min(most, g.n))
	for len(batch) < cap(batch) {
		lowest := &g.runs[0]
		for i := range g.runs {
			if compareRevs(g.runs[i][0], (*lowest)[0]) < 0 {
				lowest = &g.runs[i]
			}
		}
		batch = append(batch, (*lowest)[0])
		if *lowest = (*lowest)[1:]; len(*lowest) == 0 {
			g.runs = slices.DeleteFunc(g.runs, func(run []index.Rev) bool { return len(run) == 0 })
		}
	}
	g.n -= len(batch)
	return batch
}

func compareRevs(a, b index.Rev) int {
	return cmp.Or(cmp.Compare(a.Main, b.Main), cmp.Compare(a.Sub, b.Sub))
}
