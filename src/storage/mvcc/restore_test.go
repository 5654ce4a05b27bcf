package mvcc

import (
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"quoin.dev/storage/backend"
)

// TestRowsThatNoStoreWrites opens files that are whole databases but not stores: an error says so, and nothing panics.
func TestRowsThatNoStoreWrites(t *testing.T) {
	put := keyValue{key: []byte("a"), create: 5, mod: 5, version: 1, value: []byte("1")}
	dead := keyValue{key: []byte("a")}
	row := func(main int64, tombstone bool) []byte {
		return backend.AppendRevisionKey(nil, backend.Revision{Main: main}, tombstone)
	}
	for name, rows := range map[string]map[string][]byte{
		"a key that is put and deleted at one place": {string(row(5, false)): put.encode(), string(row(5, true)): dead.encode()},
		"a negative revision":                        {string(row(-5, true)): dead.encode()},
		"revision zero":                              {string(row(0, true)): dead.encode()},
		"a row of another revision":                  {string(row(6, false)): put.encode()},
		"no key":                                     {string(row(5, true)): {tagVersion, 1}},
		"a short row key":                            {"short": put.encode()},
		"text":                                       {string(row(5, false)): []byte("text")},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			db, err := bbolt.Open(path, 0o600, nil)
			check(t, err)
			check(t, db.Update(func(tx *bbolt.Tx) error {
				in, err := tx.CreateBucket([]byte("key"))
				check(t, err)
				for k, v := range rows {
					check(t, in.Put([]byte(k), v))
				}
				return nil
			}))
			check(t, db.Close())
			b, err := backend.Open(backend.Options{Path: path})
			if err == nil {
				_, err = Open(b, Options{})
				check(t, b.Close())
			}
			if err == nil || !strings.Contains(err.Error(), "restore") {
				t.Fatalf("unclear or no error: %v", err)
			}
		})
	}
}
