package diskfault

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// handle is a file or directory that somebody has open.
type handle struct {
	node    *node
	boot    uint64   // of the disk when it was opened
	file    *os.File // nil for a directory
	content *content // nil if it is not open for writing
	entries []fuse.DirEntry
}

// handles are those there are. The mutex guards both fields.
type handles struct {
	mu   sync.Mutex
	last uint64
	open map[uint64]*handle
}

func (h *handles) add(n *handle) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		h.open = map[uint64]*handle{}
	}
	h.last++
	h.open[h.last] = n
	return h.last
}

func (h *handles) get(fh uint64) *handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open[fh]
}

func (h *handles) remove(fh uint64) *handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.open[fh]
	delete(h.open, fh)
	return old
}

func (h *handles) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.open {
		if one.file != nil {
			_ = one.file.Close()
		}
	}
	h.open = nil
}

// handle finds an open file. One from before a power cut is of no use.
func (d *Disk) handle(fh uint64) (*handle, error) {
	h := d.handles.get(fh)
	if h == nil {
		return nil, syscall.EBADF
	}
	if h.boot != d.boots.Load() {
		return nil, syscall.EIO
	}
	return h, nil
}

// opened makes a handle of a file that is open, and takes the file over.
func (d *Disk) opened(n *node, file *os.File, flags uint32) (uint64, error) {
	h := &handle{node: n, boot: d.boots.Load(), file: file}
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		var err error
		if h.content, err = d.contents.use(n.ino, n.fd); err != nil {
			_ = file.Close()
			return 0, err
		}
		if flags&syscall.O_TRUNC != 0 {
			if err := h.content.resize(0); err != nil {
				d.contents.done(h.content)
				_ = file.Close()
				return 0, err
			}
		}
	}
	return d.handles.add(h), nil
}

func (v *volume) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n := v.tree.get(in.NodeId)
	if s := v.admit(cancel, &in.InHeader, Open, n, ""); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	file, err := os.Open(itself(n.fd))
	if err != nil {
		return status(err)
	}
	out.Fh, err = v.opened(n, file, in.Flags)
	return status(err)
}

func (v *volume) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	dir := v.tree.get(in.NodeId)
	if s := v.admit(cancel, &in.InHeader, Create, dir, name); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	fd, err := -1, error(nil)
	addErr := v.names.add(dir, name, func() error {
		fd, err = unix.Openat(dir.fd, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, in.Mode&^in.Umask&07777)
		return err
	})
	if errors.Is(addErr, syscall.EEXIST) && in.Flags&syscall.O_EXCL == 0 {
		fd, addErr = unix.Openat(dir.fd, name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if addErr != nil {
		return status(addErr)
	}
	file := os.NewFile(uintptr(fd), name)
	n, err := v.tree.lookup(dir, name, &out.EntryOut)
	if err == nil {
		err = give(n, in.Owner, &out.EntryOut)
	}
	if err != nil {
		_ = file.Close()
		return status(err)
	}
	out.Fh, err = v.opened(n, file, in.Flags)
	return status(err)
}

// give makes a new file belong to who has made it.
func give(n *node, owner fuse.Owner, out *fuse.EntryOut) error {
	if out.Owner == owner {
		return nil
	}
	out.Owner = owner
	return unix.Fchownat(n.fd, "", int(owner.Uid), int(owner.Gid), unix.AT_EMPTY_PATH)
}

// Release and ReleaseDir never wait: a process that ends closes its files, and could not end else.
func (v *volume) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	h := v.handles.remove(in.Fh)
	if h == nil {
		return
	}
	if h.content != nil {
		v.contents.done(h.content)
	}
	_ = h.file.Close()
}

func (v *volume) ReleaseDir(in *fuse.ReleaseIn) { v.handles.remove(in.Fh) }

func (v *volume) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n := v.tree.get(in.NodeId)
	if s := v.admit(cancel, &in.InHeader, Open, n, ""); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	out.Fh = v.handles.add(&handle{node: n, boot: v.boots.Load()})
	return fuse.OK
}

func (v *volume) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	n := v.tree.get(in.NodeId)
	if s := v.admit(cancel, &in.InHeader, Look, n, ""); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	h, err := v.handle(in.Fh)
	if err != nil {
		return status(err)
	}
	if in.Offset == 0 {
		if h.entries, err = v.list(n); err != nil {
			return status(err)
		}
	}
	for _, e := range h.entries[min(in.Offset, uint64(len(h.entries))):] {
		if !out.AddDirEntry(e) {
			break
		}
	}
	return fuse.OK
}
