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

// matcher finds the watchers of a key. Those of equal intervals are linked; the first of a single key is looked up in a map,
// that of another interval in a treap by their start in which each node knows the furthest end below it.
type matcher struct {
	keys  map[string]*Watcher
	root  *node
	count int
}

type node struct {
	interval
	first       *Watcher
	left, right *node
	priority    uint32
	furthest    end
}

// place is where a watcher is in a matcher.
type place struct {
	key           string // of one that watches a single key
	node          *node  // of the others
	before, after *Watcher
}

func (p *place) interval() interval {
	if p.node != nil {
		return p.node.interval
	}
	return interval{from: p.key, single: true}
}

// add puts a watcher of an interval in.
func (m *matcher) add(in interval, w *Watcher) {
	m.count++
	if in.single {
		if m.keys == nil {
			m.keys = map[string]*Watcher{}
		}
		w.place = place{key: in.from, after: m.keys[in.from]}
		if w.after != nil {
			w.key = w.after.key // one string for all
		}
		m.keys[w.key] = w
	} else {
		var n *node
		m.root, n = m.root.insert(in)
		w.place = place{node: n, after: n.first}
		n.first = w
	}
	if w.after != nil {
		w.after.before = w
	}
}

// remove takes a watcher out that is in.
func (m *matcher) remove(w *Watcher) {
	m.count--
	if w.after != nil {
		w.after.before = w.before
	}
	switch {
	case w.before != nil:
		w.before.after = w.after
	case w.node != nil:
		w.node.first = w.after
		if w.after == nil {
			m.root = m.root.erase(w.node.interval)
		}
	case w.after != nil:
		m.keys[w.key] = w.after
	default:
		delete(m.keys, w.key)
	}
	w.place = place{}
}

// move takes a watcher out and puts it into another matcher.
func (m *matcher) move(w *Watcher, to *matcher) {
	in := w.interval()
	m.remove(w)
	to.add(in, w)
}

// each calls fn for the watchers of a key. fn must not change the matcher.
func (m *matcher) each(key []byte, fn func(*Watcher)) {
	m.keys[string(key)].each(fn)
	m.root.stab(string(key), fn)
}

// all calls fn for every watcher.
func (m *matcher) all(fn func(*Watcher)) {
	for _, w := range m.keys {
		w.each(fn)
	}
	m.root.walk(fn)
}

// each calls fn for the watcher, which may be nil, and those that are linked behind it.
func (w *Watcher) each(fn func(*Watcher)) {
	for ; w != nil; w = w.after {
		fn(w)
	}
}

func (n *node) walk(fn func(*Watcher)) {
	if n == nil {
		return
	}
	n.left.walk(fn)
	n.first.each(fn)
	n.right.walk(fn)
}

func (n *node) stab(key string, fn func(*Watcher)) {
	for n != nil && !n.furthest.by(key) {
		n.left.stab(key, fn)
		if n.from > key {
			return // and so does everything to the right
		}
		if !n.end().by(key) {
			n.first.each(fn)
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
		n = &node{interval: in, priority: rand.Uint32(), furthest: in.end()}
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
