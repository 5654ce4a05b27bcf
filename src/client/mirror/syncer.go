// Package mirror follows the keys of a cluster: all of a prefix as they are at one revision, then every change since. Mirror
// keeps a copy of them in another cluster.
package mirror

import (
	"context"

	"quoin.dev/client"
)

// The keys of a page are as many as fit between these sizes, as far as the page before tells, and at most maxPageKeys.
const (
	firstPageKeys = 128
	maxPageKeys   = 8192
	smallPage     = 512 << 10 // bytes
	largePage     = 2 << 20   // bytes
)

// Syncer reads the keys of a prefix, and then their changes.
type Syncer interface {
	// SyncBase sends the keys, in pages, as they are at the revision of the Syncer, or at the newest one if that is 0. Both
	// channels are closed at the end; an error before that comes on the second.
	SyncBase(ctx context.Context) (<-chan *client.GetResponse, chan error)
	// SyncUpdates watches the keys from behind the revision of the Syncer on. If that was 0, SyncBase must have ended.
	SyncUpdates(ctx context.Context) client.WatchChan
}

// NewSyncer returns a Syncer of the keys with the prefix; "" is every key. With revision 0 it begins at the newest one.
func NewSyncer(c *client.Client, prefix string, revision int64) Syncer {
	return newSyncer(c, prefix, revision)
}

type syncer struct {
	c        *client.Client
	prefix   string
	revision int64

	// get is c.Get, or what a Mirror puts around it.
	get func(ctx context.Context, key string, opts ...client.OpOption) (*client.GetResponse, error)
}

func newSyncer(c *client.Client, prefix string, revision int64) *syncer {
	return &syncer{c: c, prefix: prefix, revision: revision, get: c.Get}
}

func (s *syncer) SyncBase(ctx context.Context) (<-chan *client.GetResponse, chan error) {
	pages, failed := make(chan *client.GetResponse, 1), make(chan error, 1)
	go func() {
		defer close(pages)
		defer close(failed)
		err := s.pages(ctx, func(page *client.GetResponse) error {
			select {
			case pages <- page:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil {
			failed <- err
		}
	}()
	return pages, failed
}

func (s *syncer) SyncUpdates(ctx context.Context) client.WatchChan {
	if s.revision == 0 {
		panic("mirror: SyncUpdates has no revision to begin with; wait for the end of SyncBase, or give NewSyncer one")
	}
	return s.c.Watch(ctx, s.prefix, client.WithPrefix(), client.WithRev(s.revision+1))
}

// pages reads all keys at one revision, the one of the first answer unless it is given. Large values make the pages short,
// so that neither side holds more than some megabytes.
func (s *syncer) pages(ctx context.Context, take func(*client.GetResponse) error) error {
	key, end := "\x00", "\x00"
	if s.prefix != "" {
		key, end = s.prefix, client.GetPrefixRangeEnd(s.prefix)
	}
	for keys := firstPageKeys; ; {
		page, err := s.get(ctx, key, client.WithRange(end), client.WithRev(s.revision), client.WithLimit(int64(keys)))
		if err != nil {
			return err
		}
		if s.revision == 0 {
			s.revision = page.Header.Revision
		}
		if err := take(page); err != nil {
			return err
		}
		if !page.More || len(page.Kvs) == 0 {
			return nil
		}
		key = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		keys = pageKeys(keys, page)
	}
}

// pageKeys returns how many keys to ask for after a page.
func pageKeys(keys int, last *client.GetResponse) int {
	size := 0
	for _, kv := range last.Kvs {
		size += len(kv.Key) + len(kv.Value)
	}
	switch {
	case size < smallPage:
		return min(2*keys, maxPageKeys)
	case size > largePage:
		return max(keys/2, 1)
	}
	return keys
}
