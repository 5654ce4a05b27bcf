// Package mirror follows the keys of a cluster: all of a prefix as they are at one revision, then every change since. Mirror
// keeps a copy of them in another cluster.
package mirror

import (
	"context"
	"io"

	"quoin.dev/client"
	"quoin.dev/client/pages"
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
	get pages.Get
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

// pages reads all keys at one revision, the one of the first answer unless it is given.
func (s *syncer) pages(ctx context.Context, take func(*client.GetResponse) error) error {
	for r := pages.New(s.get, s.prefix, s.revision); ; {
		page, err := r.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s.revision = r.Revision()
		if err := take(page); err != nil {
			return err
		}
	}
}
