package backend

import (
	"os"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// locked is how much memory this process keeps from being swapped out, as the kernel prints it.
func locked(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	check(t, err)
	for line := range strings.Lines(string(raw)) {
		if size, ok := strings.CutPrefix(line, "VmLck:"); ok {
			return strings.TrimSpace(size)
		}
	}
	t.Fatal("the kernel does not tell")
	return ""
}

// mayLock skips the test where this process may not lock so much memory, as in a sandbox.
func mayLock(t *testing.T, bytes int) {
	t.Helper()
	memory, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	check(t, err)
	defer func() { check(t, unix.Munmap(memory)) }()
	if err := unix.Mlock(memory); err != nil {
		t.Skip("this process may not lock its memory: ", err)
	}
}

func TestMlockKeepsTheFileInMemory(t *testing.T) {
	w := gomega.NewWithT(t)
	mayLock(t, 64<<20)
	before := locked(t)
	b, err := Open(Options{Path: t.TempDir() + "/db", Mlock: true})
	check(t, err)
	t.Cleanup(func() { _ = b.Close() })
	w.Expect(locked(t)).NotTo(gomega.Equal(before))
	putRows(b, 1, 2000)
	check(t, b.Flush())
	_, _, err = b.Defragment(t.Context())
	check(t, err)
	w.Expect(locked(t)).NotTo(gomega.Equal(before), "the new file is locked as well")
	check(t, b.Close())
	w.Eventually(func() string { return locked(t) }, "20s").Should(gomega.Equal(before), "the old one is closed when nobody reads it any more")
}

func TestNoSyncSurvivesADefragmentation(t *testing.T) {
	w := gomega.NewWithT(t)
	b := open(t, Options{NoSync: true})
	w.Expect(b.db.NoSync).To(gomega.BeTrue())
	putRows(b, 1, 2000)
	check(t, b.Flush())
	_, _, err := b.Defragment(t.Context())
	check(t, err)
	w.Expect(b.db.NoSync).To(gomega.BeTrue())
	check(t, b.Close())
	again := open(t, Options{Path: b.o.Path})
	w.Expect(again.db.NoSync).To(gomega.BeFalse())
}
