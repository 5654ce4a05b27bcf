package diskfault

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// add does something that gives a name to what is new, or has one already.
func (n *names) add(dir *node, name string, do func() error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, st, err := n.entry(dir, name)
	if err != nil {
		return err
	}
	if st != nil {
		return errors.Join(syscall.EEXIST, n.tidy())
	}
	if err := do(); err != nil {
		return err
	}
	return n.record(e)
}

// remove takes the name of a file or symbolic link away.
func (n *names) remove(dir *node, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, st, err := n.entry(dir, name)
	switch {
	case err != nil:
		return err
	case st == nil:
		return syscall.ENOENT
	case e.before.dir:
		return syscall.EISDIR
	}
	if err := unix.Unlinkat(dir.fd, name, 0); err != nil {
		return err
	}
	n.gone(st)
	return n.record(e)
}

// removeDir puts an empty directory aside.
func (n *names) removeDir(dir *node, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, st, err := n.entry(dir, name)
	switch {
	case err != nil:
		return err
	case st == nil:
		return syscall.ENOENT
	case !e.before.dir:
		return syscall.ENOTDIR
	}
	if err := n.park(dir.fd, e); err != nil {
		return err
	}
	return n.record(e)
}

// park moves a directory aside if it is empty.
func (n *names) park(dir int, e entry) error {
	if empty, err := emptyDir(dir, e.name); err != nil || !empty {
		return errors.Join(err, syscall.ENOTEMPTY)
	}
	e.before.removed = true
	return unix.Renameat(dir, e.name, n.aside, asideName(e.before.ino))
}

func emptyDir(dir int, name string) (bool, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	list, _ := f.Readdirnames(1)
	return len(list) == 0, nil
}

// rename gives what has a name another one, in place of what had that before.
func (n *names) rename(from *node, name string, to *node, newName string, flags uint32) error {
	if flags&^unix.RENAME_NOREPLACE != 0 {
		return syscall.EINVAL
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	source, st, err := n.entry(from, name)
	if err != nil {
		return err
	}
	if st == nil {
		return syscall.ENOENT
	}
	target, over, err := n.entry(to, newName)
	if err != nil {
		return err
	}
	if over == nil || over.Ino == st.Ino {
		if err := unix.Renameat2(from.fd, name, to.fd, newName, uint(flags)); err != nil || over != nil {
			return err
		}
		return n.record(source, target)
	}
	if err := n.replace(from, source, to, target, flags); err != nil {
		return err
	}
	n.gone(over)
	return n.record(source, target)
}

// replace is a rename over something.
func (n *names) replace(from *node, source entry, to *node, target entry, flags uint32) error {
	switch {
	case flags&unix.RENAME_NOREPLACE != 0:
		return syscall.EEXIST
	case target.before.dir && !source.before.dir:
		return syscall.EISDIR
	case source.before.dir && !target.before.dir:
		return syscall.ENOTDIR
	case target.before.dir:
		if err := n.park(to.fd, target); err != nil {
			return err
		}
	}
	err := unix.Renameat(from.fd, source.name, to.fd, target.name)
	if err != nil && target.before.dir {
		err = errors.Join(err, unix.Renameat(n.aside, asideName(target.before.ino), to.fd, target.name))
	}
	return err
}

// undo takes back the changes from a place in the list on, the newest first, and makes what is left durable.
func (n *names) undo(from int) (undone int, err error) {
	for i := len(n.changes) - 1; i >= from; i-- {
		entries := n.changes[i].entries
		for j := len(entries) - 1; j >= 0; j-- {
			err = errors.Join(err, n.restore(entries[j]))
		}
		undone++
	}
	return undone, errors.Join(err, n.clear())
}

// restore makes a name stand for what it stood for.
func (n *names) restore(e entry) error {
	dir := n.dirs[e.dir]
	st, err := statAt(dir, e.name)
	switch {
	case errors.Is(err, unix.ENOENT):
	case err != nil:
		return err
	case st.Mode&syscall.S_IFMT == syscall.S_IFDIR:
		err = unix.Renameat(dir, e.name, n.aside, asideName(st.Ino))
	default:
		err = unix.Unlinkat(dir, e.name, 0)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	switch {
	case e.before == nil:
		return nil
	case e.before.dir:
		return unix.Renameat(n.aside, asideName(e.before.ino), dir, e.name)
	}
	return unix.Linkat(n.aside, asideName(e.before.ino), dir, e.name, 0)
}
