package vfs

import "maps"

// PowerCut returns what a machine would find after losing power now: a new file system, unlocked, with everything that
// was synced. Each thing that was written but not synced survives when keep says so: every 512-byte sector by itself,
// the size of every file, and the entries of every directory together. A nil keep loses all of it. The receiver goes
// on unchanged, so that a test can cut the power at every step of one run.
func (m *Mem) PowerCut(keep func() bool) *Mem {
	if keep == nil {
		keep = func() bool { return false }
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Mem{root: m.root.survivor(keep, map[*memNode]*memNode{})}
}

// survivor copies a node as it is after a cut. seen keeps a file that has two names one file.
func (n *memNode) survivor(keep func() bool, seen map[*memNode]*memNode) *memNode {
	if done := seen[n]; done != nil {
		return done
	}
	out := &memNode{mode: n.mode}
	seen[n] = out
	if n.children == nil {
		n.survivingContent(out, keep)
		return out
	}
	children := n.syncedChildren
	if !maps.Equal(n.children, n.syncedChildren) && keep() {
		children = n.children
	}
	out.children = make(map[string]*memNode, len(children))
	for _, name := range sortedNames(children) {
		out.children[name] = children[name].survivor(keep, seen)
	}
	out.syncedChildren = maps.Clone(out.children)
	return out
}

func (n *memNode) survivingContent(out *memNode, keep func() bool) {
	size := n.synced.size
	if size != n.content.size && keep() {
		size = n.content.size
	}
	after := memContent{size: max(n.synced.size, n.content.size)}
	for i, page := range n.synced.pages {
		durable := *page
		after.set(i, &durable)
	}
	for _, i := range sortedPages(n.dirty) {
		page, written := after.page(i), n.content.page(i)
		for s := 0; s < memPageBytes; s += sectorBytes {
			old, latest := page[s:s+sectorBytes], written[s:s+sectorBytes]
			if string(old) != string(latest) && keep() {
				copy(old, latest)
			}
		}
		after.set(i, page)
	}
	out.content = after
	out.dirty = map[int64]struct{}{}
	out.truncate(size)
	for i := range after.pages {
		out.dirty[i] = struct{}{}
	}
	out.sync()
}

// Kill does to the files what the end of a process does, however it came about: nothing is locked any more.
func (m *Mem) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.root.each(func(n *memNode) { n.locked = nil })
}

// LoseWrites does what a sync that fails does in a kernel: everything that was written to the files and not synced is shown from
// now on, but does not reach the disk, whatever is synced later, unless the same page is written again.
func (m *Mem) LoseWrites() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.root.each(func(n *memNode) { clear(n.dirty) })
}

// each calls fn for everything below a directory that has a name, and for the directory.
func (n *memNode) each(fn func(*memNode)) {
	fn(n)
	for _, child := range n.children {
		child.each(fn)
	}
}
