// Package persistent is a sorted map that never changes: what changes it returns another one, which shares nearly everything with it.
package persistent

import (
	"cmp"
	"hash/fnv"
)

// Map has strings as keys. The zero Map is empty.
//
// It is a treap: a search tree by key, and a heap by a number that is drawn from the key. So its shape depends on its keys alone,
// its depth is that of a random tree, and a change copies the nodes on one path.
type Map[V any] struct{ root *node[V] }

type node[V any] struct {
	key         string
	value       V
	priority    uint64
	size        int
	left, right *node[V]
}

// Len is the number of keys.
func (m Map[V]) Len() int { return m.root.count() }

// Get finds the value of a key.
func (m Map[V]) Get(key string) (V, bool) {
	for n := m.root; n != nil; {
		switch cmp.Compare(key, n.key) {
		case 0:
			return n.value, true
		case -1:
			n = n.left
		default:
			n = n.right
		}
	}
	var none V
	return none, false
}

// With is the map in which a key has a value.
func (m Map[V]) With(key string, value V) Map[V] {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return Map[V]{m.root.with(key, value, h.Sum64()*0x9e3779b97f4a7c15)}
}

// Without is the map without a key.
func (m Map[V]) Without(key string) Map[V] { return Map[V]{m.root.without(key)} }

// From calls f for each key from one on, in their order, until it is false.
func (m Map[V]) From(key string, f func(key string, value V) bool) { m.root.from(key, f) }

func (n *node[V]) count() int {
	if n == nil {
		return 0
	}
	return n.size
}

// between is a copy of n with these children.
func (n *node[V]) between(left, right *node[V]) *node[V] {
	return &node[V]{n.key, n.value, n.priority, left.count() + right.count() + 1, left, right}
}

func (n *node[V]) with(key string, value V, priority uint64) *node[V] {
	if n == nil || priority > n.priority { // then the key is not below, where no priority is higher
		left, right := n.split(key)
		return (&node[V]{key: key, value: value, priority: priority}).between(left, right)
	}
	switch cmp.Compare(key, n.key) {
	case 0:
		same := *n
		same.value = value
		return &same
	case -1:
		return n.between(n.left.with(key, value, priority), n.right)
	default:
		return n.between(n.left, n.right.with(key, value, priority))
	}
}

// split parts the keys before one from those after it.
func (n *node[V]) split(key string) (before, after *node[V]) {
	if n == nil {
		return nil, nil
	}
	if n.key < key {
		before, after = n.right.split(key)
		return n.between(n.left, before), after
	}
	before, after = n.left.split(key)
	return before, n.between(after, n.right)
}

func (n *node[V]) without(key string) *node[V] {
	if n == nil {
		return nil
	}
	switch cmp.Compare(key, n.key) {
	case 0:
		return join(n.left, n.right)
	case -1:
		return n.between(n.left.without(key), n.right)
	default:
		return n.between(n.left, n.right.without(key))
	}
}

// join is the reverse of split.
func join[V any](before, after *node[V]) *node[V] {
	switch {
	case before == nil:
		return after
	case after == nil:
		return before
	case before.priority > after.priority:
		return before.between(before.left, join(before.right, after))
	default:
		return after.between(join(before, after.left), after.right)
	}
}

func (n *node[V]) from(key string, f func(string, V) bool) bool {
	if n == nil {
		return true
	}
	if n.key < key {
		return n.right.from(key, f)
	}
	return n.left.from(key, f) && f(n.key, n.value) && n.right.from(key, f)
}
