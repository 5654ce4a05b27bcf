package watch

import (
	"context"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"quoin.dev/storage/mvcc"
)

// Field numbers of WatchResponse, mvccpb.Event and mvccpb.KeyValue, and the type of an event that deletes.
const (
	responseEventsField = 11

	eventTypeField   = 1
	eventKVField     = 2
	eventPrevKVField = 3

	kvModRevisionField = 3

	eventTypeDelete = 1
)

// Event is one change of one key. It is encoded once, however many watch it.
type Event struct {
	Key      []byte
	Revision int64
	Delete   bool

	created bool   // there was no key before, hence no previous value
	frame   []byte // as field of a WatchResponse

	prev     sync.Once
	withPrev []byte // the same with the previous value, once somebody asked for it
}

// newEvent encodes a change.
func newEvent(c *mvcc.Change) *Event {
	body := make([]byte, 0, len(c.Raw)+32)
	kv := len(c.Raw)
	if c.Tombstone {
		body = protowire.AppendTag(body, eventTypeField, protowire.VarintType)
		body = protowire.AppendVarint(body, eventTypeDelete)
		kv += protowire.SizeTag(kvModRevisionField) + protowire.SizeVarint(uint64(c.Revision))
	}
	body = protowire.AppendTag(body, eventKVField, protowire.BytesType)
	body = protowire.AppendVarint(body, uint64(kv))
	body = append(body, c.Raw...)
	if c.Tombstone {
		// The stored row of a deletion has the key alone.
		body = protowire.AppendTag(body, kvModRevisionField, protowire.VarintType)
		body = protowire.AppendVarint(body, uint64(c.Revision))
	}
	return &Event{Key: c.Key, Revision: c.Revision, Delete: c.Tombstone, created: !c.Tombstone && c.Version == 1, frame: frameOf(body)}
}

// frameOf makes a field of a WatchResponse of the parts of an event.
func frameOf(parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	frame := make([]byte, 0, protowire.SizeTag(responseEventsField)+protowire.SizeBytes(size))
	frame = protowire.AppendTag(frame, responseEventsField, protowire.BytesType)
	frame = protowire.AppendVarint(frame, uint64(size))
	for _, p := range parts {
		frame = append(frame, p...)
	}
	return frame
}

// frameWithPrev is the frame with the value that the key had at the revision before, if it had one that is not compacted.
func (e *Event) frameWithPrev(store *mvcc.Store) []byte {
	if e.created {
		return e.frame
	}
	e.prev.Do(func() {
		e.withPrev = e.frame
		// The only error is that the revision before is compacted: then the event goes without its previous value.
		_, _ = store.Range(context.Background(), e.Key, nil, mvcc.RangeOptions{Revision: e.Revision - 1}, func(prev []byte) error {
			_, _, tag := protowire.ConsumeTag(e.frame)
			body, _ := protowire.ConsumeBytes(e.frame[tag:])
			head := protowire.AppendTag(nil, eventPrevKVField, protowire.BytesType)
			e.withPrev = frameOf(body, protowire.AppendVarint(head, uint64(len(prev))), prev)
			return nil
		})
	})
	return e.withPrev
}
