package concurrency

import (
	"context"
	"errors"

	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"

	"quoin.dev/client"
)

// Observe tells of the present leader, if there is one, and then of each new leader and each value that one proclaims. What
// changes faster than it is read may be left out, but never the last. The channel is closed when the context ends, or on
// an error that does not go away by itself.
func (e *Election) Observe(ctx context.Context) <-chan *client.GetResponse {
	o := &observer{c: e.s.client, prefix: keyPrefix(e.pfx), out: make(chan *client.GetResponse)}
	go o.run(ctx)
	return o.out
}

var errWatchEnded = errors.New("election: a watch ended without a reason")

type observer struct {
	c      *client.Client
	prefix string
	out    chan *client.GetResponse
}

// seen names a value of a leader.
type seen struct{ created, modified int64 }

func (o *observer) run(ctx context.Context) {
	defer close(o.out)
	var told seen
	for {
		resp, err := o.c.Get(ctx, o.prefix, client.WithFirstCreate()...)
		if err != nil {
			return
		}
		key, opts, from := o.prefix, []client.OpOption{client.WithPrefix(), client.WithFilterDelete()}, resp.Header.Revision+1
		if len(resp.Kvs) > 0 {
			leader := resp.Kvs[0]
			// A look again, after the watch was lost, may find what is known.
			if now := (seen{leader.CreateRevision, leader.ModRevision}); now != told {
				told = now
				resp.Kvs, resp.Count, resp.More = resp.Kvs[:1], 1, false
				if !o.tell(ctx, resp) {
					return
				}
			}
			key, opts = string(leader.Key), nil
		}
		if err := o.follow(ctx, key, append(opts, client.WithRev(from)), &told); err != nil {
			return
		}
	}
}

// follow returns nil when it is time to look who leads: the leader is gone, there is a candidate, or the watch is lost.
func (o *observer) follow(ctx context.Context, key string, opts []client.OpOption, told *seen) error {
	inner, cancel := context.WithCancel(client.WithRequireLeader(ctx))
	defer cancel()
	for r := range o.c.Watch(inner, key, opts...) {
		if err := r.Err(); err == rpctypes.ErrCompacted || err == rpctypes.ErrNoLeader {
			return nil
		} else if err != nil {
			return err
		}
		for _, ev := range r.Events {
			if ev.Type == client.EventTypeDelete || key == o.prefix {
				return nil
			}
			*told = seen{ev.Kv.CreateRevision, ev.Kv.ModRevision}
			if !o.tell(ctx, &client.GetResponse{Header: r.Header, Kvs: []*mvccpb.KeyValue{ev.Kv}, Count: 1}) {
				return ctx.Err()
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errWatchEnded
}

func (o *observer) tell(ctx context.Context, r *client.GetResponse) bool {
	select {
	case o.out <- r:
		return true
	case <-ctx.Done():
		return false
	}
}
