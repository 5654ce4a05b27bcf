package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	memPageBytes = 4096
	sectorBytes  = 512
)

type memPage [memPageBytes]byte

// memContent is a sparse run of bytes. A page that is missing holds zeros; bytes of a page past size are zero.
type memContent struct {
	size  int64
	pages map[int64]*memPage
}

func (c *memContent) page(i int64) *memPage {
	if p := c.pages[i]; p != nil {
		return p
	}
	return new(memPage)
}

func (c *memContent) readAt(p []byte, off int64) int {
	n := 0
	for n < len(p) && off < c.size {
		in := off % memPageBytes
		chunk := min(int64(len(p)-n), memPageBytes-in, c.size-off)
		if page := c.pages[off/memPageBytes]; page != nil {
			copy(p[n:n+int(chunk)], page[in:])
		} else {
			clear(p[n : n+int(chunk)])
		}
		n += int(chunk)
		off += chunk
	}
	return n
}

func (c *memContent) set(i int64, p *memPage) {
	if c.pages == nil {
		c.pages = map[int64]*memPage{}
	}
	c.pages[i] = p
}

func (n *memNode) writeAt(p []byte, off int64) {
	for len(p) > 0 {
		i := off / memPageBytes
		page := n.content.pages[i]
		if page == nil {
			page = new(memPage)
			n.content.set(i, page)
		}
		done := copy(page[off%memPageBytes:], p)
		n.dirty[i] = struct{}{}
		p = p[done:]
		off += int64(done)
		n.content.size = max(n.content.size, off)
	}
}

func (n *memNode) truncate(size int64) {
	for i, page := range n.content.pages {
		if (i+1)*memPageBytes <= size {
			continue
		}
		n.dirty[i] = struct{}{}
		if i*memPageBytes >= size {
			delete(n.content.pages, i)
		} else {
			clear(page[size-i*memPageBytes:])
		}
	}
	n.content.size = size
}

func (n *memNode) sync() {
	for i := range n.dirty {
		if page := n.content.pages[i]; page != nil {
			durable := *page
			n.synced.set(i, &durable)
		} else {
			delete(n.synced.pages, i)
		}
	}
	clear(n.dirty)
	n.synced.size = n.content.size
}

type memFile struct {
	fsys     *Mem
	name     string
	node     *memNode
	writable bool
	offset   int64 // of Read, Write and Seek; guarded by fsys.mu
	closed   bool
}

// do runs fn under the lock of the file system unless the file is closed or fn writes to a read-only file.
func (f *memFile) do(op string, writes bool, fn func() error) error {
	f.fsys.mu.Lock()
	defer f.fsys.mu.Unlock()
	switch {
	case f.closed:
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	case writes && !f.writable:
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrPermission}
	}
	return fn()
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) Read(p []byte) (n int, err error) {
	err = f.do("read", false, func() error {
		n = f.node.content.readAt(p, f.offset)
		f.offset += int64(n)
		if n == 0 && len(p) > 0 {
			return io.EOF
		}
		return nil
	})
	return n, err
}

func (f *memFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.do("read", false, func() error {
		if n = f.node.content.readAt(p, off); n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

func (f *memFile) Write(p []byte) (n int, err error) {
	err = f.do("write", true, func() error {
		f.node.writeAt(p, f.offset)
		f.offset += int64(len(p))
		n = len(p)
		return nil
	})
	return n, err
}

func (f *memFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.do("write", true, func() error {
		f.node.writeAt(p, off)
		n = len(p)
		return nil
	})
	return n, err
}

func (f *memFile) Seek(offset int64, whence int) (pos int64, err error) {
	err = f.do("seek", false, func() error {
		switch whence {
		case io.SeekCurrent:
			offset += f.offset
		case io.SeekEnd:
			offset += f.node.content.size
		}
		if offset < 0 {
			return &fs.PathError{Op: "seek", Path: f.name, Err: fmt.Errorf("negative position %d: %w", offset, os.ErrInvalid)}
		}
		f.offset, pos = offset, offset
		return nil
	})
	return pos, err
}

func (f *memFile) Stat() (info fs.FileInfo, err error) {
	err = f.do("stat", false, func() error {
		info = f.node.info(filepath.Base(f.name))
		return nil
	})
	return info, err
}

func (f *memFile) Truncate(size int64) error {
	return f.do("truncate", true, func() error {
		f.node.truncate(size)
		return nil
	})
}

func (f *memFile) Preallocate(size int64) error {
	return f.do("preallocate", true, func() error {
		f.node.content.size = max(f.node.content.size, size)
		return nil
	})
}

func (f *memFile) Sync() error {
	return f.do("sync", false, func() error {
		f.node.sync()
		return nil
	})
}

func (f *memFile) Datasync() error { return f.Sync() }

func (f *memFile) TryLock() error {
	return f.do("lock", true, func() error {
		if f.node.locked != nil && f.node.locked != f {
			return ErrLocked
		}
		f.node.locked = f
		return nil
	})
}

func (f *memFile) Close() error {
	return f.do("close", false, func() error {
		f.closed = true
		if f.node.locked == f {
			f.node.locked = nil
		}
		return nil
	})
}
