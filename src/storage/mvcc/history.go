package mvcc

import (
	"context"
	"errors"
	"fmt"

	"quoin.dev/storage/backend"
)

// Changes reads what happened from revision from on, oldest first: whole revisions, until their rows have about maxBytes.
// It returns the revision to go on from, which is one above the current if everything was read. The changes stay valid.
// Errors: ErrCompacted if a change at from or behind it may be gone, ErrClosed, and the context's.
func (s *Store) Changes(ctx context.Context, from int64, maxBytes int, fn func(Change)) (next int64, err error) {
	s.mu.RLock()
	current := s.current.Load()
	switch {
	case from > current:
		s.mu.RUnlock()
		return from, nil
	case from < s.compacted.Load():
		s.mu.RUnlock()
		return 0, ErrCompacted
	}
	// While from is pinned no later compaction begins to delete.
	s.pins.add(from)
	s.mu.RUnlock()
	defer s.pins.remove(from)

	next, start, bytes := current+1, backend.Revision{Main: from}, 0
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		more = false
		rows := 0
		v := s.b.View()
		err := v.Scan(backend.Key, backend.AppendRevisionKey(nil, start, false), nil, func(key, value []byte) error {
			r, tombstone, err := backend.ParseRevisionKey(key)
			if err != nil {
				return fmt.Errorf("bucket key: %w: restore the member from a snapshot", err)
			}
			switch {
			case r.Main > current:
				return errEnough
			case r.Main > start.Main && bytes >= maxBytes:
				next = r.Main
				return errEnough
			case rows == s.rowsPerView:
				more, start = true, r
				return errEnough
			}
			rows++
			start.Main = r.Main
			if len(value) == 0 {
				return nil // only moves the revision
			}
			raw := append(make([]byte, 0, len(value)), value...)
			kv := mustParse(raw)
			bytes += len(raw)
			fn(Change{Key: kv.key, Revision: r.Main, Sub: r.Sub, Tombstone: tombstone, Raw: raw, Version: kv.version})
			return nil
		})
		v.Close()
		if err != nil && !errors.Is(err, errEnough) {
			return 0, err
		}
	}
	return next, nil
}
