package mvcc

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"quoin.dev/storage/backend"
)

var seeds = flag.Uint64("seeds", 12, "how many random histories to try")

// The slow twin of the store: every change ever made in one list, and each answer computed from it by the text of the rules.

type modelRow struct {
	key, value             string
	main                   int64
	sub                    int32
	create, version, lease int64
	tombstone              bool
}

func (r modelRow) encoded() []byte {
	kv := keyValue{key: []byte(r.key)}
	if !r.tombstone {
		kv = keyValue{key: []byte(r.key), value: []byte(r.value), create: r.create, mod: r.main, version: r.version, lease: r.lease}
	}
	return kv.encode()
}

func (r modelRow) rowKey() []byte {
	return backend.AppendRevisionKey(nil, backend.Revision{Main: r.main, Sub: r.sub}, r.tombstone)
}

type model struct {
	rows               []modelRow // ascending
	current, compacted int64
	stored             map[int64]HashKV // by compactions of this process
}

func newModel() *model { return &model{current: 1, compacted: -1, stored: map[int64]HashKV{}} }

func (m *model) clone() *model {
	c := *m
	c.rows, c.stored = slices.Clone(m.rows), maps.Clone(m.stored)
	return &c
}

// newest maps each key to its newest row up to rev.
func (m *model) newest(rev int64) map[string]modelRow {
	out := map[string]modelRow{}
	for _, r := range m.rows {
		if r.main <= rev {
			out[r.key] = r
		}
	}
	return out
}

func (m *model) alive(key, end []byte, rev int64) (out []modelRow) {
	for k, r := range m.newest(rev) {
		in := k >= string(key) && (k < string(end) || bytes.Equal(end, []byte{0}))
		if len(end) == 0 {
			in = k == string(key)
		}
		if in && !r.tombstone {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b modelRow) int { return cmp.Compare(a.key, b.key) })
	return out
}

func (m *model) put(main int64, sub int32, key, value string, lease int64) {
	r := modelRow{key: key, value: value, main: main, sub: sub, create: main, version: 1, lease: lease}
	if old, ok := m.newest(main)[key]; ok && !old.tombstone {
		r.create, r.version = old.create, old.version+1
	}
	m.rows = append(m.rows, r)
}

func (m *model) del(main int64, sub int32, key, end string) (n int32) {
	for _, r := range m.alive([]byte(key), []byte(end), main) {
		m.rows = append(m.rows, modelRow{key: r.key, main: main, sub: sub + n, tombstone: true})
		n++
	}
	return n
}

func (m *model) compact(rev int64) {
	m.stored[rev] = m.hash(rev)
	newest := m.newest(rev)
	m.compacted = rev
	m.rows = slices.DeleteFunc(m.rows, func(r modelRow) bool {
		if r.main > rev {
			return false
		}
		return newest[r.key] != r || (r.tombstone && r.main != rev) // etcd#18089
	})
}

// hash follows the definition to the letter, over the rows that finished compactions left.
func (m *model) hash(rev int64) HashKV {
	keep := m.newest(rev)
	maps.DeleteFunc(keep, func(_ string, r modelRow) bool { return r.tombstone })
	h := crc32.New(castagnoli)
	h.Write([]byte("key"))
	for _, r := range m.rows {
		if r.main <= rev && (r.main > m.compacted || keep[r.key] == r || len(keep) == 0) && !(r.main == m.compacted && r.tombstone) {
			h.Write(r.rowKey())
			h.Write(r.encoded())
		}
	}
	return HashKV{Hash: h.Sum32(), CompactRevision: m.compacted, HashRevision: rev}
}

func (m *model) rangeOf(key, end []byte, current int64, o RangeOptions) (info RangeInfo, kvs []string, err error) {
	info.Revision = current
	rev := o.Revision
	switch {
	case rev > current:
		return info, nil, ErrFutureRevision
	case rev <= 0:
		rev = current
	case rev < m.compacted:
		return info, nil, ErrCompacted
	}
	rows := m.alive(key, end, rev)
	info.Count = int64(len(rows))
	if o.CountOnly {
		return info, nil, nil
	}
	rows = slices.DeleteFunc(rows, func(r modelRow) bool {
		return (o.MaxModRevision > 0 && r.main > o.MaxModRevision) || (o.MinModRevision > 0 && r.main < o.MinModRevision) ||
			(o.MaxCreateRevision > 0 && r.create > o.MaxCreateRevision) || (o.MinCreateRevision > 0 && r.create < o.MinCreateRevision)
	})
	filtered := o.MinModRevision+o.MaxModRevision+o.MinCreateRevision+o.MaxCreateRevision > 0
	if o.Order == None && !filtered && o.Limit > 0 && int64(len(rows)) > o.Limit {
		rows = rows[:o.Limit+1] // only with an order, or a filter, does etcd look at more
	}
	slices.SortStableFunc(rows, func(a, b modelRow) int {
		if o.Order == Descend {
			a, b = b, a
		}
		switch o.Target {
		case ByVersion:
			return cmp.Compare(a.version, b.version)
		case ByCreate:
			return cmp.Compare(a.create, b.create)
		case ByMod:
			return cmp.Compare(a.main, b.main)
		case ByValue:
			return cmp.Compare(a.value, b.value)
		}
		return cmp.Compare(a.key, b.key)
	})
	if o.Limit > 0 && int64(len(rows)) > o.Limit {
		rows, info.More = rows[:o.Limit], true
	}
	for _, r := range rows {
		if o.KeysOnly {
			r.value = ""
		}
		kvs = append(kvs, string(r.encoded()))
	}
	info.Kvs = len(kvs)
	return info, kvs, nil
}

// twin drives the store and the model with the same operations.
type twin struct {
	t      *testing.T
	r      *rand.Rand
	path   string
	b      *backend.Backend
	s      *Store
	m      *model
	leases *tracker

	index     uint64
	committed map[uint64]*model // the model after each commit
	pending   []<-chan struct{} // compactions
	inTxn     bool
}

func (w *twin) open() {
	var err error
	interval := []time.Duration{time.Millisecond, time.Hour}[w.r.IntN(2)]
	w.b, err = backend.Open(backend.Options{Path: w.path, BatchInterval: interval, MmapBytes: 1 << 20})
	check(w.t, err)
	w.leases = newTracker()
	w.s, err = Open(w.b, Options{Leases: w.leases, CompactionBatch: 7, CompactionPause: time.Microsecond})
	check(w.t, err)
	w.s.chunkKeys, w.s.rowsPerView, w.s.gatherRevisions = 5, 9, 7
	w.pending = nil
	w.m.stored = map[int64]HashKV{}
	w.index, _ = w.b.Applied()
	if w.s.Revision() != w.m.current || w.s.CompactRevision() != w.m.compacted {
		w.t.Fatalf("opened at revision %d, compacted %d; want %d, %d", w.s.Revision(), w.s.CompactRevision(), w.m.current, w.m.compacted)
	}
}

func (w *twin) commit() {
	w.index++
	w.committed[w.index] = w.m.clone()
	w.b.Commit(backend.Applied{Index: w.index, Term: 1})
}

func (w *twin) key() []byte { return fmt.Appendf(nil, "k%02d", w.r.IntN(30)) }

func (w *twin) end(key []byte) []byte {
	switch w.r.IntN(5) {
	case 0:
		return nil
	case 1:
		return []byte{0}
	default:
		return w.key()
	}
}

func (w *twin) options(current int64) RangeOptions {
	r := w.r
	o := RangeOptions{CountOnly: r.IntN(6) == 0, KeysOnly: r.IntN(4) == 0}
	if r.IntN(2) == 0 {
		o.Revision = r.Int64N(current + 3)
	}
	if r.IntN(2) == 0 {
		o.Limit = 1 + r.Int64N(12)
	}
	for _, bound := range []*int64{&o.MinModRevision, &o.MaxModRevision, &o.MinCreateRevision, &o.MaxCreateRevision} {
		if r.IntN(8) == 0 {
			*bound = r.Int64N(current + 1)
		}
	}
	if r.IntN(2) == 0 {
		o.Order, o.Target = SortOrder(r.IntN(3)), SortTarget(r.IntN(5))
	}
	return o
}

type ranging func(ctx context.Context, key, end []byte, o RangeOptions, emit func([]byte) error) (RangeInfo, error)

func (w *twin) compare(do ranging, current int64) {
	w.t.Helper()
	key := w.key()
	end, o := w.end(key), w.options(current)
	var got []string
	var raws [][]byte
	info, err := do(context.Background(), key, end, o, func(kv []byte) error {
		got, raws = append(got, string(kv)), append(raws, kv)
		return nil
	})
	if w.inTxn {
		for i, raw := range raws {
			if string(raw) != got[i] {
				w.t.Fatalf("what a transaction emitted changed from %q to %q", got[i], raw)
			}
		}
	}
	wantInfo, want, wantErr := w.m.rangeOf(key, end, current, o)
	if info != wantInfo || !errors.Is(err, wantErr) || !slices.Equal(got, want) {
		w.t.Fatalf("range [%q,%q) %+v:\n got %+v %v %q\nwant %+v %v %q", key, end, o, info, err, got, wantInfo, wantErr, want)
	}
}

func (w *twin) txn() {
	txn, main, sub := w.s.Begin(), w.m.current+1, int32(0)
	current := func() int64 {
		if sub > 0 {
			return main
		}
		return main - 1
	}
	for range w.r.IntN(5) {
		switch w.r.IntN(5) {
		case 0, 1:
			key, value, lease := w.key(), fmt.Sprint(w.r.IntN(50)), int64(0)
			if w.r.IntN(4) == 0 {
				lease = 1 + w.r.Int64N(3)
			}
			txn.Put(key, []byte(value), lease)
			w.m.put(main, sub, string(key), value, lease)
			sub++
		case 2:
			key := w.key()
			end := w.end(key)
			n := w.m.del(main, sub, string(key), string(end))
			if got := txn.DeleteRange(key, end); got != int64(n) {
				w.t.Fatalf("deleted %d keys of [%q,%q), want %d", got, key, end, n)
			}
			sub += n
		case 3:
			w.inTxn = true
			w.compare(txn.Range, current())
			w.inTxn = false
		case 4:
			key := w.key()
			e, ok := txn.Get(key)
			rows := w.m.alive(key, nil, current())
			if ok != (len(rows) == 1) {
				w.t.Fatalf("get %q: %v, want %v", key, ok, rows)
			}
			if ok && (!bytes.Equal(txn.Raw(e), rows[0].encoded()) || e.Mod != rows[0].main || e.Create != rows[0].create || e.Version != rows[0].version || txn.LeaseOf(e) != rows[0].lease) {
				w.t.Fatalf("get %q: %+v, want %+v", key, e, rows[0])
			}
		}
		if txn.Revision() != current() {
			w.t.Fatalf("revision %d inside, want %d", txn.Revision(), current())
		}
	}
	changes := txn.End()
	w.m.current = current()
	if int32(len(changes)) != sub || w.s.Revision() != w.m.current {
		w.t.Fatalf("%d changes at revision %d, want %d at %d", len(changes), w.s.Revision(), sub, w.m.current)
	}
	for i, c := range changes {
		want := w.m.rows[len(w.m.rows)-len(changes)+i]
		if string(c.Key) != want.key || c.Revision != want.main || c.Sub != want.sub || c.Tombstone != want.tombstone || !bytes.Equal(c.Raw, want.encoded()) {
			w.t.Fatalf("change %+v, want %+v", c, want)
		}
	}
}

func (w *twin) compact() {
	rev := w.r.Int64N(w.m.current+2) - 1
	done, err := w.s.Compact(rev)
	var want error
	if rev <= w.m.compacted {
		want = ErrCompacted
	} else if rev > w.m.current {
		want = ErrFutureRevision
	}
	if !errors.Is(err, want) {
		w.t.Fatalf("compact %d: %v, want %v", rev, err, want)
	}
	if err == nil {
		w.m.compact(rev)
		w.pending = append(w.pending, done)
	}
}

func (w *twin) await() {
	for _, done := range w.pending {
		select {
		case <-done:
		case <-time.After(time.Minute):
			w.t.Fatal("a compaction did not end")
		}
	}
	if len(w.pending) == 0 {
		return
	}
	w.pending = nil
	v := w.b.View()
	defer v.Close()
	rows := w.m.rows
	check(w.t, v.Scan(backend.Key, nil, nil, func(key, value []byte) error {
		if len(rows) == 0 || !bytes.Equal(key, rows[0].rowKey()) || !bytes.Equal(value, rows[0].encoded()) {
			return fmt.Errorf("row %x is not what compaction had to leave", key)
		}
		rows = rows[1:]
		return nil
	}))
	if len(rows) > 0 {
		w.t.Fatalf("compaction removed %+v", rows[0])
	}
}

func (w *twin) hash() {
	rev := w.r.Int64N(w.m.current + 2)
	got, err := w.s.HashKV(rev)
	at := rev
	if at == 0 {
		at = w.m.current
	}
	switch {
	case at > w.m.current:
		if !errors.Is(err, ErrFutureRevision) {
			w.t.Fatalf("hash at %d: %v", rev, err)
		}
		return
	case at < w.m.compacted && errors.Is(err, ErrCompacted):
		return // of two compactions in quick succession only the second takes its hash
	case at < w.m.compacted && w.m.stored[at] == HashKV{}:
		w.t.Fatalf("hash at %d: %+v %v, want %v", rev, got, err, ErrCompacted)
	}
	check(w.t, err)
	want := w.m.hash(at)
	if stored, ok := w.m.stored[at]; ok {
		want = stored
	}
	want.Revision = w.m.current
	if got != want {
		w.t.Fatalf("hash at %d: %+v, want %+v", rev, got, want)
	}
}

func (w *twin) checkLeases() {
	want := map[string]int64{}
	for k, r := range w.m.newest(w.m.current) {
		if !r.tombstone && r.lease != 0 {
			want[k] = r.lease
		}
	}
	if !maps.Equal(w.leases.of, want) {
		w.t.Fatalf("leases %v, want %v", w.leases.of, want)
	}
}

// reopen ends the process in one of three ways; after a crash the model goes back to what the file covers.
func (w *twin) reopen() {
	crash := w.r.IntN(2) == 0
	if !crash {
		w.commit()
	}
	w.s.Close()
	if crash {
		check(w.t, w.b.Abandon())
	} else {
		check(w.t, w.b.Close())
	}
	b, err := backend.Open(backend.Options{Path: w.path, ReadOnly: true})
	check(w.t, err)
	index, _ := b.Applied()
	check(w.t, b.Close())
	w.m = newModel()
	if index > 0 {
		w.m = w.committed[index].clone()
	}
	w.open()
}

// TestStoreAgainstModel guards, besides the rules, etcd#8127 (index rebuilt wrongly), etcd#17780 (revision going back),
// etcd#18089 (tombstone at the compact revision) and etcd#22209 (lease of a keys-only range).
func TestStoreAgainstModel(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &twin{t: t, r: rand.New(rand.NewPCG(seed, 7)), path: filepath.Join(t.TempDir(), "db"), m: newModel(), committed: map[uint64]*model{}}
			w.open()
			for range 700 {
				switch n := w.r.IntN(20); {
				case n < 8:
					w.txn()
				case n < 14:
					w.compare(w.s.Range, w.m.current)
				case n < 16:
					w.commit()
				case n < 17:
					w.hash()
				case n < 18:
					if w.r.IntN(3) == 0 {
						w.compact()
					}
				case n < 19:
					w.commit()
					if w.r.IntN(2) == 0 {
						w.await()
					} else {
						check(t, w.b.Flush())
					}
					w.checkLeases()
				case w.r.IntN(5) == 0:
					w.reopen()
				}
			}
			w.s.Close()
			check(t, w.b.Close())
		})
	}
}
