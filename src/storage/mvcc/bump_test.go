package mvcc

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

// The hashes are those that etcd 3.7.3 told on a snapshot of revision 304 that was restored with a bump of 1000, through
// the same changes. (etcd#16028, etcd#16029)
func TestHashesAfterBump(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	check(t, os.WriteFile(path, gunzip(t, "single37-snapshot.db.gz"), 0o600))
	b, err := backend.Open(backend.Options{Path: path})
	check(t, err)
	b.PutRevision(backend.Revision{Main: 1304}, false, []byte{})
	schema.PutScheduledCompaction(b, 1304)
	b.Commit(backend.Applied{})
	check(t, b.Close())
	s, b := newStore(t, path, Options{})
	expect := func(rev, compacted int64, want uint32) {
		t.Helper()
		h, err := s.HashKV(rev)
		if check(t, err); h.Hash != want || h.CompactRevision != compacted {
			t.Errorf("the hash at revision %d is %d, compacted at %d; etcd says %d, %d", rev, h.Hash, h.CompactRevision, want, compacted)
		}
	}
	expect(1304, 1304, 4347835)
	put(s, "a", "b")
	put(s, "a", "c")
	expect(1306, 1304, 3200248872)
	expect(1305, 1304, 3973361424)
	done, err := s.Compact(1305)
	check(t, err)
	b.Commit(backend.Applied{})
	wait(t, done)
	expect(1306, 1305, 262463761)
	s.Close()
	check(t, b.Close())
	s, _ = newStore(t, path, Options{})
	expect(1306, 1305, 262463761)
}

// Of several bumps compaction keeps the newest that it covers.
func TestCompactionOfBumps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, b := newStore(t, path, Options{})
	for _, rev := range []int64{100, 200, 300} {
		b.PutRevision(backend.Revision{Main: rev}, false, []byte{})
	}
	b.Commit(backend.Applied{})
	s.Close()
	check(t, b.Close())
	s, b = newStore(t, path, Options{})
	done, err := s.Compact(250)
	check(t, err)
	b.Commit(backend.Applied{})
	wait(t, done)
	var left []int64
	check(t, s.eachRow(t.Context(), backend.Revision{}, func(r backend.Revision, _, _ []byte) bool {
		left = append(left, r.Main)
		return true
	}))
	if !slices.Equal(left, []int64{200, 300}) {
		t.Errorf("rows at %v are left", left)
	}
}
