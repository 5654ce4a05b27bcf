package diskfault

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.etcd.io/raft/v3/raftpb"
	"golang.org/x/sys/unix"

	"quoin.dev/pkg/vfs"
	"quoin.dev/storage/wal"

	"quoin.dev/quoin/e2e/cluster"
)

// What uses a disk in these tests is a process of its own: this test binary, with the name of one of the children in a variable.
const childVariable = "QUOIN_LAB_CHILD"

var children = map[string]func(dir string) error{
	"everything": everything, "write": write, "read": read, "map": mapped, "bolt": bolt, "log": keepLog, "fsync": fsync, "fill": fill,
	"try": try, "inherited": inherited,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		if err := children[name](os.Args[1]); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	cluster.RemoveBuilds()
	os.Exit(code)
}

// patience is how long a test waits for what has to come.
const patience = time.Minute

// child is a process that uses the disk.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	ended chan struct{}
	in    io.Writer
}

func start(t *testing.T, name, dir string, more ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0], append([]string{dir}, more...)...), lines: make(chan string, 10_000), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childVariable+"="+name)
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stderr = c.cmd.Stdout
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- s.Text()
		}
		close(c.lines)
		_ = c.cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// line is the next one that the child says.
func (c *child) line() string {
	c.t.Helper()
	select {
	case line, ok := <-c.lines:
		if !ok {
			c.t.Fatal("the child has ended")
		}
		return line
	case <-time.After(patience):
		c.t.Fatal("the child says nothing")
	}
	return ""
}

// tell writes a line to the child.
func (c *child) tell(line string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		c.t.Fatal(err)
	}
}

// wait waits until the child has ended, and returns what it has said since the last line.
func (c *child) wait() (said []string) {
	c.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case line, ok := <-c.lines:
			if !ok {
				<-c.ended
				return said
			}
			said = append(said, line)
		case <-deadline:
			c.t.Fatal("the child does not end")
		}
	}
}

func (c *child) kill() []string {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	return c.wait()
}

// run lets a child do its work.
func run(t *testing.T, name, dir string, more ...string) string {
	t.Helper()
	c := start(t, name, dir, more...)
	said := strings.Join(c.wait(), "\n")
	if !c.cmd.ProcessState.Success() {
		t.Fatalf("%s: %s", name, said)
	}
	return said
}

// mount makes a disk. It returns the directories where it is seen and where its files are.
func mount(t *testing.T, o Options) (d *Disk, seen, backing string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("there is no /dev/fuse")
	}
	base := t.TempDir()
	o.Backing, o.Mountpoint = filepath.Join(base, "backing"), filepath.Join(base, "disk")
	for _, dir := range []string{o.Backing, o.Mountpoint} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Mount(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return d, o.Mountpoint, o.Backing
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("it does not come: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// everything does to a directory what there is to do, and says what came of it.
func everything(dir string) error {
	at := func(name string) string { return filepath.Join(dir, name) }
	say := func(what string, err error, more ...any) {
		var errno syscall.Errno
		errors.As(err, &errno)
		fmt.Println(append([]any{what, int(errno)}, more...)...)
	}
	say("mkdir", os.Mkdir(at("sub"), 0o750))
	say("mkdir again", os.Mkdir(at("sub"), 0o750))
	say("write", os.WriteFile(at("sub/a"), []byte("hello"), 0o640))
	f, err := os.OpenFile(at("sub/a"), os.O_RDWR|os.O_APPEND, 0)
	say("open", err)
	_, err = f.Write([]byte(" world"))
	say("append", err)
	say("preallocate", unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 1<<20))
	say("grow", unix.Fallocate(int(f.Fd()), 0, 0, 20))
	say("cut", f.Truncate(8))
	say("fdatasync", unix.Fdatasync(int(f.Fd())))
	data, err := os.ReadFile(at("sub/a"))
	say("read", err, string(data))
	hole, err := unix.Seek(int(f.Fd()), 0, unix.SEEK_HOLE)
	say("seek", err, hole)
	say("lock", unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	g, err := os.Open(at("sub/a"))
	say("open again", err)
	say("lock again", unix.Flock(int(g.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	_, err = g.Write([]byte("x"))
	say("write to what is open for reading", err)
	page, err := unix.Mmap(int(g.Fd()), 0, 8, unix.PROT_READ, unix.MAP_SHARED)
	say("map", err, string(page))
	h, err := os.OpenFile(at("sub/a"), os.O_WRONLY, 0)
	say("open for writing", err)
	_, err = h.WriteAt([]byte("J"), 0)
	say("write under the map", err, string(page))
	say("unmap", unix.Munmap(page))
	say("link", os.Link(at("sub/a"), at("b")))
	say("symlink", os.Symlink("b", at("c")))
	target, err := os.Readlink(at("c"))
	say("readlink", err, target)
	data, err = os.ReadFile(at("c"))
	say("read by a link", err, string(data))
	say("rename", os.Rename(at("b"), at("d")))
	say("rename nothing", os.Rename(at("b"), at("d")))
	say("write over", os.WriteFile(at("e"), []byte("other"), 0o600))
	say("rename over", os.Rename(at("e"), at("d")))
	say("rename exclusive", unix.Renameat2(unix.AT_FDCWD, at("c"), unix.AT_FDCWD, at("d"), unix.RENAME_NOREPLACE))
	say("rename a directory", os.Rename(at("sub"), at("bus")))
	say("rename over a directory", os.Rename(at("d"), at("bus")))
	say("remove a directory with files", unix.Rmdir(at("bus")))
	say("chmod", os.Chmod(at("d"), 0o444))
	say("chtimes", os.Chtimes(at("d"), time.Unix(1, 2), time.Unix(3, 4)))
	info, err := os.Stat(at("d"))
	say("stat", err, info.Mode(), info.Size(), info.ModTime().UnixNano())
	say("remove", os.Remove(at("bus/a")))
	data = make([]byte, 8)
	_, err = f.ReadAt(data, 0)
	say("read what is removed", err, string(data))
	say("rmdir", os.Remove(at("bus")))
	say("remove nothing", os.Remove(at("bus")))
	root, err := os.Open(dir)
	say("open the directory", err)
	say("sync the directory", root.Sync())
	names, err := root.Readdirnames(-1)
	slices.Sort(names)
	say("list", err, names)
	say("close", errors.Join(f.Close(), g.Close(), h.Close(), root.Close()))
	for i := range 300 {
		if err := os.WriteFile(at(fmt.Sprintf("many%03d", i)), nil, 0o600); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	say("list many", err, len(entries))
	return nil
}

// write appends numbers to a file and says each when it is synced. With "unsynced" it does not sync what comes after the tenth.
func write(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "numbers"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	root, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := root.Sync(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		if _, err := fmt.Fprintf(f, "%07d\n", i); err != nil {
			return err
		}
		if i < 10 || !slices.Contains(os.Args, "unsynced") {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		if i == 20 && slices.Contains(os.Args, "unsynced") {
			fmt.Println("done")
			select {}
		}
		fmt.Println(i)
	}
}

// read says what is in the file of numbers.
func read(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "numbers"))
	fmt.Print(string(data))
	return err
}

// mapped reads a page of a file by a map, when it is told to.
func mapped(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "page"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Truncate(1 << 20); err != nil {
		return err
	}
	page, err := unix.Mmap(int(f.Fd()), 0, 1<<20, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	fmt.Println("mapped")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return err
	}
	fmt.Println(page[1<<19])
	return nil
}

// fsync calls fdatasync once, by hand, so that Go does not try again after a signal.
func fsync(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "numbers"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString("text"); err != nil {
		return err
	}
	fmt.Println("written")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return err
	}
	return unix.Fdatasync(int(f.Fd()))
}

// fill writes to a file until there is no room, and says how much there was and is.
func fill(dir string) error {
	var st unix.Statfs_t
	path := filepath.Join(dir, "fill")
	for range 2 {
		if err := unix.Statfs(dir, &st); err != nil {
			return err
		}
		free := int64(st.Bavail) * st.Bsize
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		wrote := 0
		for err == nil {
			var n int
			n, err = f.Write(bytes.Repeat([]byte{1}, 4096))
			wrote += n
		}
		if err := unix.Statfs(dir, &st); err != nil {
			return err
		}
		fmt.Println(free, wrote, int64(st.Bavail)*st.Bsize, errors.Is(err, syscall.ENOSPC))
		if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
			return err
		}
	}
	return nil
}

// try does one call of a kind for each line it reads, and says the error.
func try(dir string) error {
	at := func(name string) string { return filepath.Join(dir, name) }
	f, err := os.OpenFile(at("file"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	root, err := os.Open(dir)
	if err != nil {
		return err
	}
	calls := map[Op]func() error{
		Look:     func() error { _, err := os.Stat(at("nothing")); return ignore(err, syscall.ENOENT) },
		Open:     func() error { _, err := os.Open(at("file")); return err },
		Create:   func() error { _, err := os.Create(at("new")); return err },
		Read:     func() error { _, err := os.ReadFile(at("file")); return err },
		Write:    func() error { _, err := f.WriteAt([]byte("x"), 0); return err },
		Fsync:    f.Sync,
		FsyncDir: root.Sync,
		Resize:   func() error { return f.Truncate(0) },
		Allocate: func() error { return unix.Fallocate(int(f.Fd()), 0, 0, 100) },
		Rename:   func() error { return os.Rename(at("new"), at("newer")) },
		Link:     func() error { return os.Link(at("file"), at("link")) },
		Remove:   func() error { return os.Remove(at("link")) },
		Mkdir:    func() error { return os.Mkdir(at("dir"), 0o700) },
		Attr:     func() error { return os.Chmod(at("file"), 0o640) },
	}
	if _, err := f.WriteString("x"); err != nil {
		return err
	}
	fmt.Println("ready")
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		var errno syscall.Errno
		errors.As(calls[Op(s.Text())](), &errno)
		fmt.Println(int(errno))
	}
	return nil
}

// inherited says how many devices of file systems it got from who started it.
func inherited(string) error {
	entries, err := os.ReadDir("/proc/self/fd")
	devices := 0
	for _, e := range entries {
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); target == "/dev/fuse" {
			devices++
		}
	}
	fmt.Println(devices)
	return err
}

func ignore(err, usual error) error {
	if errors.Is(err, usual) {
		return nil
	}
	return err
}

// bolt puts into a database for ever, and says what is committed.
func bolt(dir string) error {
	db, err := bbolt.Open(filepath.Join(dir, "db"), 0o600, nil)
	if err != nil {
		return err
	}
	root, err := os.Open(dir)
	if err == nil {
		err = root.Sync()
	}
	if err != nil {
		return err
	}
	bucket := []byte("b")
	count := 0
	if err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		if err == nil {
			count = b.Stats().KeyN
		}
		return err
	}); err != nil {
		return err
	}
	if err := db.View(func(tx *bbolt.Tx) error { return errors.Join(slices.Collect(chanValues(tx.Check()))...) }); err != nil {
		return err
	}
	fmt.Println(count)
	for ; ; count++ {
		err := db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket(bucket).Put(fmt.Appendf(nil, "%07d", count*7919%1_000_003), bytes.Repeat([]byte("v"), 900))
		})
		if err != nil {
			return err
		}
		fmt.Println(count + 1)
	}
}

// keepLog appends to a write-ahead log for ever, and says which entry is synced.
func keepLog(dir string) error {
	dir = filepath.Join(dir, "wal")
	o := wal.Options{SegmentBytes: 64 << 10}
	var last, term uint64
	var w *wal.WAL
	if wal.Exists(dir, vfs.OS()) {
		log, found, err := wal.Open(dir, wal.Mark{}, o)
		if err != nil {
			return err
		}
		w, last, term = log, uint64(len(found.Entries)), 1
		for i, e := range found.Entries {
			if e.GetIndex() != uint64(i)+1 {
				return fmt.Errorf("entry %d has index %d", i, e.GetIndex())
			}
		}
	} else {
		log, err := wal.Create(dir, []byte("metadata"), o)
		if err != nil {
			return err
		}
		w, term = log, 1
	}
	for {
		fmt.Println(last)
		last++
		entry := &raftpb.Entry{Term: &term, Index: &last, Data: bytes.Repeat([]byte("d"), 1+int(last*7919%3000))}
		if err := w.Append(nil, []*raftpb.Entry{entry}); err != nil {
			return err
		}
		if err := w.Sync(); err != nil {
			return err
		}
	}
}

func chanValues[T any](c <-chan T) func(func(T) bool) {
	return func(yield func(T) bool) {
		for v := range c {
			if !yield(v) {
				return
			}
		}
	}
}
