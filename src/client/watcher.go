package client

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc/metadata"

	pb "quoin.dev/api/etcdserverpb"
)

var errNoWatch = errors.New("etcdclient: there is no watch whose context has the metadata of this one")

// watcher keeps one stream for all watches with the same metadata.
type watcher struct {
	c      *Client
	remote pb.WatchClient
	// ctx ends with Close. Its values and metadata are not those of any watch.
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows, and watchStream.users; nothing is waited for under it
	closed  bool
	streams map[string]*watchStream
}

// NewWatcher returns a Watcher of a client's connection. It must be closed, or ends with the client.
func NewWatcher(c *Client) Watcher { return NewWatchFromWatchClient(pb.NewWatchClient(c.conn), c) }

// NewWatchFromWatchClient returns a Watcher over a generated client. The client, which may be nil, says how long to wait
// before a broken stream is opened again.
func NewWatchFromWatchClient(remote pb.WatchClient, c *Client) Watcher {
	c = orBare(c)
	w := &watcher{c: c, remote: remote, streams: map[string]*watchStream{}}
	w.ctx, w.cancel = context.WithCancel(c.ctx)
	return w
}

func (w *watcher) Watch(ctx context.Context, key string, opts ...OpOption) WatchChan {
	t := newWatching(ctx, OpWatch(key, opts...))
	for {
		s := w.join(ctx)
		if s == nil {
			t.out <- WatchResponse{Canceled: true, closeErr: context.Canceled}
			close(t.out)
			return t.out
		}
		select {
		case s.requests <- t:
			select {
			case <-t.begun:
			case <-ctx.Done():
			}
			return t.out
		case <-s.done:
			// It ended for a reason of its watches, which is none for this one.
			w.leave(s)
		case <-ctx.Done():
			w.leave(s)
			close(t.out)
			return t.out
		}
	}
}

func (w *watcher) RequestProgress(ctx context.Context) error {
	w.mu.Lock()
	s := w.streams[streamKey(ctx)]
	w.mu.Unlock()
	if s == nil {
		return errNoWatch
	}
	select {
	case s.asked <- struct{}{}:
		return nil
	case <-s.done:
		return errNoWatch
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *watcher) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	w.running.Wait()
	return nil
}

// streamKey is the same for contexts with the same outgoing metadata.
func streamKey(ctx context.Context) string {
	md, _ := metadata.FromOutgoingContext(ctx)
	return fmt.Sprintf("%q", map[string][]string(md)) // in the order of the keys
}

// join returns the stream for watches with the metadata of ctx, nil after Close. Who joins must leave.
func (w *watcher) join(ctx context.Context) *watchStream {
	key := streamKey(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.ctx.Err() != nil {
		return nil
	}
	s := w.streams[key]
	if s == nil {
		md, _ := metadata.FromOutgoingContext(ctx)
		s = newWatchStream(w, key, md)
		w.streams[key] = s
		w.running.Go(s.run)
	}
	s.users++
	return s
}

// leave takes back a join. The last one ends the stream.
func (w *watcher) leave(s *watchStream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.users--; s.users == 0 {
		w.forget(s)
		s.stop()
	}
}

// abandon lets those who join from now on begin a new stream.
func (w *watcher) abandon(s *watchStream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(s)
}

// forget must be called with mu held.
func (w *watcher) forget(s *watchStream) {
	if w.streams[s.key] == s {
		delete(w.streams, s.key)
	}
}
