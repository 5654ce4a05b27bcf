package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"go.etcd.io/bbolt"
)

// holey commits rows of the key bucket and of the small ones, and deletes most of them.
func holey(t *testing.T, b *Backend, rows int64) {
	t.Helper()
	putRows(b, 1, rows)
	for i := range 200 {
		b.Put(Lease, fmt.Appendf(nil, "lease%04d", i), bytes.Repeat([]byte{byte(i)}, 100))
	}
	b.Put(Meta, []byte("storageVersion"), []byte("3.7.0"))
	b.Commit(Applied{Index: uint64(rows + 1), Term: 1})
	b.DeleteLater(Key, revisionKeys(2, rows-rows/10)...)
	check(t, b.FlushLater())
}

func revisionKeys(from, to int64) (keys [][]byte) {
	for i := from; i <= to; i++ {
		keys = append(keys, AppendRevisionKey(nil, Revision{Main: i}, false))
	}
	return keys
}

func hashOf(t *testing.T, b *Backend) uint32 {
	t.Helper()
	h, err := b.Hash(nil)
	check(t, err)
	return h
}

func TestDefragmentKeepsEverything(t *testing.T) {
	w := gomega.NewWithT(t)
	path := filepath.Join(t.TempDir(), "db")
	check(t, open(t, Options{Path: path}).Close())
	foreign, err := bbolt.Open(path, 0o600, nil)
	check(t, err)
	check(t, foreign.Update(func(tx *bbolt.Tx) error { // of a version that we do not know
		in, err := tx.CreateBucket([]byte("foreign"))
		if err != nil {
			return err
		}
		return errors.Join(in.Put([]byte("k"), nil), in.SetSequence(7))
	}))
	check(t, foreign.Close())

	b := open(t, Options{Path: path})
	holey(t, b, 20_000)
	want := hashOf(t, b)
	before, after, err := b.Defragment(t.Context())
	check(t, err)
	w.Expect(hashOf(t, b)).To(gomega.Equal(want))
	w.Expect(after.Bytes).To(gomega.BeNumerically("<", before.Bytes/2))
	w.Expect(after.Bytes - after.InUseBytes).To(gomega.BeNumerically("<", 128<<10))
	w.Expect(b.Size()).To(gomega.Equal(after.Bytes))
	w.Expect(scratchFiles(t, b)).To(gomega.BeEmpty())
	info, err := os.Stat(path)
	check(t, err)
	w.Expect(info.Size()).To(gomega.BeNumerically("<", before.Bytes/2))

	putRows(b, 30_000, 30_500) // the new file takes writes, and they are durable
	check(t, b.Flush())
	want = hashOf(t, b)
	check(t, b.Close())
	b = open(t, Options{Path: path})
	w.Expect(hashOf(t, b)).To(gomega.Equal(want))
	_, after, err = b.Defragment(t.Context()) // once more
	check(t, err)
	w.Expect(hashOf(t, b)).To(gomega.Equal(want))
	check(t, b.Close())
	foreign, err = bbolt.Open(path, 0o600, nil)
	check(t, err)
	check(t, foreign.View(func(tx *bbolt.Tx) error {
		w.Expect(tx.Bucket([]byte("foreign")).Sequence()).To(gomega.BeEquivalentTo(7))
		return nil
	}))
	check(t, foreign.Close())
}

// TestDefragmentDuringEverything defragments again and again while rows are written, removed later and read, snapshots are read
// and hashes taken, and compares with a model. It guards etcd#11613 and etcd#14685.
func TestDefragmentDuringEverything(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { defragmentDuringEverything(t, rand.New(rand.NewPCG(seed, 9))) })
	}
}

func defragmentDuringEverything(t *testing.T, r *rand.Rand) {
	path := filepath.Join(t.TempDir(), "db")
	b := open(t, Options{Path: path, BatchInterval: time.Millisecond})
	m, rev, index := newModel(), int64(0), uint64(0)
	stop, runs := make(chan struct{}), atomic.Int64{}
	var others sync.WaitGroup
	loop := func(f func()) {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	loop(func() {
		if _, _, err := b.Defragment(context.Background()); err != nil {
			t.Error(err)
		}
		runs.Add(1)
	})
	loop(func() {
		if s, err := b.Snapshot(); err != nil {
			t.Error(err)
		} else {
			hashOfCopy(t, s)
			_ = s.Close()
		}
	})
	loop(func() { _ = hashOf(t, b) })
	old := map[int64]bool{} // rows whose removal is ordered or done: views may show them or not
	for step := 0; step < 3000 || runs.Load() < 4; step++ {
		switch r.IntN(10) {
		case 0, 1, 2, 3:
			rev++
			value := strings.Repeat(fmt.Sprint(rev), r.IntN(300))
			b.PutRevision(Revision{Main: rev}, false, []byte(value))
			m.keys[string(AppendRevisionKey(nil, Revision{Main: rev}, false))] = value
		case 4, 5:
			k := fmt.Sprintf("k%02d", r.IntN(60))
			if r.IntN(3) == 0 {
				b.Delete(Lease, []byte(k))
				delete(m.small[Lease], k)
			} else {
				value := fmt.Sprint(r.IntN(1000))
				b.Put(Lease, []byte(k), []byte(value))
				m.small[Lease][k] = value
			}
		case 6, 7:
			index++
			b.Commit(Applied{Index: index, Term: 1})
		case 8:
			for range r.IntN(20) {
				if rev > 50 {
					at := 1 + r.Int64N(rev-40)
					old[at] = true
					delete(m.keys, string(AppendRevisionKey(nil, Revision{Main: at}, false)))
					b.DeleteLater(Key, AppendRevisionKey(nil, Revision{Main: at}, false))
				}
			}
		case 9:
			v := b.View()
			want := m.rows(Key, nil, nil)
			var got []string
			_ = v.Scan(Key, nil, nil, func(k, val []byte) error {
				if at, _, _ := ParseRevisionKey(k); !old[at.Main] {
					got = append(got, string(k)+"="+string(val))
				}
				return nil
			})
			if strings.Join(got, "|") != strings.Join(want, "|") {
				t.Fatalf("step %d: %d rows of the key bucket, want %d", step, len(got), len(want))
			}
			if got, want := viewRows(v, Lease, nil, nil), m.rows(Lease, nil, nil); strings.Join(got, "|") != strings.Join(want, "|") {
				t.Fatalf("step %d: leases %q, want %q", step, got, want)
			}
			v.Close()
		}
	}
	close(stop)
	others.Wait()
	index++
	b.Commit(Applied{Index: index, Term: 1})
	check(t, b.FlushLater())
	want := m.rows(Key, nil, nil)
	check(t, b.Close())
	b = open(t, Options{Path: path})
	v := b.View()
	defer v.Close()
	if got := viewRows(v, Key, nil, nil); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Fatalf("%d rows after reopening, want %d", len(got), len(want))
	}
	if got, _ := b.Applied(); got != index {
		t.Fatalf("applied %d, want %d", got, index)
	}
	t.Logf("defragmented %d times", runs.Load())
}

func TestTwoDefragmentations(t *testing.T) {
	w := gomega.NewWithT(t)
	copying, proceed := make(chan struct{}), make(chan struct{})
	b := open(t, Options{Rename: func(from, to string) error {
		close(copying)
		<-proceed
		return os.Rename(from, to)
	}})
	holey(t, b, 100)
	first := make(chan error, 1)
	go func() {
		_, _, err := b.Defragment(context.Background())
		first <- err
	}()
	<-copying
	_, _, err := b.Defragment(t.Context())
	w.Expect(err).To(gomega.MatchError(ErrDefragmenting))
	close(proceed)
	w.Expect(<-first).To(gomega.Succeed())
}

// TestFailedDefragmentation breaks each step: the error says what and where, nothing is left, and the store goes on.
func TestFailedDefragmentation(t *testing.T) {
	broken := errors.New("broken")
	isTwin := func(name string) bool { return strings.HasPrefix(filepath.Base(name), scratchPrefix) }
	for name, breakIt := range map[string]func(*Options){
		"open": func(o *Options) {
			o.OpenFile = func(name string, flag int, perm os.FileMode) (*os.File, error) {
				if isTwin(name) {
					return nil, broken
				}
				return os.OpenFile(name, flag, perm)
			}
		},
		"first write": func(o *Options) {
			o.OpenFile = func(name string, flag int, perm os.FileMode) (*os.File, error) {
				if isTwin(name) {
					check(t, os.WriteFile(name, nil, 0o600))
					flag = os.O_RDONLY
				}
				return os.OpenFile(name, flag, perm)
			}
		},
		"rename": func(o *Options) { o.Rename = func(string, string) error { return broken } },
	} {
		t.Run(name, func(t *testing.T) {
			w := gomega.NewWithT(t)
			o := Options{Path: filepath.Join(t.TempDir(), "db"), BatchInterval: time.Millisecond, OnFatal: func(err error) { t.Error(err) }}
			check(t, open(t, o).Close())
			breakIt(&o)
			b := open(t, o)
			holey(t, b, 3000)
			want := hashOf(t, b)
			_, _, err := b.Defragment(t.Context())
			w.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(b.o.Path)))
			w.Expect(hashOf(t, b)).To(gomega.Equal(want))
			w.Expect(scratchFiles(t, b)).To(gomega.BeEmpty())
			putRows(b, 5000, 5100)
			check(t, b.Flush())
			_, _, again := b.Defragment(t.Context())
			w.Expect(again).To(gomega.HaveOccurred())
			w.Expect(again).NotTo(gomega.MatchError(ErrDefragmenting))
			check(t, b.Close())
		})
	}
}

// TestUnsyncedDirectoryIsFatal: a crash might bring the old file back, which does not get the next batch.
func TestUnsyncedDirectoryIsFatal(t *testing.T) {
	w := gomega.NewWithT(t)
	broken, fatal := errors.New("broken"), make(chan error, 1)
	path := filepath.Join(t.TempDir(), "db")
	check(t, open(t, Options{Path: path}).Close())
	b, err := Open(Options{Path: path, SyncDir: func(string) error { return broken }, OnFatal: func(err error) { fatal <- err }})
	check(t, err)
	holey(t, b, 100)
	want := hashOf(t, b)
	_, _, err = b.Defragment(t.Context())
	w.Expect(err).To(gomega.MatchError(broken))
	w.Eventually(fatal, "20s").Should(gomega.Receive(gomega.MatchError(broken)))
	b.PutRevision(Revision{Main: 900}, false, nil)
	b.Commit(Applied{Index: 900, Term: 1})
	w.Expect(b.Flush()).NotTo(gomega.Succeed())
	w.Expect(b.Close()).NotTo(gomega.Succeed())
	w.Expect(hashOf(t, open(t, Options{Path: path}))).To(gomega.Equal(want))
}

// TestCloseDuringDefragmentation closes or abandons the backend at any moment of one: what is there afterwards is whole, no
// older than what was durable, and nothing else is left (etcd#20271, etcd#20553).
func TestCloseDuringDefragmentation(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	path := filepath.Join(t.TempDir(), "db")
	next := int64(1)
	for i := range 30 {
		b := open(t, Options{Path: path, BatchInterval: time.Millisecond})
		if i == 0 {
			holey(t, b, 20_000)
			next = 20_100
		}
		ended := make(chan error, 1)
		go func() {
			_, _, err := b.Defragment(context.Background())
			ended <- err
		}()
		for range r.IntN(60) {
			putRows(b, next, next+10)
			next += 20
		}
		durable, _ := b.Durable()
		last := b.lastKey
		if i%2 == 0 {
			check(t, b.Close())
		} else {
			check(t, b.Abandon())
		}
		if err := <-ended; err != nil && !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		if left := scratchFiles(t, b); len(left) > 0 {
			t.Fatalf("left %q", left)
		}
		b = open(t, Options{Path: path})
		if now, _ := b.Durable(); now < durable || (i%2 == 0 && b.lastKey != last) {
			t.Fatalf("durable up to %d, expected %d; last row %v, expected %v", now, durable, b.lastKey, last)
		}
		check(t, b.Close())
	}
}

// TestDefragmentEndsWithItsContext leaves nothing behind.
func TestDefragmentEndsWithItsContext(t *testing.T) {
	b := open(t, Options{})
	holey(t, b, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := b.Defragment(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if left := scratchFiles(t, b); len(left) > 0 {
		t.Fatalf("left %q", left)
	}
}

// TestReadersOutliveTheirFile: what was opened before the swap goes on with what it showed.
func TestReadersOutliveTheirFile(t *testing.T) {
	w := gomega.NewWithT(t)
	b := open(t, Options{})
	b.Put(Lease, []byte("big"), make([]byte, 2*shrinkStepBytes))
	holey(t, b, 5000)
	want := hashOf(t, b)
	old, err := os.Open(b.o.Path)
	check(t, err)
	t.Cleanup(func() { _ = old.Close() })
	size := func() int64 {
		info, err := old.Stat()
		check(t, err)
		return info.Size()
	}
	whole := size()
	v := b.View()
	rows := len(viewRows(v, Key, nil, nil))
	s, err := b.Snapshot()
	check(t, err)
	_, _, err = b.Defragment(t.Context())
	check(t, err)
	putRows(b, 6000, 6100)
	check(t, b.Flush())
	w.Expect(viewRows(v, Key, nil, nil)).To(gomega.HaveLen(rows))
	_, _, ok := v.GetRevision(Revision{Main: 4900})
	w.Expect(ok).To(gomega.BeTrue())
	v.Close()
	w.Expect(hashOfCopy(t, s)).To(gomega.Equal(want))
	w.Expect(size()).To(gomega.Equal(whole), "its space is freed while somebody reads it")
	check(t, s.Close())
	w.Eventually(size, "20s").Should(gomega.BeNumerically("<=", shrinkStepBytes), "its space is freed when nobody does")
}

func TestFilesShrinkBitByBit(t *testing.T) {
	w := gomega.NewWithT(t)
	b := open(t, Options{})
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	check(t, err)
	t.Cleanup(func() { _ = f.Close() })
	size := func() int64 {
		info, err := f.Stat()
		check(t, err)
		return info.Size()
	}
	check(t, f.Truncate(5*shrinkStepBytes/2))
	b.shrinkAway(f)
	w.Expect(size()).To(gomega.BeNumerically("==", shrinkStepBytes/2), "the rest is freed by the close")
	check(t, f.Truncate(1<<40))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.shrinkAway(f)
	}()
	w.Eventually(size, "20s").Should(gomega.BeNumerically("<", 1<<40))
	check(t, b.Close())
	w.Eventually(ended, "20s").Should(gomega.BeClosed(), "a member that ends does not wait for it")
	w.Expect(size()).To(gomega.BeNumerically(">", 1<<39))
}

// TestNoRoomForDefragmentation is refused before anything is written.
func TestNoRoomForDefragmentation(t *testing.T) {
	b := open(t, Options{})
	b.sizeInUse.Store(1 << 60)
	if _, _, err := b.Defragment(t.Context()); !errors.Is(err, errNoRoom) {
		t.Fatal(err)
	}
}
