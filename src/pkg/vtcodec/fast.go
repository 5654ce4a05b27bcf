package vtcodec

import (
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A member must not let a request through that the protobuf library would refuse: the members that apply it later decode
// it with the library and would fail. The generated decoder checks less. It does not look whether strings are UTF-8, and
// it follows messages within messages to any depth, where the library stops at 10 000. So it is used where there is nothing
// to check: for types without strings, and, if such a type can hold itself, while the bytes are too few to nest that deep.
const (
	maxDepth = 10_000
	// Every level takes at least a tag and a length.
	minLevelBytes = 2
	// longest is the size from which a message of a type that can hold itself may nest too deep.
	longest = maxDepth * minLevelBytes
)

// shape is what fast has to know about a message type and all that it can hold.
type shape struct{ strings, recursive bool }

// shapes caches shapes by descriptor. It holds one entry per message type that was ever decoded.
var shapes sync.Map // protoreflect.MessageDescriptor -> shape

// fast reports whether the generated decoder may read size bytes of a stranger into a message of the type.
func fast(d protoreflect.MessageDescriptor, size int) bool {
	v, ok := shapes.Load(d)
	if !ok {
		var s shape
		s.add(d, map[protoreflect.FullName]bool{})
		v, _ = shapes.LoadOrStore(d, s)
	}
	s := v.(shape)
	return !s.strings && (!s.recursive || size < longest)
}

// add walks the tree of types below d; above holds those on the way from the root to d.
func (s *shape) add(d protoreflect.MessageDescriptor, above map[protoreflect.FullName]bool) {
	if above[d.FullName()] {
		s.recursive = true
		return
	}
	above[d.FullName()] = true
	defer delete(above, d.FullName())
	for i := range d.Fields().Len() {
		switch f := d.Fields().Get(i); f.Kind() {
		case protoreflect.StringKind:
			s.strings = true
		case protoreflect.MessageKind, protoreflect.GroupKind:
			s.add(f.Message(), above)
		}
	}
}
