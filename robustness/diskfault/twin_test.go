package diskfault

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The twin keeps whole copies: of each file and each directory, all states since the last sync.

type twinFile struct {
	states [][]byte // the first one is synced, the last one is what is seen
	writes []twinWrite
}

type twinWrite struct {
	at   int
	data []byte // nil: a change of the size to at
}

type twinDir struct{ states []map[string]any }

func (f *twinFile) now() []byte        { return f.states[len(f.states)-1] }
func (d *twinDir) now() map[string]any { return d.states[len(d.states)-1] }

func (w twinWrite) apply(old []byte) []byte {
	end := w.at + len(w.data)
	grown := make([]byte, max(len(old), end))
	copy(grown, old)
	if w.data == nil {
		return grown[:w.at]
	}
	copy(grown[w.at:], w.data)
	return grown
}

func (f *twinFile) do(w twinWrite) {
	f.states = append(f.states, w.apply(f.now()))
	f.writes = append(f.writes, w)
}

func (f *twinFile) sync() { f.states, f.writes = [][]byte{f.now()}, nil }
func (d *twinDir) sync()  { d.states = []map[string]any{d.now()} }

func (d *twinDir) do(change func(map[string]any)) {
	next := maps.Clone(d.now())
	change(next)
	d.states = append(d.states, next)
}

// could tells whether a file may hold data after a power cut.
func (f *twinFile) could(data []byte, loss Loss) bool {
	if loss.Keep == KeepAny {
		return f.couldBySector(data)
	}
	is := func(state []byte) bool { return bytes.Equal(state, data) }
	kept := f.states[:1]
	if loss.Keep == KeepPrefix {
		kept = f.states
	}
	for i, state := range kept {
		if is(state) || loss.Torn && i < len(f.writes) && slices.ContainsFunc(f.writes[i].torn(state), is) {
			return true
		}
	}
	return false
}

func (w twinWrite) torn(old []byte) (list [][]byte) {
	for n := 1; n < len(w.data); n++ {
		if (w.at+n)%512 == 0 {
			list = append(list, twinWrite{at: w.at, data: w.data[:n]}.apply(old))
		}
	}
	return list
}

// couldBySector looks at each sector by itself: it must be as it was at some time, and the size must have been one at some time.
func (f *twinFile) couldBySector(data []byte) bool {
	if !slices.ContainsFunc(f.states, func(s []byte) bool { return len(s) == len(data) }) {
		return false
	}
	for at := 0; at < len(data); at += 512 {
		end := min(at+512, len(data))
		if !slices.ContainsFunc(f.states, func(s []byte) bool {
			sector := make([]byte, end-at)
			copy(sector, s[min(at, len(s)):min(end, len(s))])
			return bytes.Equal(sector, data[at:end])
		}) {
			return false
		}
	}
	return true
}

// bench runs the journals on a directory, without a mount.
type bench struct {
	t    *testing.T
	dir  string
	rng  *rand.Rand
	disk *Disk
	root *twinDir
}

func newBench(t *testing.T, seed uint64, journalBytes int64) *bench {
	t.Helper()
	base := t.TempDir()
	b := &bench{t: t, dir: filepath.Join(base, "disk"), rng: rand.New(rand.NewPCG(seed, 0)), root: &twinDir{[]map[string]any{{}}}}
	b.disk = &Disk{options: Options{Backing: b.dir}}
	b.disk.budget.limit = journalBytes
	b.disk.contents.budget, b.disk.contents.space = &b.disk.budget, &b.disk.space
	b.must(os.Mkdir(b.dir, 0o755))
	var err error
	b.disk.names, err = openNames(b.dir+".aside", &b.disk.budget, &b.disk.space)
	b.must(err)
	t.Cleanup(func() { b.must(b.disk.release()) })
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// with calls f with a node of a path.
func (b *bench) with(path string, f func(n *node)) {
	b.t.Helper()
	fd, err := unix.Open(filepath.Join(b.dir, path), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	b.must(err)
	defer unix.Close(fd)
	var st syscall.Stat_t
	b.must(syscall.Fstat(fd, &st))
	f(&node{ino: st.Ino, fd: fd})
}

// change does something to the content of a file.
func (b *bench) change(path string, f func(c *content) error) {
	b.t.Helper()
	b.with(path, func(n *node) {
		c, err := b.disk.contents.use(n.ino, n.fd)
		b.must(err)
		b.must(f(c))
		b.disk.contents.done(c)
	})
}

func (b *bench) create(path string) {
	b.t.Helper()
	dir, name := filepath.Split(path)
	b.with(dir, func(n *node) {
		b.must(b.disk.names.add(n, name, func() error {
			fd, err := unix.Openat(n.fd, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
			if err == nil {
				err = unix.Close(fd)
			}
			return err
		}))
	})
}

func (b *bench) mkdir(path string) {
	b.t.Helper()
	dir, name := filepath.Split(path)
	b.with(dir, func(n *node) {
		b.must(b.disk.names.add(n, name, func() error { return unix.Mkdirat(n.fd, name, 0o755) }))
	})
}

func (b *bench) rename(from, to string) {
	b.t.Helper()
	oldDir, oldName := filepath.Split(from)
	newDir, newName := filepath.Split(to)
	b.with(oldDir, func(f *node) {
		b.with(newDir, func(t *node) { b.must(b.disk.names.rename(f, oldName, t, newName, 0)) })
	})
}

func (b *bench) syncFile(path string) {
	b.t.Helper()
	b.change(path, func(c *content) error {
		c.settle(c.newest())
		return nil
	})
}

func (b *bench) syncDir(path string) {
	b.t.Helper()
	b.with(path, func(n *node) { b.must(b.disk.names.settle(n.ino)) })
}

func (b *bench) cut(loss Loss) Cut {
	b.t.Helper()
	cut, err := b.disk.PowerCut(b.rng, loss)
	b.must(err)
	return cut
}

// files are the contents of all files, by path; directories end in a slash.
func (b *bench) files() map[string]string {
	b.t.Helper()
	all := map[string]string{}
	b.must(filepath.WalkDir(b.dir, func(path string, e os.DirEntry, err error) error {
		name, _ := filepath.Rel(b.dir, path)
		if err != nil || name == "." {
			return err
		}
		if e.IsDir() {
			all[name+"/"] = ""
			return nil
		}
		data, err := os.ReadFile(path)
		all[name] = string(data)
		return err
	}))
	return all
}

// pick finds a directory or file of the twin at random, and says where it is.
func (b *bench) pick(dir *twinDir, path string) (*twinDir, string) {
	for _, name := range slices.Sorted(maps.Keys(dir.now())) {
		if sub, ok := dir.now()[name].(*twinDir); ok && b.rng.IntN(3) == 0 {
			return b.pick(sub, filepath.Join(path, name))
		}
	}
	return dir, path
}

// step does something at random to the files and to the twin.
func (b *bench) step() {
	b.t.Helper()
	dir, at := b.pick(b.root, "")
	name := fmt.Sprint("n", b.rng.IntN(4))
	path := filepath.Join(at, name)
	if b.rng.IntN(12) == 0 {
		b.syncDir(at)
		dir.sync()
		return
	}
	switch there := dir.now()[name].(type) {
	case nil:
		b.stepNew(dir, name, path)
	case *twinDir:
		if b.rng.IntN(4) == 0 && len(there.now()) == 0 {
			b.with(at, func(n *node) { b.must(b.disk.names.removeDir(n, name)) })
			dir.do(func(m map[string]any) { delete(m, name) })
			return
		}
		b.stepRename(dir, at, name)
	case *twinFile:
		b.stepFile(dir, there, at, name)
	}
}

func (b *bench) stepNew(dir *twinDir, name, path string) {
	if b.rng.IntN(4) == 0 {
		b.mkdir(path)
		dir.do(func(m map[string]any) { m[name] = &twinDir{[]map[string]any{{}}} })
		return
	}
	b.create(path)
	dir.do(func(m map[string]any) { m[name] = &twinFile{states: [][]byte{{}}} })
}

func (b *bench) stepRename(dir *twinDir, at, name string) {
	to := fmt.Sprint("n", b.rng.IntN(4))
	_, fromDir := dir.now()[name].(*twinDir)
	target := dir.now()[to]
	toDir, isDir := target.(*twinDir)
	if to == name || target == dir.now()[name] || target != nil && isDir != fromDir || isDir && len(toDir.now()) > 0 {
		return
	}
	b.rename(filepath.Join(at, name), filepath.Join(at, to))
	dir.do(func(m map[string]any) {
		m[to] = m[name]
		delete(m, name)
	})
}

func (b *bench) stepFile(dir *twinDir, f *twinFile, at, name string) {
	path := filepath.Join(at, name)
	switch n := b.rng.IntN(12); {
	case n == 0:
		b.with(at, func(d *node) { b.must(b.disk.names.remove(d, name)) })
		dir.do(func(m map[string]any) { delete(m, name) })
	case n == 1:
		b.stepRename(dir, at, name)
	case n == 2:
		to := fmt.Sprint("n", b.rng.IntN(4))
		if dir.now()[to] != nil {
			return
		}
		b.with(path, func(old *node) {
			b.with(at, func(d *node) {
				b.must(b.disk.names.add(d, to, func() error {
					return unix.Linkat(unix.AT_FDCWD, itself(old.fd), d.fd, to, unix.AT_SYMLINK_FOLLOW)
				}))
			})
		})
		dir.do(func(m map[string]any) { m[to] = f })
	case n <= 4:
		b.syncFile(path)
		f.sync()
	case n == 5:
		size := b.rng.IntN(5000)
		b.change(path, func(c *content) error { return c.resize(int64(size)) })
		if size != len(f.now()) {
			f.do(twinWrite{at: size})
		}
	case n == 6:
		size := b.rng.IntN(5000)
		b.change(path, func(c *content) error { return c.allocate(0, int64(size)+1, 0) })
		if size+1 > len(f.now()) {
			f.do(twinWrite{at: size + 1})
		}
	default:
		data := bytes.Repeat([]byte{byte(b.rng.IntN(4))}, 1+b.rng.IntN(3000)) // zeros among them
		w := twinWrite{at: b.rng.IntN(3000), data: data}
		b.change(path, func(c *content) error { _, err := c.write(data, int64(w.at)); return err })
		f.do(w)
	}
}

// survivor finds the state of a directory that a power cut has left, with all below, and makes a twin of it.
func (b *bench) survivor(loss Loss, dir *twinDir, path string, known map[uint64]any) (*twinDir, bool) {
	b.t.Helper()
	entries, err := os.ReadDir(filepath.Join(b.dir, path))
	b.must(err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	states := dir.states
	if loss.Keep == KeepNothing {
		states = states[:1]
	}
	for _, state := range states {
		if !slices.Equal(slices.Sorted(maps.Keys(state)), names) {
			continue
		}
		if found, ok := b.fits(loss, state, path, known); ok {
			return &twinDir{[]map[string]any{found}}, true
		}
	}
	return nil, false
}

// fits tells whether the things with the names are those of the state.
func (b *bench) fits(loss Loss, state map[string]any, path string, known map[uint64]any) (map[string]any, bool) {
	found := map[string]any{}
	for name, there := range state {
		at := filepath.Join(path, name)
		var st syscall.Stat_t
		b.must(syscall.Stat(filepath.Join(b.dir, at), &st))
		isDir, ok := st.Mode&syscall.S_IFMT == syscall.S_IFDIR, false
		switch there := there.(type) {
		case *twinDir:
			if !isDir {
				return nil, false
			}
			if found[name], ok = b.survivor(loss, there, at, known); !ok {
				return nil, false
			}
		case *twinFile:
			if isDir {
				return nil, false
			}
			data, err := os.ReadFile(filepath.Join(b.dir, at))
			b.must(err)
			if !there.could(data, loss) {
				return nil, false
			}
			if known[st.Ino] == nil {
				known[st.Ino] = &twinFile{states: [][]byte{data}}
			}
			found[name] = known[st.Ino]
		}
	}
	return found, true
}

func TestPowerCutLeavesWhatWasSynced(t *testing.T) {
	for _, loss := range []Loss{{}, {Torn: true}, {Keep: KeepPrefix}, {Keep: KeepPrefix, Torn: true}, {Keep: KeepAny}} {
		t.Run(fmt.Sprintf("%+v", loss), func(t *testing.T) {
			b := newBench(t, 1, 1<<30)
			var lost Cut
			for range 30 {
				for range 20 + b.rng.IntN(80) {
					b.step()
				}
				cut := b.cut(loss)
				lost.Writes += cut.Writes
				lost.Torn += cut.Torn
				lost.Names += cut.Names
				lost.Kept += cut.Kept
				root, ok := b.survivor(loss, b.root, "", map[uint64]any{})
				if !ok {
					t.Fatalf("%v, and the disk holds %q, as it could in no state since the last syncs", cut, b.files())
				}
				b.root = root
			}
			if lost.Writes == 0 || lost.Names == 0 || lost.Torn > 0 != (loss.Torn || loss.Keep == KeepAny) || lost.Kept > 0 != (loss.Keep != KeepNothing) {
				t.Fatalf("the loss is not one of its kind: %v", lost)
			}
			if used := b.disk.budget.used.Load(); used != 0 {
				t.Fatalf("%d bytes of the journal are left behind", used)
			}
		})
	}
}
