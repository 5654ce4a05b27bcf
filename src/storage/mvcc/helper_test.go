package mvcc

import (
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"quoin.dev/storage/backend"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tracker is a LeaseTracker that remembers which key hangs where.
type tracker struct {
	mu sync.Mutex
	of map[string]int64
}

func newTracker() *tracker { return &tracker{of: map[string]int64{}} }

func (t *tracker) Attach(lease int64, key []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of[string(key)] = lease
}

func (t *tracker) Detach(lease int64, key []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[string(key)] != lease {
		panic("detached from a lease that the key does not hang on")
	}
	delete(t.of, string(key))
}

func (t *tracker) keys(lease int64) (out []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(t.of)) {
		if t.of[k] == lease {
			out = append(out, k)
		}
	}
	return out
}

func (t *tracker) total() int { return len(t.of) }

// newStore opens a store in a new file, or in path.
func newStore(t testing.TB, path string, o Options) (*Store, *backend.Backend) {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "db")
	}
	b, err := backend.Open(backend.Options{Path: path})
	check(t, err)
	s, err := Open(b, o)
	check(t, err)
	t.Cleanup(func() { s.Close(); _ = b.Close() })
	return s, b
}

// put is a transaction of one put.
func put(s *Store, key, value string) int64 {
	txn := s.Begin()
	txn.Put([]byte(key), []byte(value), 0)
	txn.End()
	return s.Revision()
}

func del(s *Store, key string) int64 {
	txn := s.Begin()
	txn.DeleteRange([]byte(key), nil)
	txn.End()
	return s.Revision()
}
