package runner

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"quoin.dev/client"
	"quoin.dev/quoin/robustness/cluster"
	"quoin.dev/quoin/robustness/history"
)

// endTimeout bounds how long members may take to be at the same revision once the load has ended, and to tell their hashes.
const endTimeout = 30 * time.Second

// ends asks all members for their hashes at the newest revision that any of them has.
func (r *run) ends(ctx context.Context) []history.End {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	members := r.world.Cluster.Members()
	head := r.head(ctx, members)
	ends := make([]history.End, len(members))
	var asking sync.WaitGroup
	for i, m := range members {
		ends[i] = history.End{Member: m.Name, HashRevision: head}
		if dir, err := filepath.Rel(r.o.Dir, m.DataDir()); err == nil {
			ends[i].DataDir = dir
		}
		asking.Go(func() {
			if err := r.endOf(ctx, m, &ends[i]); err != nil {
				ends[i].Error = err.Error()
			}
		})
	}
	asking.Wait()
	return ends
}

// head is the newest revision that any member has.
func (r *run) head(ctx context.Context, members []*cluster.Member) (head int64) {
	for _, m := range members {
		_ = r.ask(m, func(c *client.Client) error {
			status, err := c.Status(ctx, m.ClientURL)
			if err == nil {
				head = max(head, status.Header.Revision)
			}
			return err
		})
	}
	return head
}

// endOf waits until a member has the revision, and gets its hash.
func (r *run) endOf(ctx context.Context, m *cluster.Member, end *history.End) error {
	return r.ask(m, func(c *client.Client) error {
		list, err := c.MemberList(ctx)
		if err != nil {
			return err
		}
		for _, listed := range list.Members {
			name := listed.Name
			if listed.IsLearner {
				name += " (learner)"
			}
			end.Members = append(end.Members, name)
		}
		slices.Sort(end.Members)
		for {
			status, err := c.Status(ctx, m.ClientURL)
			if err != nil {
				return err
			}
			if end.Revision = status.Header.Revision; end.Revision >= end.HashRevision {
				break
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("%s stays at revision %d, another member has %d", m.Name, end.Revision, end.HashRevision)
			}
		}
		hash, err := c.HashKV(ctx, m.ClientURL, end.HashRevision)
		if err != nil {
			return err
		}
		end.Hash, end.CompactRevision = hash.Hash, hash.CompactRevision
		return nil
	})
}

// ask calls something at one member.
func (r *run) ask(m *cluster.Member, call func(*client.Client) error) error {
	c, err := r.world.Cluster.Client(r.world.Access, m)
	if err != nil {
		return err
	}
	defer c.Close()
	return call(c)
}
