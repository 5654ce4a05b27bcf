package watch

import (
	"math/rand/v2"
	"strings"
)

// interval is [from, to); one that is single is the key from alone, and an open one has no end, whatever to says.
type interval struct {
	from, to     string
	single, open bool
}

// matcher finds the watchers of a key. Watchers of equal intervals share a group; single keys are looked up in a map, other
// intervals in a treap by their start in which each node knows the furthest end below it.
type matcher struct {
	keys  map[string]*group
	root  *node
	count int
}

type group struct {
	interval
	members []*Watcher // each knows its slot
}

type node struct {
	group
	left, right *node
	priority    uint32
	furthest    end
}

// add puts a watcher of an interval in.
func (m *matcher) add(in interval, w *Watcher) {
	g := m.groupOf(in)
	w.group, w.slot = g, int32(len(g.members))
	g.members = append(g.members, w)
	m.count++
}

func (m *matcher) groupOf(in interval) *group {
	if !in.single {
		var n *node
		m.root, n = m.root.insert(in)
		return &n.group
	}
	if m.keys == nil {
		m.keys = map[string]*group{}
	}
	g := m.keys[in.from]
	if g == nil {
		g = &group{interval: in}
		m.keys[in.from] = g
	}
	return g
}

// remove takes a watcher out that is in.
func (m *matcher) remove(w *Watcher) {
	g := w.group
	last := int32(len(g.members) - 1)
	g.members[w.slot] = g.members[last]
	g.members[w.slot].slot = w.slot
	g.members[last] = nil
	g.members = g.members[:last]
	w.group = nil
	m.count--
	switch {
	case last > 0:
	case g.single:
		delete(m.keys, g.from)
	default:
		m.root = m.root.erase(g.interval)
	}
}

// move takes a watcher out and puts it into another matcher.
func (m *matcher) move(w *Watcher, to *matcher) {
	in := w.group.interval
	m.remove(w)
	to.add(in, w)
}

// each calls fn for the watchers of a key. fn must not change the matcher.
func (m *matcher) each(key []byte, fn func(*Watcher)) {
	if g := m.keys[string(key)]; g != nil {
		for _, w := range g.members {
			fn(w)
		}
	}
	m.root.stab(string(key), fn)
}

// all calls fn for every watcher.
func (m *matcher) all(fn func(*Watcher)) {
	for _, g := range m.keys {
		for _, w := range g.members {
			fn(w)
		}
	}
	m.root.walk(fn)
}

func (n *node) walk(fn func(*Watcher)) {
	if n == nil {
		return
	}
	n.left.walk(fn)
	for _, w := range n.members {
		fn(w)
	}
	n.right.walk(fn)
}

func (n *node) stab(key string, fn func(*Watcher)) {
	for n != nil && !n.furthest.by(key) {
		n.left.stab(key, fn)
		if n.from > key {
			return // and so does everything to the right
		}
		if !n.end().by(key) {
			for _, w := range n.members {
				fn(w)
			}
		}
		n = n.right
	}
}

// end is where an interval ends, or that it does not.
type end struct {
	to   string
	open bool
}

func (in interval) end() end { return end{in.to, in.open} }

// by says that an interval with this end does not reach key.
func (e end) by(key string) bool { return !e.open && e.to <= key }

// compare orders ends; none is the last.
func (e end) compare(other end) int {
	switch {
	case e.open && other.open:
		return 0
	case e.open:
		return 1
	case other.open:
		return -1
	}
	return strings.Compare(e.to, other.to)
}

// compare orders by start, then by end.
func (in interval) compare(other interval) int {
	if c := strings.Compare(in.from, other.from); c != 0 {
		return c
	}
	return in.end().compare(other.end())
}

// insert returns the new root of the subtree, and the node of the interval.
func (n *node) insert(in interval) (root, found *node) {
	if n == nil {
		n = &node{group: group{interval: in}, priority: rand.Uint32(), furthest: in.end()}
		return n, n
	}
	switch c := in.compare(n.interval); {
	case c == 0:
		return n, n
	case c < 0:
		if n.left, found = n.left.insert(in); n.left.priority < n.priority {
			return n.rotateRight(), found
		}
	default:
		if n.right, found = n.right.insert(in); n.right.priority < n.priority {
			return n.rotateLeft(), found
		}
	}
	n.update()
	return n, found
}

// erase returns the root of the subtree without the interval, which is in it.
func (n *node) erase(in interval) *node {
	switch c := in.compare(n.interval); {
	case c < 0:
		n.left = n.left.erase(in)
	case c > 0:
		n.right = n.right.erase(in)
	case n.left == nil:
		return n.right
	case n.right == nil:
		return n.left
	case n.left.priority < n.right.priority:
		n = n.rotateRight()
		n.right = n.right.erase(in)
	default:
		n = n.rotateLeft()
		n.left = n.left.erase(in)
	}
	n.update()
	return n
}

func (n *node) rotateRight() *node {
	l := n.left
	n.left, l.right = l.right, n
	n.update()
	l.update()
	return l
}

func (n *node) rotateLeft() *node {
	r := n.right
	n.right, r.left = r.left, n
	n.update()
	r.update()
	return r
}

func (n *node) update() {
	n.furthest = n.end()
	for _, child := range []*node{n.left, n.right} {
		if child != nil && child.furthest.compare(n.furthest) > 0 {
			n.furthest = child.furthest
		}
	}
}
