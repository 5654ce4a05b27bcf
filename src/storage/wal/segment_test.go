package wal

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/pkg/vfs"
)

// filled returns a log of many small segments with one entry per sync.
func filled(t *testing.T, fsys vfs.FS, n uint64) *WAL {
	t.Helper()
	w := create(t, fsys, Options{SegmentBytes: 400})
	for i := uint64(1); i <= n; i++ {
		must(t, w.Append(state(1, 1, i), entries(i, i, 1)), w.Sync())
		if i%4 == 0 {
			must(t, w.AppendSnapshot(mark(i, 1)))
		}
	}
	return w
}

func TestSegments(t *testing.T) {
	g := NewWithT(t)
	mem := vfs.NewMem()
	w := filled(t, mem, 20)
	must(t, w.Close())
	list, err := listSegments("/member/wal", mem)
	must(t, err)
	g.Expect(len(list)).To(BeNumerically(">", 4))
	for i, s := range list {
		g.Expect(s.seq).To(BeEquivalentTo(i))
		info, err := mem.Stat(s.path)
		must(t, err)
		if i+1 < len(list) {
			g.Expect(info.Size()).To(And(BeNumerically(">=", 400), BeNumerically("<", 600)), "cut to its used length")
		}
	}
	g.Expect(read(t, mem, Mark{}).Entries).To(HaveLen(20))

	// Reading from a mark needs only the segments after it.
	for _, s := range list[:2] {
		must(t, mem.Remove(s.path))
	}
	g.Expect(summary(read(t, mem, mark(16, 1)))).To(Equal("{1 1 20} 17/1 18/1 19/1 20/1"))
	_, err = Read("/member/wal", Mark{}, Options{FS: mem})
	g.Expect(err).To(MatchError(ErrMissingSegment))
	must(t, mem.Remove(list[3].path))
	_, err = Marks("/member/wal", Options{FS: mem})
	g.Expect(err).To(MatchError(ErrMissingSegment))
}

// TestSegmentNames: only exact names are segments.
func TestSegmentNames(t *testing.T) {
	g := NewWithT(t)
	s, ok := parseSegment("d", "0000000000000001-00000000000001be.wal")
	g.Expect(ok).To(BeTrue())
	g.Expect(s).To(Equal(segment{filepath.Join("d", "0000000000000001-00000000000001be.wal"), 1, 446}))
	for _, name := range []string{
		"0.tmp", "0000000000000001-00000000000001be.wal.broken", "1-2.wal", "0000000000000001-00000000000001BE.wal",
		"0000000000000001_00000000000001be.wal", "+000000000000001-00000000000001be.wal", ".wal", "",
	} {
		_, ok := parseSegment("d", name)
		g.Expect(ok).To(BeFalse(), name)
	}
}

// TestRelease: Purge deletes what nobody needs any more and nothing else, on a real file system with real locks.
func TestRelease(t *testing.T) {
	for _, fsys := range []vfs.FS{vfs.OS(), vfs.NewMem()} {
		t.Run(fmt.Sprintf("%T", fsys), func(t *testing.T) {
			g := NewWithT(t)
			dir := filepath.Join(t.TempDir(), "member", "wal")
			must(t, fsys.MkdirAll(filepath.Dir(dir), 0o700))
			o := Options{FS: fsys, SegmentBytes: 400}
			w, err := Create(dir, []byte("metadata"), o)
			must(t, err)
			for i := uint64(1); i <= 30; i++ {
				must(t, w.Append(state(1, 1, i), entries(i, i, 1)), w.Sync())
			}
			must(t, w.AppendSnapshot(mark(20, 1)))
			all, err := listSegments(dir, fsys)
			must(t, err)

			g.Expect(Purge(dir, ".wal", 1, o)).To(BeEmpty(), "all are locked")
			g.Expect(Purge(dir, ".wal", 0, o)).To(BeEmpty())
			must(t, w.Release(20))
			g.Expect(Purge(dir, ".wal", len(all)-1, o)).To(Equal([]string{filepath.Base(all[0].path)}))
			removed, err := Purge(dir, ".wal", 1, o)
			must(t, err)
			g.Expect(removed).NotTo(BeEmpty())
			left, err := listSegments(dir, fsys)
			must(t, err)
			g.Expect(left[0].first).To(BeNumerically("<=", 20))
			g.Expect(left[1].first).To(BeNumerically(">", 20))
			must(t, w.Release(1000))
			g.Expect(Purge(dir, ".wal", 1, o)).To(HaveLen(len(left)-1), "the newest one stays locked")
			must(t, w.Close())
		})
	}
}

// TestModes: the log is private to its user.
func TestModes(t *testing.T) {
	g := NewWithT(t)
	dir := filepath.Join(t.TempDir(), "wal")
	must(t, vfs.OS().MkdirAll(dir, 0o700)) // an empty directory made by hand is fine
	w, err := Create(dir, nil, Options{})
	must(t, err)
	info, err := vfs.OS().Stat(dir)
	must(t, err)
	g.Expect(info.Mode().Perm()).To(Equal(fs.FileMode(0o700)))
	g.Eventually(func() string { return strings.Join(names(t, vfs.OS(), dir), " ") }, "20s").
		Should(Equal("0.tmp 0000000000000000-0000000000000000.wal"))
	info, err = vfs.OS().Stat(filepath.Join(dir, "0000000000000000-0000000000000000.wal"))
	must(t, err)
	g.Expect(info.Mode().Perm()).To(Equal(fs.FileMode(0o600)))
	g.Expect(info.Size()).To(BeEquivalentTo(DefaultSegmentBytes))
	must(t, w.Close())
	_, err = Create(filepath.Dir(dir), nil, Options{})
	g.Expect(err).To(MatchError(ContainSubstring("something else than a log")))
}
