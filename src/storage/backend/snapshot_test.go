package backend

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// putRows commits rows of the key bucket from a revision on, which differ in length and content.
func putRows(b *Backend, from, to int64) {
	for i := from; i <= to; i++ {
		b.PutRevision(Revision{Main: i}, false, bytes.Repeat([]byte{byte(i), byte(i >> 8)}, int(500+i%300)))
		b.Commit(Applied{Index: uint64(i), Term: 1})
	}
}

func openSnapshots(b *Backend) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.snapshots)
}

// hashOfCopy is the hash of a database in a stream.
func hashOfCopy(t *testing.T, r io.Reader) uint32 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	f, err := os.Create(path)
	check(t, err)
	_, err = io.Copy(f, r)
	check(t, err)
	check(t, f.Close())
	c := open(t, Options{Path: path, ReadOnly: true})
	hash, err := c.Hash(nil)
	check(t, err)
	check(t, c.Close())
	return hash
}

func scratchFiles(t *testing.T, b *Backend) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(b.o.Path), scratchPrefix+"*"))
	check(t, err)
	return names
}

// TestSlowReaderDoesNotHoldTheFile reads a part of a snapshot and waits, while the store is written: the file must not keep
// the pages of the snapshot for long, and the reader must not notice.
func TestSlowReaderDoesNotHoldTheFile(t *testing.T) {
	for name, read := range map[string]int64{"nothing": 0, "half of the first page": 2000, "a part": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			w := gomega.NewWithT(t)
			b := open(t, Options{BatchInterval: time.Millisecond, SnapshotSlackBytes: 1 << 20})
			putRows(b, 1, 3000)
			want, err := b.Hash(nil)
			check(t, err)
			s, err := b.Snapshot()
			check(t, err)
			defer s.Close()
			var got bytes.Buffer
			_, err = io.CopyN(&got, s, read)
			check(t, err)
			for i := int64(3001); openSnapshots(b) > 0 && i < 60_000; i += 1000 {
				putRows(b, i, i+999)
				check(t, b.Flush())
			}
			w.Eventually(func() int { return openSnapshots(b) }, "20s").Should(gomega.BeZero())
			_, err = io.Copy(&got, s)
			check(t, err)
			w.Expect(int64(got.Len())).To(gomega.Equal(s.Size()))
			w.Expect(hashOfCopy(t, &got)).To(gomega.Equal(want))
			check(t, s.Close())
			w.Expect(scratchFiles(t, b)).To(gomega.BeEmpty())
		})
	}
}

// TestReaderThatKeepsUpCopiesNothing: the file did not grow beyond the slack, so nothing is set aside.
func TestReaderThatKeepsUpCopiesNothing(t *testing.T) {
	b := open(t, Options{BatchInterval: time.Millisecond})
	putRows(b, 1, 1000)
	s, err := b.Snapshot()
	check(t, err)
	putRows(b, 1001, 2000)
	check(t, b.Flush())
	if openSnapshots(b) != 1 {
		t.Fatal("the snapshot was set aside for nothing")
	}
	check(t, s.Close())
	check(t, s.Close())
	if openSnapshots(b) != 0 {
		t.Fatal("a closed snapshot holds pages")
	}
	if _, err := s.Read(make([]byte, 1)); err == nil {
		t.Fatal("a closed snapshot can be read")
	}
}

// TestGrowingMapWaitsForNoReader: bbolt moves its map only when nobody looks at it. A reader that never goes on must not stop
// the flusher, and with it all writes.
func TestGrowingMapWaitsForNoReader(t *testing.T) {
	b, err := Open(Options{Path: filepath.Join(t.TempDir(), "db"), BatchInterval: time.Millisecond, MmapBytes: 1 << 15})
	check(t, err)
	putRows(b, 1, 500)
	s, err := b.Snapshot()
	check(t, err)
	done := make(chan error, 1)
	go func() {
		putRows(b, 501, 20_000)
		done <- b.Flush()
	}()
	select {
	case err := <-done:
		check(t, err)
	case <-time.After(3 * time.Minute):
		t.Fatal("writes wait for a reader that does nothing")
	}
	check(t, s.Close())
	check(t, b.Close())
}

// TestNoRoomForASlowReader: the snapshot fails, with the reason; the store does not.
func TestNoRoomForASlowReader(t *testing.T) {
	w := gomega.NewWithT(t)
	path := filepath.Join(t.TempDir(), "db")
	check(t, open(t, Options{Path: path}).Close())
	b := open(t, Options{
		Path: path, BatchInterval: time.Millisecond, SnapshotSlackBytes: 1 << 20,
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, perm)
			if err == nil && strings.HasPrefix(filepath.Base(name), scratchPrefix) {
				check(t, f.Close())
				return os.Open(name)
			}
			return f, err
		},
	})
	putRows(b, 1, 1000)
	s, err := b.Snapshot()
	check(t, err)
	defer s.Close()
	for i := int64(1001); openSnapshots(b) > 0 && i < 60_000; i += 1000 {
		putRows(b, i, i+999)
		check(t, b.Flush())
	}
	w.Eventually(func() int { return openSnapshots(b) }, "20s").Should(gomega.BeZero())
	_, err = io.Copy(io.Discard, s)
	w.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("make room on the disk")))
	w.Expect(scratchFiles(t, b)).To(gomega.BeEmpty())
	putRows(b, 70_000, 70_010)
	check(t, b.Flush())
}

// TestSnapshotClosedWhileItIsSetAside closes at any moment of the copying.
func TestSnapshotClosedWhileItIsSetAside(t *testing.T) {
	w := gomega.NewWithT(t)
	b := open(t, Options{BatchInterval: time.Millisecond, SnapshotSlackBytes: 1})
	putRows(b, 1, 2000)
	for i := int64(2001); i < 2400; i += 20 {
		s, err := b.Snapshot()
		check(t, err)
		go putRows(b, i, i+19)
		_, err = io.CopyN(io.Discard, s, 64<<10)
		check(t, err)
		check(t, s.Close())
		w.Eventually(func() uint64 { index, _ := b.Applied(); return index }, "20s").Should(gomega.BeNumerically("==", i+19))
	}
	w.Eventually(func() []string { return scratchFiles(t, b) }, "20s").Should(gomega.BeEmpty())
	w.Expect(openSnapshots(b)).To(gomega.BeZero())
	check(t, b.Close())
}
