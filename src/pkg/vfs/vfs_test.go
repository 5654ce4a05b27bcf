package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, fsys FS, name, content string) {
	t.Helper()
	f, err := Create(fsys, name, 0o600)
	must(t, err)
	_, err = io.WriteString(f, content)
	must(t, err, f.Sync(), f.Close())
}

func get(t testing.TB, fsys FS, name string) string {
	t.Helper()
	b, err := ReadFile(fsys, name)
	must(t, err)
	return string(b)
}

// TestMemTwin runs the same random operations on the memory and on the real file system.
func TestMemTwin(t *testing.T) {
	root := t.TempDir()
	twins := []FS{NewMem(), OS()}
	dirs := []string{"/root", root}
	must(t, twins[0].MkdirAll(dirs[0], 0o700))
	rng := rand.New(rand.NewPCG(1, 1))
	files := make([]File, 2)
	for step := range 4000 {
		op, name, other := rng.IntN(12), string('a'+rune(rng.IntN(4))), string('a'+rune(rng.IntN(4)))
		offset, size, fill := rng.Int64N(20000), rng.IntN(9000), byte(rng.Uint32())
		var results [2]string
		for i, fsys := range twins {
			path := filepath.Join(dirs[i], name)
			results[i] = kinds(func() (string, error) {
				if files[i] == nil && op < 8 {
					f, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
					if err == nil {
						files[i] = f
					}
					return "", err
				}
				switch op {
				case 0, 1:
					n, err := files[i].WriteAt(slices.Repeat([]byte{fill}, size), offset)
					return fmt.Sprint(n), err
				case 2:
					n, err := files[i].Write(slices.Repeat([]byte{fill}, size))
					return fmt.Sprint(n), err
				case 3:
					b := make([]byte, size)
					n, err := files[i].ReadAt(b, offset)
					return string(b[:n]), err
				case 4:
					b := make([]byte, size)
					n, err := io.ReadFull(files[i], b)
					return string(b[:n]), err
				case 5:
					n, err := files[i].Seek(offset, io.SeekStart)
					return fmt.Sprint(n), err
				case 6:
					if size%2 == 0 {
						return "", files[i].Preallocate(offset)
					}
					return "", files[i].Truncate(offset)
				case 7:
					f := files[i]
					files[i] = nil
					return "", errors.Join(f.Sync(), f.Datasync(), f.Close())
				case 8:
					return "", fsys.Rename(path, filepath.Join(dirs[i], other))
				case 9:
					return "", fsys.Remove(path)
				case 10:
					info, err := fsys.Stat(path)
					if err != nil {
						return "", err
					}
					return fmt.Sprint(info.Name(), info.Size(), info.Mode()), nil
				}
				list, err := fsys.ReadDir(dirs[i])
				return fmt.Sprint(len(list), list), errors.Join(err, fsys.SyncDir(dirs[i]))
			})
		}
		if results[0] != results[1] {
			t.Fatalf("step %d, operation %d: memory %.100q, real %.100q", step, op, results[0], results[1])
		}
	}
}

// kinds reduces an error to its kind, which is what the two have in common.
func kinds(run func() (string, error)) string {
	out, err := run()
	for _, kind := range []error{fs.ErrNotExist, fs.ErrExist, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, kind) {
			return out + " " + kind.Error()
		}
	}
	return fmt.Sprint(out, err != nil)
}

func TestLock(t *testing.T) {
	for _, fsys := range []FS{OS(), NewMem()} {
		name := filepath.Join(t.TempDir(), "f")
		must(t, fsys.MkdirAll(filepath.Dir(name), 0o700))
		put(t, fsys, name, "x")
		f, err := Lock(fsys, name)
		must(t, err)
		if _, err := Lock(fsys, name); !errors.Is(err, ErrLocked) {
			t.Fatalf("%T: %v", fsys, err)
		}
		must(t, fsys.Rename(name, name+"2"))
		if _, err := Lock(fsys, name+"2"); !errors.Is(err, ErrLocked) {
			t.Fatalf("%T: a lock does not end with the name: %v", fsys, err)
		}
		must(t, f.Close())
		f, err = Lock(fsys, name+"2")
		must(t, err, f.Close())
		if _, err := Lock(fsys, name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%T: %v", fsys, err)
		}
	}
}

// TestPowerCut: names survive with their directory's sync, content with the file's.
func TestPowerCut(t *testing.T) {
	m := NewMem()
	must(t, m.MkdirAll("/d/e", 0o700))
	if _, err := m.PowerCut(nil).Stat("/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a directory without a sync of its parent: %v", err)
	}
	must(t, m.SyncDir("/"), m.SyncDir("/d"))
	put(t, m, "/d/e/old", "old")
	must(t, m.SyncDir("/d/e"))
	put(t, m, "/d/e/new", "new")
	must(t, m.Rename("/d/e/old", "/d/e/renamed"))
	f, err := m.OpenFile("/d/e/renamed", os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("OLDER"), 0)
	must(t, err)

	cut := m.PowerCut(nil)
	if got := get(t, cut, "/d/e/old"); got != "old" {
		t.Fatalf("old is %q", got)
	}
	if list, _ := cut.ReadDir("/d/e"); len(list) != 1 {
		t.Fatalf("left: %v", list)
	}
	kept := m.PowerCut(func() bool { return true })
	if got := get(t, kept, "/d/e/renamed") + get(t, kept, "/d/e/new"); got != "OLDERnew" {
		t.Fatalf("kept %q", got)
	}
	must(t, f.Sync(), m.SyncDir("/d/e"), f.Truncate(2))
	if got := get(t, m.PowerCut(nil), "/d/e/renamed"); got != "OLDER" {
		t.Fatalf("an unsynced truncation took %q", got)
	}
	if _, err := Lock(kept, "/d/e/renamed"); err != nil {
		t.Fatalf("a lock survived: %v", err)
	}
}

// TestMkdirAll: every directory on the way survives.
func TestMkdirAll(t *testing.T) {
	m := NewMem()
	must(t, MkdirAll(m, "/a/b/c", 0o700), MkdirAll(m, "/a/b/c", 0o700), MkdirAll(m, "/a/d", 0o700))
	for _, name := range []string{"/a/b/c", "/a/d"} {
		if _, err := m.PowerCut(nil).Stat(name); err != nil {
			t.Fatal(err)
		}
	}
	real := filepath.Join(t.TempDir(), "x", "y")
	must(t, MkdirAll(OS(), real, 0o700))
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		t.Fatal(info, err)
	}
}

// TestPowerCutSectors: sectors survive one by one, never parts of one.
// Without waiting for the disk everything works, and nothing is left when the power goes.
func TestNoSync(t *testing.T) {
	m := NewMem()
	fsys := NoSync(m)
	must(t, WriteFile(fsys, "/f", "/f.tmp", 0o600, func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }))
	f, err := fsys.OpenFile("/f", os.O_RDWR, 0)
	must(t, err)
	must(t, f.Datasync(), f.Close())
	if got := get(t, fsys, "/f"); got != "x" {
		t.Fatalf("read %q", got)
	}
	if _, err := m.PowerCut(nil).Stat("/f"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("after a power cut: %v", err)
	}
	if _, err := fsys.OpenFile("/none", os.O_RDWR, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a file that is not there: %v", err)
	}
}

func TestPowerCutSectors(t *testing.T) {
	m := NewMem()
	put(t, m, "/f", strings.Repeat("a", 64*sectorBytes))
	must(t, m.SyncDir("/"))
	f, err := m.OpenFile("/f", os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte(strings.Repeat("b", 64*sectorBytes)), 0)
	must(t, err)
	rng := rand.New(rand.NewPCG(1, 1))
	after := get(t, m.PowerCut(func() bool { return rng.IntN(2) == 0 }), "/f")
	seen := map[string]int{}
	for i := 0; i < len(after); i += sectorBytes {
		seen[after[i:i+sectorBytes]]++
	}
	if len(after) != 64*sectorBytes || len(seen) != 2 || seen[strings.Repeat("a", sectorBytes)] == 0 {
		t.Fatalf("%d bytes, %d kinds of sectors", len(after), len(seen))
	}
}

func TestFault(t *testing.T) {
	broken := errors.New("broken")
	mem := NewMem()
	f := NewFault(mem, Rule{Op: OpWrite, Name: "*.wal", Skip: 1, Times: 1, Err: broken, ShortBytes: 2})
	file, err := Create(f, "/x.wal", 0o600)
	must(t, err)
	other, err := Create(f, "/other", 0o600)
	must(t, err)
	for _, want := range []error{nil, broken, nil} {
		_, err := file.Write([]byte("abcd"))
		if !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
		_, err = other.Write([]byte("abcd"))
		must(t, err)
	}
	if got := get(t, mem, "/x.wal"); got != "abcdababcd" {
		t.Fatalf("written %q", got)
	}
	every := map[Op]func() error{
		OpRead:        func() error { _, err := file.ReadAt(make([]byte, 1), 0); return err },
		OpSync:        file.Datasync,
		OpTruncate:    func() error { return file.Truncate(1) },
		OpPreallocate: func() error { return file.Preallocate(10) },
		OpLock:        file.TryLock,
		OpOpen:        func() error { _, err := Open(f, "/other"); return err },
		OpRename:      func() error { return f.Rename("/other", "/another") },
		OpRemove:      func() error { return f.Remove("/other") },
		OpMkdir:       func() error { return f.MkdirAll("/d", 0o700) },
		OpReadDir:     func() error { _, err := f.ReadDir("/"); return err },
		OpStat:        func() error { _, err := f.Stat("/other"); return err },
		OpSyncDir:     func() error { return f.SyncDir("/") },
		OpClose:       file.Close,
	}
	for op, run := range every {
		if op == OpClose {
			continue
		}
		f.Heal()
		f.Add(Rule{Op: op, Times: 1, Err: broken})
		if err := run(); !errors.Is(err, broken) {
			t.Errorf("%s: %v", op, err)
		}
	}
	f.Heal()
	called := false
	f.Add(Rule{Op: OpSync, Delay: time.Microsecond, Do: func() { called = true }})
	f.Add(Rule{Op: OpClose, Err: broken})
	must(t, file.Sync())
	if err := every[OpClose](); !errors.Is(err, broken) || !called {
		t.Fatalf("%v, called %v", err, called)
	}
	if err := file.Sync(); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("closed all the same: %v", err)
	}
}

// TestWriteFile leaves the old content or the new, and nothing beside it.
func TestWriteFile(t *testing.T) {
	mem := NewMem()
	broken := errors.New("broken")
	write := func(fsys FS, content string) error {
		return WriteFile(fsys, "/f", "/tmp-f", 0o600, func(w io.Writer) error {
			_, err := io.WriteString(w, content)
			return err
		})
	}
	must(t, write(mem, "one"))
	for _, op := range []Op{OpOpen, OpWrite, OpSync, OpClose, OpRename} {
		if err := write(NewFault(mem, Rule{Op: op, Err: broken}), "two"); !errors.Is(err, broken) {
			t.Fatalf("%s: %v", op, err)
		}
		if list, _ := mem.ReadDir("/"); len(list) != 1 || get(t, mem, "/f") != "one" {
			t.Fatalf("%s: left %v, %q", op, list, get(t, mem, "/f"))
		}
	}
	must(t, write(mem, "two"))
	if got := get(t, mem.PowerCut(nil), "/f"); got != "two" {
		t.Fatalf("after a cut %q", got)
	}
}
