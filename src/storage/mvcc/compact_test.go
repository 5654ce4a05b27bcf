package mvcc

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"quoin.dev/storage/backend"
)

// TestCompactionFreesWholePages: the rows of a key lie in as many pages as it has revisions. Deleted key by key, every batch would
// write all of these anew; in the order of revisions pages become free as a whole, and the file does not grow.
func TestCompactionFreesWholePages(t *testing.T) {
	grown := map[int]int64{}
	for _, gather := range []int{1, gatherRevisions} {
		b, err := backend.Open(backend.Options{Path: filepath.Join(t.TempDir(), "db"), BatchInterval: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(b, Options{CompactionBatch: 200})
		if err != nil {
			t.Fatal(err)
		}
		s.gatherRevisions = gather
		value := make([]byte, 300)
		for i := range 20_000 {
			txn := s.Begin()
			txn.Put(fmt.Appendf(nil, "key%03d", i%200), value, 0)
			txn.End()
			b.Commit(backend.Applied{Index: uint64(i + 1), Term: 1})
		}
		if err := b.Flush(); err != nil {
			t.Fatal(err)
		}
		before := b.Size()
		done, err := s.Compact(s.Revision())
		if err != nil {
			t.Fatal(err)
		}
		b.Commit(backend.Applied{Index: 20_001, Term: 1})
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatal("the compaction does not end")
		}
		grown[gather] = b.Size() - before
		s.Close()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("the file grows by %d bytes key by key, by %d in the order of revisions", grown[1], grown[gatherRevisions])
	if grown[gatherRevisions] > 256<<10 {
		t.Errorf("the file grew by %d bytes", grown[gatherRevisions])
	}
}
