package diskfault

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func (b *bench) write(path string, at int64, data string) {
	b.t.Helper()
	b.change(path, func(c *content) error { _, err := c.write([]byte(data), at); return err })
}

func (b *bench) expect(want map[string]string) {
	b.t.Helper()
	if got := b.files(); !maps.Equal(got, want) {
		b.t.Errorf("the disk holds %q, expected %q", got, want)
	}
}

func TestNameNeedsASyncOfItsDirectory(t *testing.T) {
	b := newBench(t, 1, 1<<30)
	b.create("a")
	b.write("a", 0, "text")
	b.syncFile("a")
	b.create("b")
	b.write("b", 0, "text")
	b.cut(Loss{})
	b.expect(map[string]string{})
	b.create("b")
	b.write("b", 0, "text")
	b.syncDir("")
	b.cut(Loss{})
	b.expect(map[string]string{"b": ""})
}

func TestReplacedFileComesBack(t *testing.T) {
	b := newBench(t, 1, 1<<30)
	for _, name := range []string{"old", "new"} {
		b.create(name)
		b.write(name, 0, name)
		b.syncFile(name)
	}
	b.syncDir("")
	b.rename("new", "old")
	b.expect(map[string]string{"old": "new"})
	b.cut(Loss{})
	b.expect(map[string]string{"old": "old", "new": "new"})
}

func TestRenameBetweenDirectoriesIsOneChange(t *testing.T) {
	for _, synced := range []string{"", "from", "to"} {
		b := newBench(t, 1, 1<<30)
		b.mkdir("from")
		b.mkdir("to")
		b.syncDir("")
		b.create("from/a")
		b.syncDir("from")
		b.rename("from/a", "to/b")
		if synced == "" {
			b.cut(Loss{})
			b.expect(map[string]string{"from/": "", "from/a": "", "to/": ""})
			continue
		}
		b.syncDir(synced)
		b.cut(Loss{})
		b.expect(map[string]string{"from/": "", "to/": "", "to/b": ""})
	}
}

func TestSyncCoversWhatANameBuildsOn(t *testing.T) {
	b := newBench(t, 1, 1<<30)
	for _, name := range []string{"a", "b", "c"} {
		b.mkdir(name)
	}
	b.syncDir("")
	b.create("a/x")
	b.rename("a/x", "b/x")
	b.rename("b/x", "c/x")
	b.syncDir("c")
	b.cut(Loss{})
	b.expect(map[string]string{"a/": "", "b/": "", "c/": "", "c/x": ""})
}

func TestDirectoryComesBackWithItsFiles(t *testing.T) {
	b := newBench(t, 1, 1<<30)
	b.mkdir("tmp")
	b.create("tmp/x")
	b.syncDir("tmp")
	b.syncDir("")
	b.with("tmp", func(n *node) { b.must(b.disk.names.remove(n, "x")) })
	b.with("", func(n *node) { b.must(b.disk.names.removeDir(n, "tmp")) })
	b.expect(map[string]string{})
	b.cut(Loss{})
	b.expect(map[string]string{"tmp/": "", "tmp/x": ""})
	b.rename("tmp", "done")
	b.create("done/y")
	b.syncDir("done")
	b.cut(Loss{})
	b.expect(map[string]string{"tmp/": "", "tmp/x": "", "tmp/y": ""})
}

// What a failed sync has lost is lost, whatever is synced later; unless the same page is written again.
func TestLaterSyncDoesNotHelpAfterOneThatFailed(t *testing.T) {
	b := newBench(t, 1, 1<<30)
	b.create("a")
	b.syncDir("")
	b.write("a", 0, strings.Repeat("1", 3*pageBytes))
	b.syncFile("a")
	b.write("a", 0, strings.Repeat("2", 4*pageBytes))
	b.change("a", func(c *content) error { c.drop(c.newest()); return nil })
	b.write("a", pageBytes+7, "3")
	b.syncFile("a")
	b.write("a", 0, "4")
	b.cut(Loss{})
	want := strings.Repeat("1", pageBytes) + strings.Repeat("2", 7) + "3" + strings.Repeat("2", pageBytes-8) +
		strings.Repeat("1", pageBytes) + strings.Repeat("\x00", pageBytes)
	b.expect(map[string]string{"a": want})
	if used := b.disk.budget.used.Load(); used != 0 {
		t.Errorf("%d bytes of the journal are left behind", used)
	}
}

func TestSyncCoversWhatWasThereWhenItWasCalled(t *testing.T) {
	b := newBench(t, 1, 1<<30)
	b.create("a")
	b.syncDir("")
	b.write("a", 0, "before")
	var called uint64
	b.change("a", func(c *content) error { called = c.newest(); return nil })
	b.write("a", 0, "after ")
	b.change("a", func(c *content) error { c.settle(called); return nil })
	b.cut(Loss{})
	b.expect(map[string]string{"a": "before"})
}

func TestFullJournalTakesFilesForSynced(t *testing.T) {
	b := newBench(t, 1, 4*pageBytes)
	b.create("a")
	b.syncDir("")
	text := strings.Repeat("1", 3*pageBytes)
	b.write("a", 0, text)
	b.syncFile("a")
	for at := int64(0); at < 3*pageBytes; at += pageBytes {
		b.write("a", at, strings.Repeat("2", pageBytes))
	}
	b.write("a", 0, strings.Repeat("3", 2*pageBytes))
	if n := b.disk.Overflows(); n != 1 {
		t.Errorf("%d overflows, expected the last write to be one", n)
	}
	b.write("a", 0, "4")
	b.cut(Loss{})
	b.expect(map[string]string{"a": strings.Repeat("3", 2*pageBytes) + strings.Repeat("2", pageBytes)})
}

func TestTornWriteEndsAtASector(t *testing.T) {
	b := newBench(t, 1, 1<<30)
	b.create("a")
	b.syncDir("")
	seen := map[int]bool{}
	for range 100 {
		b.change("a", func(c *content) error {
			err := c.resize(0)
			c.settle(c.newest())
			return err
		})
		b.write("a", 0, "synced")
		b.syncFile("a")
		b.write("a", 6, strings.Repeat("t", 1500))
		if cut := b.cut(Loss{Torn: true}); cut.Torn != 1 || cut.Writes != 1 {
			t.Fatalf("one write is to be torn: %v", cut)
		}
		data := b.files()["a"]
		if !strings.HasPrefix(data, "synced") || strings.Trim(data[6:], "t") != "" {
			t.Fatalf("the file holds %q", data)
		}
		seen[len(data)] = true
	}
	if len(seen) != 2 || !seen[512] || !seen[1024] {
		t.Errorf("a write up to 1506 was torn at %v, expected 512 and 1024", seen)
	}
}

func TestSeedDecides(t *testing.T) {
	var before map[string]string
	for range 3 {
		b := newBench(t, 7, 1<<30)
		for range 300 {
			b.step()
		}
		b.cut(Loss{Keep: KeepAny})
		now := b.files()
		if before != nil && !maps.Equal(before, now) {
			t.Fatalf("the same seed left %q, and then %q", before, now)
		}
		before = now
	}
}

func TestNothingLiesAsideAfterAll(t *testing.T) {
	b := newBench(t, 3, 1<<30)
	for range 300 {
		b.step()
	}
	aside := func() []os.DirEntry {
		list, err := os.ReadDir(b.dir + ".aside")
		b.must(err)
		return list
	}
	if len(aside()) == 0 {
		t.Error("nothing lies aside while names are not synced")
	}
	b.must(b.disk.names.settleAll())
	if list := aside(); len(list) > 0 {
		t.Errorf("%d things lie aside though all names are synced", len(list))
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"", "member/wal/0.wal", true},
		{"*.wal", "member/wal/0.wal", true},
		{"*.wal", "member/wal/0.wal.tmp", false},
		{"snap/db", "m0/member/snap/db", true},
		{"member/snap/db", "member/snap/db", true},
		{"member/snap/db", "snap/db", false},
		{"db", "member/snap/mydb", false},
		{"wal/*", "member/wal/0.wal", true},
		{"wal/*", "member/wal", false},
	} {
		if got := matches(c.pattern, c.path); got != c.want {
			t.Errorf("pattern %q and path %q: %v", c.pattern, c.path, got)
		}
	}
}

func TestZerosAreNotKept(t *testing.T) {
	b := newBench(t, 1, 1<<30)
	b.create("a")
	b.change("a", func(c *content) error { return c.allocate(0, 64<<20, 0) })
	b.write("a", 1000, "x")
	b.change("a", func(c *content) error { return c.resize(500) })
	if used := b.disk.budget.used.Load(); used > 70_000 {
		t.Errorf("the journal takes %d bytes for one byte in 64 MiB of nothing", used)
	}
	b.change("a", func(c *content) error {
		i := slices.IndexFunc(c.changes[2].before, func(p piece) bool { return bytes.Contains(p.data, []byte("x")) })
		if i < 0 {
			t.Error("what was cut off is not remembered")
		}
		return nil
	})
	if _, err := os.Stat(filepath.Join(b.dir, "a")); err != nil {
		t.Error(err)
	}
}
