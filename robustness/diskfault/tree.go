package diskfault

import (
	"path"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// node is a file or directory that the kernel knows. It holds the inode of the backing directory open, so that the number of the
// inode, which is that of the node, means nothing else meanwhile.
type node struct {
	id   uint64
	ino  uint64
	kind uint32 // as in a mode
	fd   int    // good for addressing only (O_PATH)

	// The rest is guarded by the mutex of the tree.
	lookups uint64
	parent  *node // nil for the root
	name    string
}

// tree holds the nodes. The mutex guards the map and the places of the nodes.
type tree struct {
	mu    sync.Mutex
	nodes map[uint64]*node
	root  *node
}

func (t *tree) open(dir string) error {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return err
	}
	t.root = &node{id: fuse.FUSE_ROOT_ID, ino: st.Ino, kind: st.Mode & syscall.S_IFMT, fd: fd, lookups: 1}
	t.nodes = map[uint64]*node{fuse.FUSE_ROOT_ID: t.root}
	return nil
}

func (t *tree) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.nodes {
		_ = unix.Close(n.fd)
	}
	t.nodes = nil
}

// get returns a node that the kernel speaks of, which it does only as long as it has not forgotten it.
func (t *tree) get(id uint64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nodes[id]
}

// lookup finds what has a name in a directory, and tells the kernel about it.
func (t *tree) lookup(dir *node, name string, out *fuse.EntryOut) (*node, error) {
	fd, err := unix.Openat(dir.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	n := t.known(fd, &st, dir, name)
	out.NodeId, out.Generation = n.id, 1
	out.FromStat(&st)
	return n, nil
}

// known is the node of an inode, and counts that the kernel hears of it.
func (t *tree) known(fd int, st *syscall.Stat_t, dir *node, name string) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[st.Ino]
	if n == nil {
		n = &node{id: st.Ino, ino: st.Ino, kind: st.Mode & syscall.S_IFMT, fd: fd}
		t.nodes[n.id] = n
	} else {
		_ = unix.Close(fd)
	}
	n.lookups++
	n.parent, n.name = dir, name
	return n
}

func (t *tree) forget(id, lookups uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[id]
	if n == nil || n == t.root {
		return
	}
	if n.lookups -= min(lookups, n.lookups); n.lookups == 0 {
		delete(t.nodes, id)
		_ = unix.Close(n.fd)
	}
}

// moved tells that what had a name in a directory has another one.
func (t *tree) moved(from *node, name string, to *node, newName string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.nodes {
		if n.parent == from && n.name == name {
			n.parent, n.name = to, newName
		}
	}
}

// path is where a node is, or where a name in a directory is, relative to the mountpoint. Of many names it is the last that was
// heard of.
func (t *tree) path(n *node, name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range maxDepth {
		if n.parent == nil {
			break
		}
		name = path.Join(n.name, name)
		n = n.parent
	}
	return name
}

// maxDepth ends the way up where a power cut has brought back an older shape of the tree, and the kernel has not asked yet.
const maxDepth = 64
