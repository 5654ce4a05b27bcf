package storefile

import (
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"quoin.dev/api/mvccpb"
	"quoin.dev/storage/backend"
)

// In files at the edges the numbers are those that etcdutl 3.7.3 was seen to print, not those a member would start with.
func TestStatusAtTheEdges(t *testing.T) {
	kv, err := (&mvccpb.KeyValue{Key: []byte("k"), CreateRevision: 2, ModRevision: 2, Version: 1}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rows     map[int64][]byte
		revision int64
		keys     int
	}{
		"empty":  {nil, 0, 0},
		"a key":  {map[int64][]byte{2: kv}, 2, 1},
		"bumped": {map[int64][]byte{2: kv, 1304: {}}, 1304, 2},
	} {
		path := filepath.Join(t.TempDir(), "db")
		b, err := backend.Open(backend.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		for _, rev := range []int64{2, 1304} {
			if row, ok := c.rows[rev]; ok {
				b.PutRevision(backend.Revision{Main: rev}, false, row)
			}
		}
		b.Put(backend.Meta, []byte("storageVersion"), []byte("3.7.0"))
		b.Commit(backend.Applied{Index: 1, Term: 1})
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := ReadStatus(path, Options{Logger: zap.NewNop()}, func(int64) {})
		if err != nil || got.Revision != c.revision || got.TotalKey != c.keys || got.Version != "3.7.0" {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}
