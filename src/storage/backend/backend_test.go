package backend

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"go.etcd.io/raft/v3/raftpb"
)

func open(t testing.TB, o Options) *Backend {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "db")
	}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// model is the slow twin: plain maps.
type model struct {
	small [bucketCount]map[string]string
	keys  map[string]string
}

func newModel() *model {
	m := &model{keys: map[string]string{}}
	for i := range m.small {
		m.small[i] = map[string]string{}
	}
	return m
}

func (m *model) clone() *model {
	c := newModel()
	for i := range m.small {
		for k, v := range m.small[i] {
			c.small[i][k] = v
		}
	}
	for k, v := range m.keys {
		c.keys[k] = v
	}
	return c
}

func (m *model) rows(b Bucket, from, to []byte) (out []string) {
	src := m.small[b]
	if b == Key {
		src = m.keys
	}
	for k, v := range src {
		if k >= string(from) && (to == nil || k < string(to)) {
			out = append(out, k+"="+v)
		}
	}
	slices.Sort(out)
	return out
}

func viewRows(v *View, b Bucket, from, to []byte) (out []string) {
	_ = v.Scan(b, from, to, func(k, val []byte) error {
		out = append(out, string(k)+"="+string(val))
		return nil
	})
	return out
}

// TestTableAgainstModel holds the table and the file together with plain maps, through flushes, views that stay open
// and reopening. It guards etcd#17158 (a deletion must hide the row in the file) and etcd#21986 (the newest of two
// changes of one key in one batch wins).
func TestTableAgainstModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { tableAgainstModel(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func tableAgainstModel(t *testing.T, r *rand.Rand) {
	path := filepath.Join(t.TempDir(), "db")
	b := open(t, Options{Path: path, BatchInterval: time.Millisecond})
	m, rev := newModel(), int64(1)
	type old struct {
		v *View
		m *model
	}
	var olds []old
	compare := func(v *View, m *model) {
		t.Helper()
		for _, bucket := range []Bucket{Key, Lease, AuthUsers} {
			from, to := []byte(fmt.Sprintf("k%02d", r.IntN(40))), []byte(nil)
			if r.IntN(2) == 0 {
				to = []byte(fmt.Sprintf("k%02d", r.IntN(40)))
			}
			if bucket == Key {
				from, to = AppendRevisionKey(nil, Revision{Main: r.Int64N(rev + 1)}, false), nil
			}
			if got, want := viewRows(v, bucket, from, to), m.rows(bucket, from, to); !slices.Equal(got, want) {
				t.Fatalf("bucket %v [%q,%q):\n got %q\nwant %q", bucket.Name(), from, to, got, want)
			}
		}
		for range 5 {
			k := fmt.Sprintf("k%02d", r.IntN(40))
			want, ok := m.small[Lease][k]
			if got := v.Get(Lease, []byte(k)); string(got) != want || (got != nil) != ok {
				t.Fatalf("lease %s: got %q want %q %v", k, got, want, ok)
			}
			at := Revision{Main: 1 + r.Int64N(rev), Sub: int32(r.IntN(3))}
			got, tomb, found := v.GetRevision(at)
			want, ok = m.keys[string(AppendRevisionKey(nil, at, tomb))]
			if string(got) != want || found != ok {
				t.Fatalf("row %v: got %q %v want %q %v", at, got, found, want, ok)
			}
		}
	}
	index := uint64(0)
	commit := func() { index++; b.Commit(Applied{Index: index, Term: 1}) }
	for range 1500 {
		switch r.IntN(12) {
		case 0, 1, 2, 3:
			rev++
			for sub := range r.IntN(3) + 1 {
				tomb, val := r.IntN(4) == 0, fmt.Sprintf("v%d", r.IntN(1000))
				at := Revision{Main: rev, Sub: int32(sub)}
				b.PutRevision(at, tomb, []byte(val))
				m.keys[string(AppendRevisionKey(nil, at, tomb))] = val
			}
		case 4, 5, 6:
			bucket, k := []Bucket{Lease, AuthUsers}[r.IntN(2)], fmt.Sprintf("k%02d", r.IntN(40))
			if r.IntN(3) == 0 {
				b.Delete(bucket, []byte(k))
				delete(m.small[bucket], k)
			} else {
				v := fmt.Sprintf("v%d", r.IntN(1000))
				b.Put(bucket, []byte(k), []byte(v))
				m.small[bucket][k] = v
			}
		case 7:
			commit()
		case 8:
			if r.IntN(4) == 0 {
				check(t, b.Flush())
			}
		case 9:
			v := b.View()
			compare(v, m)
			v.Close()
		case 10:
			if len(olds) < 3 {
				olds = append(olds, old{b.View(), m.clone()})
			}
		case 11:
			if len(olds) > 0 {
				o := olds[0]
				compare(o.v, o.m)
				if r.IntN(2) == 0 {
					o.v.Close()
					olds = olds[1:]
				}
			}
			if len(olds) == 0 && r.IntN(5) == 0 {
				commit()
				check(t, b.Close())
				b = open(t, Options{Path: path, BatchInterval: time.Millisecond})
				if got, _ := b.Applied(); got != index {
					t.Fatalf("applied %d after reopening, want %d", got, index)
				}
			}
		}
	}
	for _, o := range olds {
		compare(o.v, o.m)
		o.v.Close()
	}
}

// TestUncommittedIsNotWritten guards etcd#13766 and etcd#14685: data and consistent index are never apart.
func TestUncommittedIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	b := open(t, Options{Path: path, BatchInterval: time.Hour})
	cs := &raftpb.ConfState{Voters: []uint64{7, 9}, AutoLeave: new(false)}
	b.Put(Lease, []byte("a"), []byte("1"))
	b.Commit(Applied{Index: 5, Term: 2, ConfState: cs})
	b.Put(Lease, []byte("b"), []byte("2"))
	if index, _ := b.Durable(); index != 0 {
		t.Fatalf("durable up to %d before any flush", index)
	}
	check(t, b.Flush())
	if index, _ := b.Durable(); index != 5 {
		t.Fatalf("durable up to %d", index)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	data, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(copied, data, 0o600))
	c := open(t, Options{Path: copied, ReadOnly: true})
	v := c.View()
	defer v.Close()
	a, err := v.Applied()
	check(t, err)
	if a.Index != 5 || a.Term != 2 || !slices.Equal(a.ConfState.GetVoters(), cs.GetVoters()) {
		t.Fatalf("applied %+v", a)
	}
	if got := string(v.Get(Meta, []byte("confState"))); got != `{"voters":[7,9],"auto_leave":false}` {
		t.Fatalf("confState %s", got)
	}
	if got := viewRows(v, Lease, nil, nil); !slices.Equal(got, []string{"a=1"}) {
		t.Fatalf("rows %q: expected whole batches only", got)
	}
}

func TestIdleWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	b := open(t, Options{Path: path, BatchInterval: time.Millisecond})
	b.Put(Lease, []byte("a"), nil)
	b.Commit(Applied{Index: 1, Term: 1})
	check(t, b.Flush())
	flushes := 0
	b.beforeWrite = func() { flushes++ }
	b.Commit(Applied{})
	check(t, b.Flush())
	check(t, b.Close())
	if flushes != 0 {
		t.Fatalf("%d transactions written while nothing was committed", flushes)
	}
}

// TestStalledDisk holds a flush in its tracks: writers and readers go on until the table is full, and no further.
func TestStalledDisk(t *testing.T) {
	b := open(t, Options{BatchInterval: time.Millisecond, PendingBytes: 1 << 20})
	gate := make(chan struct{})
	var once sync.Once
	release := func() { once.Do(func() { close(gate) }) }
	t.Cleanup(release)
	b.beforeWrite = func() { <-gate }
	var written atomic.Int64
	blocked := make(chan struct{})
	go func() {
		defer close(blocked)
		for i := int64(1); i <= 64; i++ {
			b.PutRevision(Revision{Main: i}, false, make([]byte, 64<<10))
			written.Store(i)
			b.Commit(Applied{Index: uint64(i), Term: 1})
		}
	}()
	gomega.NewWithT(t).Eventually(written.Load, 20*time.Second, time.Millisecond).Should(gomega.BeNumerically(">=", 16))
	v := b.View()
	if _, _, ok := v.GetRevision(Revision{Main: 10}); !ok {
		t.Fatal("a row is invisible while its flush is stalled")
	}
	v.Close()
	b.mu.RLock()
	pending := b.active.bytes + b.flushingB
	b.mu.RUnlock()
	if pending > 1<<20+128<<10 {
		t.Fatalf("%d bytes pending, bound is 1 MiB and one batch", pending)
	}
	release()
	<-blocked
	check(t, b.Flush())
}

func TestDeleteLaterFollowsItsBatch(t *testing.T) {
	b := open(t, Options{BatchInterval: time.Hour})
	for i := int64(1); i <= 3; i++ {
		b.PutRevision(Revision{Main: i}, i == 2, []byte("x"))
	}
	b.Commit(Applied{Index: 1, Term: 1})
	b.Put(Meta, []byte("announcement"), []byte("1"))
	b.DeleteLater(Key, AppendRevisionKey(nil, Revision{Main: 2}, false), AppendRevisionKey(nil, Revision{Main: 1}, false))
	b.PutLater(Meta, []byte("finished"), []byte("1"))
	check(t, b.Flush())
	rows := func() (n int) {
		v := b.View()
		defer v.Close()
		return len(viewRows(v, Key, nil, nil))
	}
	if rows() != 3 {
		t.Fatal("rows were removed before the batch that announces it was in the file") // etcd#17780
	}
	b.Commit(Applied{Index: 2, Term: 1})
	check(t, b.FlushLater())
	v := b.View()
	defer v.Close()
	if got := viewRows(v, Key, nil, nil); len(got) != 1 || v.Get(Meta, []byte("finished")) == nil {
		t.Fatalf("rows %q", got)
	}
}

// TestGrowingMap starts with a tiny map, so that flushes outgrow it while readers come and go.
func TestGrowingMap(t *testing.T) {
	b := open(t, Options{BatchInterval: time.Millisecond, MmapBytes: 1 << 15})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v := b.View()
				v.GetRevision(Revision{Main: 3})
				v.Close()
			}
		})
	}
	value := bytes.Repeat([]byte("v"), 10<<10)
	for i := int64(1); i <= 4000; i++ {
		b.PutRevision(Revision{Main: i}, false, value)
		b.Commit(Applied{Index: uint64(i), Term: 1})
	}
	check(t, b.Flush())
	close(stop)
	wg.Wait()
	if b.Size() < 40<<20 {
		t.Fatalf("size %d", b.Size())
	}
}

func TestSnapshotAndHash(t *testing.T) {
	b := open(t, Options{})
	b.Put(Cluster, []byte("clusterVersion"), []byte("3.7.0"))
	b.PutRevision(Revision{Main: 2}, false, []byte("row"))
	b.Commit(Applied{Index: 3, Term: 1})
	want, err := b.Hash(nil)
	check(t, err)
	s, err := b.Snapshot()
	check(t, err)
	var buf bytes.Buffer
	n, err := io.Copy(&buf, s)
	check(t, err)
	if n != s.Size() || s.Applied().Index != 3 {
		t.Fatalf("wrote %d of %d bytes at index %d", n, s.Size(), s.Applied().Index)
	}
	check(t, s.Close())
	path := filepath.Join(t.TempDir(), "restored")
	check(t, os.WriteFile(path, buf.Bytes(), 0o600))
	c := open(t, Options{Path: path, ReadOnly: true})
	got, err := c.Hash(nil)
	check(t, err)
	if got != want {
		t.Fatalf("hash %x, want %x", got, want)
	}
}

func TestLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	open(t, Options{Path: path})
	_, err := Open(Options{Path: path})
	if !errors.Is(err, ErrLocked) || !bytes.Contains([]byte(err.Error()), []byte(path)) {
		t.Fatalf("got %v", err)
	}
}

func TestFailedFlushIsFatal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	check(t, open(t, Options{Path: path}).Close())
	fatal := make(chan error, 1)
	var file *os.File
	b, err := Open(Options{
		Path: path, BatchInterval: time.Millisecond, OnFatal: func(err error) { fatal <- err },
		OpenFile: func(name string, flag int, perm os.FileMode) (f *os.File, err error) {
			file, err = os.OpenFile(name, flag, perm)
			return file, err
		},
	})
	check(t, err)
	check(t, file.Close()) // nothing can be written any more
	b.Put(Lease, []byte("a"), []byte("1"))
	b.Commit(Applied{Index: 1, Term: 1})
	select {
	case <-fatal:
	case <-time.After(20 * time.Second):
		t.Fatal("no callback")
	}
	if b.Flush() == nil {
		t.Fatal("a flush after a failed one succeeded")
	}
	b.Commit(Applied{Index: 2, Term: 1}) // must not hang
	v := b.View()
	if string(v.Get(Lease, []byte("a"))) != "1" {
		t.Fatal("readers lost a row")
	}
	v.Close()
	if b.Close() == nil {
		t.Fatal("Close hid the failure")
	}
}

// TestDamagedFiles cuts and flips bits all over a file: Open answers with one error or opens it, and never panics.
func TestDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "db")
	b := open(t, Options{Path: path})
	for i := int64(1); i <= 600; i++ {
		b.PutRevision(Revision{Main: i}, i%7 == 0, bytes.Repeat([]byte{byte(i)}, int(i)))
		b.Put(Lease, []byte(fmt.Sprint(i)), []byte("lease"))
	}
	b.Put(Key, AppendRevisionKey(nil, Revision{Main: 601}, false), make([]byte, 20000))
	b.Commit(Applied{Index: 1, Term: 1})
	check(t, b.Flush())
	size := b.Size()
	check(t, b.Close())
	whole, err := os.ReadFile(path)
	check(t, err)
	whole = whole[:size] // bbolt preallocates behind that
	try := func(data []byte) error {
		p := filepath.Join(dir, "damaged")
		check(t, os.WriteFile(p, data, 0o600))
		b, err := Open(Options{Path: p, MmapBytes: 1 << 20})
		if err != nil {
			if !errors.Is(err, ErrCorrupt) || !bytes.Contains([]byte(err.Error()), []byte(p)) {
				t.Fatalf("unclear error %v", err)
			}
			if after, _ := os.ReadFile(p); !bytes.Equal(after, data) {
				t.Fatal("the damaged file was changed")
			}
			return err
		}
		v := b.View()
		for i := Bucket(0); i < bucketCount; i++ {
			viewRows(v, i, nil, nil)
		}
		v.Close()
		return b.Close()
	}
	for _, n := range []int{1, 100, 4096, 8192, len(whole) / 4, len(whole) / 2} {
		if try(whole[:n]) == nil {
			t.Errorf("a file cut to %d of %d bytes opened", n, len(whole))
		}
	}
	if try(bytes.Repeat([]byte("not a database "), 1000)) == nil {
		t.Error("a text file opened")
	}
	r, refused := rand.New(rand.NewPCG(1, 2)), 0
	for range 300 {
		data := bytes.Clone(whole)
		at := r.IntN(len(data))
		if r.IntN(2) == 0 {
			at = at&^4095 + r.IntN(200) // page heads
		}
		data[at] ^= 1 << r.IntN(8)
		if try(data) != nil {
			refused++
		}
	}
	t.Logf("%d of 300 flipped bits were noticed", refused)
	if refused == 0 {
		t.Error("no flipped bit was noticed")
	}
}

func BenchmarkPutRevision(b *testing.B) {
	be := open(b, Options{})
	value := make([]byte, 256)
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		be.PutRevision(Revision{Main: int64(i)}, false, value)
		be.Commit(Applied{Index: uint64(i), Term: 1})
	}
}

func BenchmarkViewGet(b *testing.B) {
	be := open(b, Options{})
	for i := int64(1); i <= 10000; i++ {
		be.PutRevision(Revision{Main: i}, false, make([]byte, 256))
	}
	be.Commit(Applied{Index: 1, Term: 1})
	check(b, be.Flush())
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		v := be.View()
		if _, _, ok := v.GetRevision(Revision{Main: int64(i*7919)%10000 + 1}); !ok {
			b.Fatal("missing")
		}
		v.Close()
	}
}

func BenchmarkOpenMillion(b *testing.B) {
	path := filepath.Join(b.TempDir(), "db")
	be := open(b, Options{Path: path})
	for i := int64(1); i <= 1_000_000; i++ {
		be.PutRevision(Revision{Main: i}, false, make([]byte, 256))
		if i%1000 == 0 {
			be.Commit(Applied{Index: uint64(i), Term: 1})
		}
	}
	check(b, be.Close())
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			be, err := Open(Options{Path: path})
			check(b, err)
			check(b, be.Abandon())
		}
	})
	b.Run("verify", func(b *testing.B) {
		f, err := os.Open(path)
		check(b, err)
		defer f.Close()
		info, err := f.Stat()
		check(b, err)
		for b.Loop() {
			check(b, verify(f, info.Size()))
		}
	})
}
