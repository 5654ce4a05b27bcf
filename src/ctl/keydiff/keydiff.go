// Package keydiff finds the keys that differ between two revisions of a store, in the memory that two pages take.
package keydiff

import (
	"bytes"
	"context"
	"errors"
	"io"

	"quoin.dev/api/mvccpb"
	"quoin.dev/client/pages"
)

// Change is a key that differs. Old is nil where it was added, New where it was removed. Otherwise it was written in between,
// maybe with the same value.
type Change struct {
	Old, New *mvccpb.KeyValue
}

// Key is the key that differs.
func (c Change) Key() []byte {
	if c.New != nil {
		return c.New.Key
	}
	return c.Old.Key
}

// Find reads both sides, which are of one prefix at two revisions, and tells of every key that differs, in the order of the keys.
// It ends at the first error.
func Find(ctx context.Context, from, to *pages.Reader, tell func(Change) error) error {
	old, current := &side{reader: from}, &side{reader: to}
	for {
		a, err := old.first(ctx)
		if err != nil {
			return err
		}
		b, err := current.first(ctx)
		if err != nil {
			return err
		}
		c := Change{Old: a, New: b}
		switch {
		case a == nil && b == nil:
			return nil
		case a == nil || b != nil && bytes.Compare(b.Key, a.Key) < 0:
			c.Old = nil
			current.take()
		case b == nil || bytes.Compare(a.Key, b.Key) < 0:
			c.New = nil
			old.take()
		default:
			old.take()
			current.take()
			if a.ModRevision == b.ModRevision {
				continue
			}
		}
		if err := tell(c); err != nil {
			return err
		}
	}
}

// side is what is left of one revision.
type side struct {
	reader *pages.Reader
	page   []*mvccpb.KeyValue
	over   bool
}

// first returns the first key, nil if there is none any more.
func (s *side) first(ctx context.Context) (*mvccpb.KeyValue, error) {
	for len(s.page) == 0 && !s.over {
		page, err := s.reader.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			s.over = true
		case err != nil:
			return nil, err
		default:
			s.page = page.Kvs
		}
	}
	if s.over && len(s.page) == 0 {
		return nil, nil
	}
	return s.page[0], nil
}

func (s *side) take() { s.page = s.page[1:] }
