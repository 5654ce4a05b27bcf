// Package turn waits in a line of keys for one's turn: whoever created the key before has to delete it first.
package turn

import (
	"context"
	"errors"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"

	"quoin.dev/client"
)

// ErrLost is returned by Wait when the own key is not there any more.
var ErrLost = errors.New("the place in the line is lost")

var errWatchEnded = errors.New("a watch ended without a reason")

// Wait waits until no key with the prefix is left that was created before a revision, and that the own key, which was
// created at it, is still there then. It returns the header of that last look.
//
// Each waits for the one directly in front, so that the end of a holder wakes one and not all.
func Wait(ctx context.Context, c *client.Client, prefix, key string, revision int64) (*pb.ResponseHeader, error) {
	if err := waitForDeletes(ctx, c, prefix, revision-1); err != nil {
		return nil, err
	}
	own, err := c.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	// Whoever was suspended for longer than its lease lost its place, and finds nobody in front of it (Jepsen 3.4.3).
	if len(own.Kvs) == 0 || own.Kvs[0].CreateRevision != revision {
		return nil, ErrLost
	}
	return own.Header, nil
}

// waitForDeletes waits until no key with the prefix is left that was created at or before a revision.
func waitForDeletes(ctx context.Context, c *client.Client, prefix string, revision int64) error {
	last := append(client.WithLastCreate(), client.WithMaxCreateRev(revision))
	for {
		resp, err := c.Get(ctx, prefix, last...)
		if err != nil {
			return err
		}
		if len(resp.Kvs) == 0 {
			return nil
		}
		err = waitForDelete(ctx, c, string(resp.Kvs[0].Key), resp.Header.Revision+1)
		// A look at the keys tells what a watch could not: its past is compacted, or its member lost the leader.
		if err != nil && err != rpctypes.ErrCompacted && err != rpctypes.ErrNoLeader {
			return err
		}
	}
}

// waitForDelete waits for a delete of a key at or after a revision.
func waitForDelete(ctx context.Context, c *client.Client, key string, from int64) error {
	inner, cancel := context.WithCancel(client.WithRequireLeader(ctx))
	defer cancel()
	for r := range c.Watch(inner, key, client.WithRev(from), client.WithFilterPut()) {
		if err := r.Err(); err != nil {
			return err
		}
		for _, e := range r.Events {
			if e.Type == client.EventTypeDelete {
				return nil
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errWatchEnded
}
