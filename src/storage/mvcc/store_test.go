package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

func wait(t testing.TB, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("timed out")
	}
}

// TestCrashWhileCompacting stops between the batches of a deletion that takes the newest rows away: the revision must
// not go back, and the deletion is resumed (etcd#17780).
func TestCrashWhileCompacting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, b := newStore(t, path, Options{CompactionBatch: 1, CompactionPause: time.Hour})
	for i := range 10 {
		put(s, "a", fmt.Sprint(i))
	}
	put(s, "b", "x")
	del(s, "a")
	del(s, "b")
	put(s, "c", "x")
	head := del(s, "c")
	done, err := s.Compact(head - 1)
	check(t, err)
	b.Commit(backend.Applied{Index: 1, Term: 1})
	count := func(b *backend.Backend) (n int) {
		v := b.View()
		defer v.Close()
		check(t, v.Scan(backend.Key, nil, nil, func(_, _ []byte) error { n++; return nil }))
		return n
	}
	all := 15
	for deadline := time.Now().Add(20 * time.Second); count(b) == all; { // polls for the first batch
		if time.Now().After(deadline) {
			t.Fatal("nothing was deleted")
		}
		check(t, b.Flush())
	}
	select {
	case <-done:
		t.Fatal("the compaction ended in spite of an endless pause")
	default:
	}
	s.Close()
	check(t, b.Abandon())

	s, b = newStore(t, path, Options{})
	if s.Revision() != head || s.CompactRevision() != head-1 {
		t.Fatalf("revision %d compacted %d, want %d and %d", s.Revision(), s.CompactRevision(), head, head-1)
	}
	done2, err := s.Compact(head)
	check(t, err)
	b.Commit(backend.Applied{Index: 2, Term: 1})
	wait(t, done2)
	if n := count(b); n != 1 { // the tombstone at the compact revision
		t.Fatalf("%d rows left, want 1", n)
	}
	s.Close()
	check(t, b.Close())
	s, _ = newStore(t, path, Options{})
	if s.Revision() != head {
		t.Fatalf("revision %d, want %d", s.Revision(), head)
	}
}

// TestTombstoneAtCompactRevision guards etcd#18089.
func TestTombstoneAtCompactRevision(t *testing.T) {
	s, b := newStore(t, "", Options{})
	put(s, "k", "v")
	rev := del(s, "k")
	done, err := s.Compact(rev)
	check(t, err)
	b.Commit(backend.Applied{Index: 1, Term: 1})
	wait(t, done)
	v := b.View()
	defer v.Close()
	if _, tombstone, ok := v.GetRevision(backend.Revision{Main: rev}); !ok || !tombstone {
		t.Fatal("the tombstone is gone")
	}
}

// TestBumpedRevision opens what a restore with a bumped revision leaves: a row without content.
func TestBumpedRevision(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, b := newStore(t, path, Options{})
	put(s, "k", "v")
	b.PutRevision(backend.Revision{Main: 1000}, false, []byte{})
	schema.PutScheduledCompaction(b, 1000)
	b.Commit(backend.Applied{Index: 1, Term: 1})
	s.Close()
	check(t, b.Close())

	s, b = newStore(t, path, Options{})
	if s.Revision() != 1000 || s.CompactRevision() != 1000 || s.Keys() != 1 {
		t.Fatalf("revision %d compacted %d keys %d", s.Revision(), s.CompactRevision(), s.Keys())
	}
	if rev := put(s, "k", "w"); rev != 1001 {
		t.Fatalf("the next revision is %d", rev)
	}
	done, err := s.Compact(1001)
	check(t, err)
	b.Commit(backend.Applied{Index: 2, Term: 1})
	wait(t, done)
	s.Close()
	check(t, b.Close())
	s, b = newStore(t, path, Options{})
	if s.Revision() != 1001 {
		t.Fatalf("revision %d", s.Revision())
	}
	v := b.View()
	defer v.Close()
	if _, _, ok := v.GetRevision(backend.Revision{Main: 1000}); !ok {
		t.Fatal("compaction took the empty row, which etcd keeps")
	}
}

// TestDamagedRows: a row that does not belong to its revision is one clear error.
func TestDamagedRows(t *testing.T) {
	for name, value := range map[string][]byte{
		"garbage":        {0xff, 0xff, 0xff},
		"wrong revision": (&keyValue{key: []byte("k"), create: 2, mod: 7, version: 1}).encode(),
		"no key":         (&keyValue{create: 2, mod: 2, version: 1}).encode(),
	} {
		t.Run(name, func(t *testing.T) {
			b, err := backend.Open(backend.Options{Path: filepath.Join(t.TempDir(), "db")})
			check(t, err)
			b.PutRevision(backend.Revision{Main: 2}, false, value)
			b.Commit(backend.Applied{Index: 1, Term: 1})
			if _, err := Open(b, Options{}); err == nil || !bytes.Contains([]byte(err.Error()), []byte("restore the member")) {
				t.Fatalf("got %v", err)
			}
			check(t, b.Close())
		})
	}
}

func TestRangeEndsWithContext(t *testing.T) {
	s, _ := newStore(t, "", Options{})
	s.chunkKeys = 2
	for i := range 10 {
		put(s, fmt.Sprint(i), "v")
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := s.Range(ctx, []byte{0}, []byte{0}, RangeOptions{}, func([]byte) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if len(s.pins.count) != 0 {
		t.Fatal("a pin was left behind")
	}
}

// TestCompactionWaitsForPinnedReader: a read at head that began before a compaction ends with what it began with.
func TestCompactionWaitsForPinnedReader(t *testing.T) {
	s, b := newStore(t, "", Options{})
	s.chunkKeys = 2
	for i := range 10 {
		put(s, fmt.Sprintf("k%d", i), "old")
	}
	var done <-chan struct{}
	n := 0
	info, err := s.Range(context.Background(), []byte("k"), []byte("l"), RangeOptions{}, func(raw []byte) error {
		if n++; n == 1 {
			for i := range 10 {
				put(s, fmt.Sprintf("k%d", i), "new")
			}
			var err error
			if done, err = s.Compact(s.Revision()); err != nil {
				return err
			}
			b.Commit(backend.Applied{Index: 1, Term: 1})
			check(t, b.Flush())
		}
		if string(Value(raw)) != "old" {
			return fmt.Errorf("found %q", Value(raw))
		}
		return nil
	})
	check(t, err)
	if info.Count != 10 || n != 10 {
		t.Fatalf("%d of %d keys", n, info.Count)
	}
	wait(t, done)
}

// TestConcurrentReaders: readers at head see whole transactions and never a compaction, whatever goes on beside them.
func TestConcurrentReaders(t *testing.T) {
	b, err := backend.Open(backend.Options{Path: filepath.Join(t.TempDir(), "db"), BatchInterval: time.Millisecond, MmapBytes: 1 << 20})
	check(t, err)
	s, err := Open(b, Options{CompactionBatch: 50, CompactionPause: time.Millisecond})
	check(t, err)
	s.chunkKeys, s.rowsPerView = 16, 64
	const keys = 40
	ctx, cancel := context.WithCancel(context.Background())
	index := uint64(0)
	write := func(i int) {
		txn := s.Begin()
		if e, ok := txn.Get([]byte("k00")); ok && len(Value(txn.Raw(e))) == 0 {
			t.Error("an empty value")
		}
		for k := range keys {
			txn.Put(fmt.Appendf(nil, "k%02d", k), fmt.Append(nil, i), 0)
		}
		txn.Put(fmt.Appendf(nil, "x%d", i), nil, 0)
		txn.DeleteRange(fmt.Appendf(nil, "x%d", i-5), nil)
		txn.End()
		index++
		b.Commit(backend.Applied{Index: index, Term: 1})
	}
	write(0)
	var wg sync.WaitGroup
	reader := func(o RangeOptions) {
		defer wg.Done()
		for ctx.Err() == nil {
			first, n := "", 0
			info, err := s.Range(context.Background(), []byte("k"), []byte("l"), o, func(raw []byte) error {
				kv := mustParse(raw)
				state := fmt.Sprint(kv.mod, string(kv.value))
				if n++; n == 1 {
					first = state
				} else if state != first {
					return fmt.Errorf("a torn transaction: %s and %s", first, state)
				}
				return nil
			})
			if err != nil || n != keys || info.Count != keys {
				t.Errorf("read %d, count %d: %v", n, info.Count, err)
				return
			}
		}
	}
	for _, o := range []RangeOptions{{}, {KeysOnly: true}, {Order: Descend}, {Target: ByValue}} {
		wg.Add(1)
		go reader(o)
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := s.HashKV(0); err != nil {
				t.Error(err)
			}
		}
	})
	for i := 1; i < 300; i++ {
		write(i)
		if i%20 == 0 {
			if _, err := s.Compact(s.Revision() - int64(i%3)); err != nil {
				t.Error(err)
			}
		}
	}
	cancel()
	wg.Wait()
	b.Commit(backend.Applied{Index: index + 1, Term: 1})
	s.Close()
	check(t, b.Close())
}

// TestCompactionHashes are kept for the last ten compactions of the process.
func TestCompactionHashes(t *testing.T) {
	s, b := newStore(t, "", Options{})
	for i := range 12 {
		put(s, "a", fmt.Sprint(i))
		rev := s.Revision()
		before, err := s.HashKV(rev)
		check(t, err)
		done, err := s.Compact(rev)
		check(t, err)
		b.Commit(backend.Applied{Index: uint64(i + 1), Term: 1})
		wait(t, done)
		after, err := s.HashKV(rev)
		check(t, err)
		if after != before {
			t.Fatalf("hash %+v, before compaction %+v", after, before)
		}
	}
	if n := len(s.CompactionHashes()); n != keptHashes {
		t.Fatalf("%d hashes kept", n)
	}
}

// TestHashOfTheHeadBehindACompactionOfNothing: 0 asks for the head, also when revision 0 was compacted and its hash is kept.
// A member that answered with the hash of nothing would agree with any other, and hide what the comparison looks for.
func TestHashOfTheHeadBehindACompactionOfNothing(t *testing.T) {
	s, b := newStore(t, "", Options{})
	head := put(s, "a", "1")
	done, err := s.Compact(0)
	check(t, err)
	b.Commit(backend.Applied{Index: 1, Term: 1})
	wait(t, done)
	want, err := s.HashKV(head)
	check(t, err)
	got, err := s.HashKV(0)
	check(t, err)
	if got != want || got.HashRevision != head {
		t.Fatalf("hash at 0 is %+v, at the head %+v", got, want)
	}
}

// TestPutBehindADeleteOfItsOwnTransaction stays through a compaction of their common revision, and through a restart.
func TestPutBehindADeleteOfItsOwnTransaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, b := newStore(t, path, Options{})
	put(s, "d", "old")
	txn := s.Begin()
	txn.DeleteRange([]byte("a"), []byte{0})
	txn.Put([]byte("d"), []byte("new"), 0)
	txn.End()
	rev := s.Revision()
	done, err := s.Compact(rev)
	check(t, err)
	b.Commit(backend.Applied{Index: 1, Term: 1})
	wait(t, done)
	holds := func() {
		t.Helper()
		var kvs [][]byte
		_, err := s.Range(t.Context(), []byte("a"), []byte{0}, RangeOptions{Revision: rev}, func(kv []byte) error {
			kvs = append(kvs, bytes.Clone(kv))
			return nil
		})
		if check(t, err); len(kvs) != 1 || !bytes.Contains(kvs[0], []byte("new")) {
			t.Fatalf("keys are %q", kvs)
		}
	}
	holds()
	s.Close()
	check(t, b.Close())
	s, _ = newStore(t, path, Options{})
	holds()
}
