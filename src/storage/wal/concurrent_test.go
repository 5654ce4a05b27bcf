package wal

import (
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/pkg/vfs"
)

// TestSnapshotsBesideAppends: marks, releases and purges come from another goroutine than appends.
func TestSnapshotsBesideAppends(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	o := Options{FS: mem, SegmentBytes: 4000}
	w := create(t, mem, o)
	var committed atomic.Uint64
	var done atomic.Bool
	var newest Mark
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() || newest.Index < committed.Load() {
			index := committed.Load()
			if index == newest.Index {
				continue
			}
			newest = mark(index, 1)
			if err := w.AppendSnapshot(newest); err != nil {
				t.Error(err)
				return
			}
			if err := w.Release(index); err != nil {
				t.Error(err)
				return
			}
			if _, err := Purge("/member/wal", segmentSuffix, 2, o); err != nil {
				t.Error(err)
				return
			}
		}
	})
	const last = 500
	for i := uint64(1); i <= last; i++ {
		must(t, w.Append(state(1, 1, i), entries(i, i, 1)), w.Sync())
		committed.Store(i)
	}
	must(t, w.Append(nil, entries(last+1, last+3, 1)), w.Sync())
	done.Store(true)
	wg.Wait()
	must(t, w.Close())
	marks, err := Marks("/member/wal", o)
	must(t, err)
	g.Expect(marks[len(marks)-1].Index).To(BeEquivalentTo(last))
	g.Expect(read(t, mem, newest).Entries).To(HaveLen(3))
	g.Expect(len(names(t, mem, "/member/wal"))).To(BeNumerically("<=", 3))
}
