package diskfault

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// names are the changes of directories that no sync has followed yet, and how to undo them.
//
// What has lost a name lies aside, under the number of its inode, so that it can get the name back: a file by another link, a
// directory, which is empty, itself. The mutex guards all fields, and is held over the calls to the backing directory, so that the
// order of the changes here is the one that happened.
type names struct {
	budget *budget
	space  *space

	mu      sync.Mutex
	path    string
	aside   int // directory of what lies aside
	changes []renaming
	dirs    map[uint64]int // the directories of the changes, open
}

// renaming is one change that a power cut undoes as a whole.
type renaming struct{ entries []entry }

// entry is what a name in a directory stood for.
type entry struct {
	dir    uint64
	name   string
	before *thing // nil: nothing
}

// thing is a file or a directory.
type thing struct {
	ino     uint64
	dir     bool
	removed bool // a directory that has no name any more
}

const (
	nameBytes  = 256     // what a change of a name costs
	namesLimit = 1 << 12 // changes that are remembered at most: a sync of one directory looks at all of them
)

func openNames(path string, b *budget, s *space) (*names, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	n := &names{budget: b, space: s, path: path, aside: fd, dirs: map[uint64]int{}}
	return n, n.clear()
}

func (n *names) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.clear()
	return errors.Join(err, unix.Close(n.aside), os.Remove(n.path))
}

// clear forgets all changes: what there is now is what there was all the time.
func (n *names) clear() error {
	n.budget.refund(int64(len(n.changes)) * nameBytes)
	n.changes = nil
	return n.tidy()
}

// tidy lets go of what no change refers to.
func (n *names) tidy() error {
	needed, dirs := map[string]bool{}, map[uint64]bool{}
	for _, c := range n.changes {
		for _, e := range c.entries {
			dirs[e.dir] = true
			if e.before != nil {
				needed[asideName(e.before.ino)] = true
			}
		}
	}
	for ino, fd := range n.dirs {
		if !dirs[ino] {
			_ = unix.Close(fd)
			delete(n.dirs, ino)
		}
	}
	there, err := os.ReadDir(n.path)
	if err != nil {
		return err
	}
	for _, e := range there {
		if !needed[e.Name()] {
			err = errors.Join(err, os.RemoveAll(n.path+"/"+e.Name()))
		}
	}
	return err
}

func asideName(ino uint64) string { return strconv.FormatUint(ino, 10) }

// record remembers a change, or takes all of them for synced when there are too many.
func (n *names) record(entries ...entry) error {
	n.changes = append(n.changes, renaming{entries})
	if n.budget.spend(nameBytes) && len(n.changes) <= namesLimit {
		return nil
	}
	return n.clear()
}

// settle makes the names in a directory durable, and what they build on: changes before them in a directory that a change between
// two directories touched, and in directories that were removed.
func (n *names) settle(dir uint64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	settled := map[uint64]bool{dir: true}
	var open []renaming
	for _, c := range slices.Backward(n.changes) {
		if !slices.ContainsFunc(c.entries, func(e entry) bool { return settled[e.dir] }) {
			open = append(open, c)
			continue
		}
		for _, e := range c.entries {
			settled[e.dir] = true
			if e.before != nil && e.before.removed {
				settled[e.before.ino] = true
			}
		}
	}
	slices.Reverse(open)
	n.budget.refund(int64(len(n.changes)-len(open)) * nameBytes)
	n.changes = open
	return n.tidy()
}

// settleAll makes all names durable.
func (n *names) settleAll() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.changes) == 0 {
		return nil
	}
	return n.clear()
}

// entry is a name as it is now. What it stands for gets another name aside.
func (n *names) entry(dir *node, name string) (e entry, st *syscall.Stat_t, err error) {
	if _, ok := n.dirs[dir.ino]; !ok {
		fd, err := unix.FcntlInt(uintptr(dir.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return entry{}, nil, err
		}
		n.dirs[dir.ino] = fd
	}
	e = entry{dir: dir.ino, name: name}
	st, err = statAt(dir.fd, name)
	if errors.Is(err, unix.ENOENT) {
		return e, nil, nil
	}
	if err != nil {
		return entry{}, nil, err
	}
	e.before = &thing{ino: st.Ino, dir: st.Mode&syscall.S_IFMT == syscall.S_IFDIR}
	if !e.before.dir {
		err = unix.Linkat(dir.fd, name, n.aside, asideName(st.Ino), 0)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return entry{}, nil, err
		}
		st, err = statAt(dir.fd, name)
	}
	return e, st, err
}

// gone tells that a name of a file was taken away. If that was its last one, besides the one aside, its room is free.
func (n *names) gone(st *syscall.Stat_t) {
	const it, aside = 1, 1
	if st.Mode&syscall.S_IFMT == syscall.S_IFREG && st.Nlink == it+aside {
		n.space.take(-st.Blocks * blockUnit)
	}
}

func statAt(dir int, name string) (*syscall.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	return &syscall.Stat_t{Ino: st.Ino, Mode: st.Mode, Nlink: uint64(st.Nlink), Blocks: st.Blocks}, nil
}
