package vfs

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Mem is a file system in memory that remembers, next to what programs see, what has been synced. Files are sparse:
// memory is used only for pages that were written.
//
// One mutex guards the whole tree and every file in it; nothing is called while it is held.
type Mem struct {
	mu   sync.Mutex
	root *memNode
}

// memNode is a directory (children is not nil) or a file. The synced fields are what a power cut leaves at least.
type memNode struct {
	mode fs.FileMode

	children, syncedChildren map[string]*memNode

	content, synced memContent
	dirty           map[int64]struct{} // pages that differ, perhaps, between content and synced
	locked          *memFile
}

// NewMem returns an empty file system with a root directory.
func NewMem() *Mem { return &Mem{root: newMemDir(0o700)} }

func newMemDir(perm fs.FileMode) *memNode {
	return &memNode{mode: fs.ModeDir | perm, children: map[string]*memNode{}, syncedChildren: map[string]*memNode{}}
}

func splitPath(name string) []string {
	return strings.FieldsFunc(filepath.ToSlash(filepath.Clean(name)), func(r rune) bool { return r == '/' })
}

// find returns the node of name; m.mu is held.
func (m *Mem) find(op, name string) (*memNode, error) {
	n := m.root
	for _, part := range splitPath(name) {
		if part == "." {
			continue
		}
		next, ok := n.children[part]
		if !ok {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		n = next
	}
	return n, nil
}

func (m *Mem) findParent(op, name string) (*memNode, string, error) {
	dir, err := m.find(op, filepath.Dir(name))
	if err != nil {
		return nil, "", err
	}
	if dir.children == nil {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return dir, filepath.Base(name), nil
}

// OpenFile implements FS with the flags of package os.
func (m *Mem) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.findParent("open", name)
	if err != nil {
		return nil, err
	}
	n, ok := dir.children[base]
	switch {
	case !ok && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case ok && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case ok && n.children != nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	case !ok:
		n = &memNode{mode: perm, dirty: map[int64]struct{}{}}
		dir.children[base] = n
	case flag&os.O_TRUNC != 0:
		n.truncate(0)
	}
	writable := flag&(os.O_RDWR|os.O_WRONLY) != 0
	return &memFile{fsys: m, name: name, node: n, writable: writable}, nil
}

// Rename implements FS; like rename(2) it replaces a file, and a directory only when that is empty.
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, oldBase, err := m.findParent("rename", oldName)
	if err != nil {
		return err
	}
	to, newBase, err := m.findParent("rename", newName)
	if err != nil {
		return err
	}
	n, ok := from.children[oldBase]
	if !ok {
		return &fs.PathError{Op: "rename", Path: oldName, Err: fs.ErrNotExist}
	}
	if old := to.children[newBase]; old != nil && len(old.children) > 0 {
		return &fs.PathError{Op: "rename", Path: newName, Err: fs.ErrExist}
	}
	delete(from.children, oldBase)
	to.children[newBase] = n
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.findParent("remove", name)
	if err != nil {
		return err
	}
	n, ok := dir.children[base]
	if !ok {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if len(n.children) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	delete(dir.children, base)
	return nil
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.findParent("remove", name)
	if err == nil {
		delete(dir.children, base)
	}
	return ignoreNotExist(err)
}

// MkdirAll implements FS. A new directory is durable after SyncDir of its parent, as a new file is.
func (m *Mem) MkdirAll(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	for _, part := range splitPath(name) {
		next, ok := n.children[part]
		if !ok {
			next = newMemDir(perm)
			n.children[part] = next
		}
		if next.children == nil {
			return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
		n = next
	}
	return nil
}

// ReadDir implements FS.
func (m *Mem) ReadDir(name string) ([]fs.DirEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.children == nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	var out []fs.DirEntry
	for _, base := range slices.Sorted(maps.Keys(n.children)) {
		out = append(out, fs.FileInfoToDirEntry(n.children[base].info(base)))
	}
	return out, nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("stat", name)
	if err != nil {
		return nil, err
	}
	return n.info(filepath.Base(name)), nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("sync", name)
	if err != nil {
		return err
	}
	n.syncedChildren = maps.Clone(n.children)
	return nil
}

type memInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (n *memNode) info(base string) fs.FileInfo { return memInfo{base, n.content.size, n.mode} }

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) Mode() fs.FileMode  { return i.mode }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i memInfo) Sys() any           { return nil }
