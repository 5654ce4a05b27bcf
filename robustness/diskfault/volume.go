package diskfault

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// volume answers the calls of the kernel. What it does not know, such as extended attributes and device files, is not supported.
type volume struct {
	fuse.RawFileSystem
	*Disk
}

func (v *volume) String() string { return "quoinlab" }

// status is what the kernel is told for an error.
func status(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return fuse.Status(errno)
	}
	return fuse.EIO
}

func (v *volume) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	dir := v.tree.get(in.NodeId)
	if s := v.admit(cancel, in, Look, dir, name); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	_, err := v.tree.lookup(dir, name, out)
	return status(err)
}

func (v *volume) Forget(id, lookups uint64) { v.tree.forget(id, lookups) }

func (v *volume) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n := v.tree.get(in.NodeId)
	if s := v.admit(cancel, &in.InHeader, Look, n, ""); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	return v.attributes(n, out)
}

func (v *volume) attributes(n *node, out *fuse.AttrOut) fuse.Status {
	var st syscall.Stat_t
	if err := syscall.Fstat(n.fd, &st); err != nil {
		return status(err)
	}
	out.FromStat(&st)
	return fuse.OK
}

func (v *volume) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, op := v.tree.get(in.NodeId), Attr
	size, resize := in.GetSize()
	if resize {
		op = Resize
	}
	if s := v.admit(cancel, &in.InHeader, op, n, ""); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	if resize {
		if err := v.resize(n, in, int64(size)); err != nil {
			return status(err)
		}
	}
	if err := setAttributes(n, in); err != nil {
		return status(err)
	}
	return v.attributes(n, out)
}

func (v *volume) resize(n *node, in *fuse.SetAttrIn, size int64) error {
	if fh, ok := in.GetFh(); ok {
		if _, err := v.handle(fh); err != nil {
			return err
		}
	}
	c, err := v.contents.use(n.ino, n.fd)
	if err != nil {
		return err
	}
	defer v.contents.done(c)
	return c.resize(size)
}

func setAttributes(n *node, in *fuse.SetAttrIn) error {
	if mode, ok := in.GetMode(); ok {
		if err := syscall.Chmod(itself(n.fd), mode); err != nil {
			return err
		}
	}
	uid, user := in.GetUID()
	gid, group := in.GetGID()
	if user || group {
		if err := unix.Fchownat(n.fd, "", int(int32(uid)), int(int32(gid)), unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	mtime, modified := in.GetMTime()
	atime, accessed := in.GetATime()
	if !modified && !accessed {
		return nil
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	if accessed {
		times[0] = unix.NsecToTimespec(atime.UnixNano())
	}
	if modified {
		times[1] = unix.NsecToTimespec(mtime.UnixNano())
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, itself(n.fd), times, 0)
}

func (v *volume) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return v.make(cancel, &in.InHeader, Mkdir, name, out, func(dir *node) error {
		return unix.Mkdirat(dir.fd, name, in.Mode&^in.Umask&07777)
	})
}

func (v *volume) Symlink(cancel <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return v.make(cancel, in, Link, name, out, func(dir *node) error { return unix.Symlinkat(target, dir.fd, name) })
}

func (v *volume) Link(cancel <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	old := v.tree.get(in.Oldnodeid)
	return v.make(cancel, &in.InHeader, Link, name, out, func(dir *node) error {
		return unix.Linkat(unix.AT_FDCWD, itself(old.fd), dir.fd, name, unix.AT_SYMLINK_FOLLOW)
	})
}

// make does something that adds a name to a directory. What is new belongs to who calls.
func (v *volume) make(cancel <-chan struct{}, in *fuse.InHeader, op Op, name string, out *fuse.EntryOut, do func(dir *node) error) fuse.Status {
	dir := v.tree.get(in.NodeId)
	if s := v.admit(cancel, in, op, dir, name); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	if err := v.names.add(dir, name, func() error { return do(dir) }); err != nil {
		return status(err)
	}
	n, err := v.tree.lookup(dir, name, out)
	if err == nil && (op == Mkdir || n.kind == syscall.S_IFLNK) { // the other links are to what somebody owns already
		err = give(n, in.Owner, out)
	}
	return status(err)
}

func (v *volume) Readlink(cancel <-chan struct{}, in *fuse.InHeader) ([]byte, fuse.Status) {
	n := v.tree.get(in.NodeId)
	if s := v.admit(cancel, in, Look, n, ""); !s.Ok() {
		return nil, s
	}
	defer v.gate.RUnlock()
	target := make([]byte, unix.PathMax)
	length, err := unix.Readlinkat(n.fd, "", target)
	if err != nil {
		return nil, status(err)
	}
	return target[:length], fuse.OK
}

func (v *volume) Unlink(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return v.remove(cancel, in, name, v.names.remove)
}

func (v *volume) Rmdir(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return v.remove(cancel, in, name, v.names.removeDir)
}

func (v *volume) remove(cancel <-chan struct{}, in *fuse.InHeader, name string, do func(*node, string) error) fuse.Status {
	dir := v.tree.get(in.NodeId)
	if s := v.admit(cancel, in, Remove, dir, name); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	return status(do(dir, name))
}

func (v *volume) Rename(cancel <-chan struct{}, in *fuse.RenameIn, name, newName string) fuse.Status {
	from, to := v.tree.get(in.NodeId), v.tree.get(in.Newdir)
	if s := v.admit(cancel, &in.InHeader, Rename, from, name); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	if err := v.names.rename(from, name, to, newName, in.Flags); err != nil {
		return status(err)
	}
	v.tree.moved(from, name, to, newName)
	return fuse.OK
}

func (v *volume) StatFs(cancel <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	if s := v.admit(cancel, in, Look, v.tree.root, ""); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(v.tree.root.fd, &st); err != nil {
		return status(err)
	}
	out.FromStatfsT(&st)
	if left, total, limited := v.space.free(); limited {
		out.Blocks = uint64(total / st.Bsize)
		out.Bfree, out.Bavail = uint64(left/st.Bsize), uint64(left/st.Bsize)
	}
	return fuse.OK
}

// list reads a directory.
func (v *volume) list(n *node) ([]fuse.DirEntry, error) {
	entries, err := os.ReadDir(itself(n.fd))
	if err != nil {
		return nil, err
	}
	list := make([]fuse.DirEntry, 0, len(entries))
	for _, e := range entries {
		list = append(list, fuse.DirEntry{Name: e.Name(), Mode: kind(e.Type())})
	}
	return list, nil
}

func kind(m fs.FileMode) uint32 {
	switch {
	case m.IsDir():
		return syscall.S_IFDIR
	case m&fs.ModeSymlink != 0:
		return syscall.S_IFLNK
	}
	return syscall.S_IFREG
}
