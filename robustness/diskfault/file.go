package diskfault

import (
	"errors"
	"io"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func (v *volume) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if s := v.admit(cancel, &in.InHeader, Read, v.tree.get(in.NodeId), ""); !s.Ok() {
		return nil, s
	}
	defer v.gate.RUnlock()
	h, err := v.handle(in.Fh)
	if err != nil {
		return nil, status(err)
	}
	n, err := h.file.ReadAt(buf[:min(len(buf), int(in.Size))], int64(in.Offset))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, status(err)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (v *volume) Lseek(cancel <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	if s := v.admit(cancel, &in.InHeader, Look, v.tree.get(in.NodeId), ""); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	h, err := v.handle(in.Fh)
	if err != nil {
		return status(err)
	}
	at, err := unix.Seek(int(h.file.Fd()), int64(in.Offset), int(in.Whence))
	out.Offset = uint64(at)
	return status(err)
}

// writable finds an open file that may be written to.
func (d *Disk) writable(fh uint64) (*content, error) {
	h, err := d.handle(fh)
	if err == nil && h.content == nil {
		err = syscall.EBADF
	}
	if err != nil {
		return nil, err
	}
	return h.content, nil
}

func (v *volume) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if s := v.admit(cancel, &in.InHeader, Write, v.tree.get(in.NodeId), ""); !s.Ok() {
		return 0, s
	}
	defer v.gate.RUnlock()
	c, err := v.writable(in.Fh)
	if err != nil {
		return 0, status(err)
	}
	n, err := c.write(data, int64(in.Offset))
	return uint32(n), status(err)
}

func (v *volume) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	if s := v.admit(cancel, &in.InHeader, Allocate, v.tree.get(in.NodeId), ""); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	c, err := v.writable(in.Fh)
	if err != nil {
		return status(err)
	}
	return status(c.allocate(int64(in.Offset), int64(in.Length), in.Mode))
}

// Flush comes when a file is closed; like Release it never waits.
func (v *volume) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

// Fsync makes durable what the file held when it was called; what came while it waited has no promise.
func (v *volume) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	n, newest, bytes := v.tree.get(in.NodeId), uint64(0), int64(0)
	c := v.contents.find(n.ino)
	if c != nil {
		newest, bytes = c.newest(), c.unsynced()
	}
	s, drop := v.admitSync(cancel, &in.InHeader, Fsync, n, "", bytes)
	if !s.Ok() {
		if drop && c != nil {
			c.drop(newest)
		}
		return s
	}
	defer v.gate.RUnlock()
	if c != nil {
		c.settle(newest)
		v.contents.tidy(c)
	}
	if v.options.OneJournal {
		return status(v.names.settleAll())
	}
	return fuse.OK
}

// FsyncDir makes the names in a directory durable.
func (v *volume) FsyncDir(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	n := v.tree.get(in.NodeId)
	if s := v.admit(cancel, &in.InHeader, FsyncDir, n, ""); !s.Ok() {
		return s
	}
	defer v.gate.RUnlock()
	if _, err := v.handle(in.Fh); err != nil {
		return status(err)
	}
	if v.options.OneJournal {
		return status(v.names.settleAll())
	}
	return status(v.names.settle(n.ino))
}
