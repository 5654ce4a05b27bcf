package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"quoin.dev/api/rpctypes"

	"quoin.dev/client"
)

// sight is what one watcher has seen.
type sight struct {
	name string
	mu   sync.Mutex // guards what follows
	seen []int64    // revisions of events, each of which has one
	wr   client.WatchResponse
	over bool // the channel is closed; wr is what came last
	err  error
}

func newSight(name string, ch client.WatchChan) *sight {
	s := &sight{name: name}
	go func() {
		for r := range ch {
			s.take(r)
		}
		s.mu.Lock()
		s.over = true
		s.mu.Unlock()
	}()
	return s
}

func (s *sight) take(r client.WatchResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wr = r
	for _, e := range r.Events {
		if n := len(s.seen); n > 0 && e.Kv.ModRevision <= s.seen[n-1] {
			s.err = errors.Join(s.err, fmt.Errorf("%s: revision %d came after %d", s.name, e.Kv.ModRevision, s.seen[n-1]))
		}
		s.seen = append(s.seen, e.Kv.ModRevision)
	}
}

// has reports what is missing to having seen exactly these revisions, and going on.
func (s *sight) has(all []int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return s.err
	case s.over:
		return fmt.Errorf("%s: ended with %v", s.name, s.wr.Err())
	case !slices.Equal(s.seen, all):
		return fmt.Errorf("%s: saw %d revisions of %d", s.name, len(s.seen), len(all))
	}
	return nil
}

// compacted reports what is missing to having ended because of a compaction, with nothing lost before.
func (s *sight) compacted(at int64, all []int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return s.err
	case !s.over:
		return fmt.Errorf("%s: goes on behind a compaction at %d", s.name, at)
	case s.wr.Err() != rpctypes.ErrCompacted || s.wr.CompactRevision != at || !s.wr.Canceled:
		return fmt.Errorf("%s: ended with %v, compact revision %d, expected %d", s.name, s.wr.Err(), s.wr.CompactRevision, at)
	case len(s.seen) > len(all) || !slices.Equal(s.seen, all[:len(s.seen)]):
		return fmt.Errorf("%s: lost something before it ended", s.name)
	}
	return nil
}

// compactedBefore reports whether it ended because of a compaction before one.
func (s *sight) compactedBefore(at int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over && s.wr.Err() == rpctypes.ErrCompacted && s.wr.CompactRevision < at
}

// watch holds watchers through all members, and through each one, to the history of the store: what they see is all of it,
// in order and once, whatever happens to members; or the end of the watch because of a compaction.
func watch(r *run) error {
	c, err := r.connect()
	if err != nil {
		return err
	}
	keys := r.prefix + "load/"
	begin, err := c.Put(r.ctx, r.prefix+"begin", "")
	if err != nil {
		return err
	}
	all := newSight("through all", c.Watch(r.ctx, keys, client.WithPrefix()))
	each := map[string]*sight{}
	for _, endpoint := range r.endpoints {
		one, err := r.connect(endpoint)
		if err != nil {
			return err
		}
		each[endpoint] = newSight("through "+endpoint, one.Watch(r.ctx, keys, client.WithPrefix(), client.WithPrevKV()))
	}
	// Each key is written once and never again, by one request. The end of the load waits for its answer.
	var key atomic.Int64
	l := r.start(4, func(context.Context, int) (bool, error) {
		ctx, cancel := context.WithTimeout(r.ctx, attemptTimeout)
		defer cancel()
		_, err := c.Put(ctx, keys+strconv.FormatInt(key.Add(1), 10), "")
		return err == nil, nil
	})
	defer l.end()
	lost, at, err := loseOne(r, c, l, each)
	if err != nil {
		return err
	}
	if err := l.more(100); err != nil {
		return err
	}
	l.end()
	history, err := settle(r, c, keys, append([]*sight{all}, list(each)...))
	if err != nil {
		return err
	}
	if lost != nil {
		if err := r.until(func() error { return lost.compacted(at, history) }); err != nil {
			return err
		}
	}
	return past(r, c, keys, begin.Header.Revision, history)
}

func list(each map[string]*sight) (all []*sight) {
	for _, s := range each {
		all = append(all, s)
	}
	return all
}

// loseOne has a member killed. Where others go on, the store is compacted before it returns, so that the watcher through it
// can not go on: that one is taken out of each, and returned with the revision of the compaction.
func loseOne(r *run, c *client.Client, l *load, each map[string]*sight) (lost *sight, at int64, err error) {
	if err := l.more(100); err != nil {
		return nil, 0, err
	}
	down, err := r.trouble()
	if err != nil {
		return nil, 0, err
	}
	if err := l.more(100); err != nil {
		return nil, 0, err
	}
	if down != "" {
		lost = each[down]
		delete(each, down)
		resp, err := c.Get(r.ctx, r.prefix, client.WithPrefix(), client.WithCountOnly())
		if err != nil {
			return nil, 0, err
		}
		// Whoever reads this far behind now would end, too.
		if err := settled(r, each, resp.Header.Revision); err != nil {
			return nil, 0, err
		}
		at = resp.Header.Revision
		if _, err := c.Compact(r.ctx, at); err != nil {
			return nil, 0, err
		}
	}
	return lost, at, r.mend()
}

// settled waits until all watchers have seen something at or behind a revision. The load goes on, so it comes.
func settled(r *run, each map[string]*sight, revision int64) error {
	return r.until(func() error {
		for _, s := range each {
			s.mu.Lock()
			behind := len(s.seen) == 0 || s.seen[len(s.seen)-1] < revision
			s.mu.Unlock()
			if behind {
				return fmt.Errorf("%s has not come to revision %d", s.name, revision)
			}
		}
		return nil
	})
}

// settle waits until all watchers have seen the history, and returns it. What clients have given up may be written late.
func settle(r *run, c *client.Client, keys string, all []*sight) (history []int64, err error) {
	err = r.until(func() error {
		resp, err := c.Get(r.ctx, keys, client.WithPrefix(), client.WithKeysOnly())
		if err != nil {
			return err
		}
		history = nil
		for _, kv := range resp.Kvs {
			history = append(history, kv.ModRevision)
		}
		slices.Sort(history)
		for _, s := range all {
			if err := s.has(history); err != nil {
				return err
			}
		}
		return nil
	})
	return history, err
}

// past watches from the past on: all of it, or an error when a part of that is compacted.
func past(r *run, c *client.Client, keys string, begin int64, history []int64) error {
	middle := history[len(history)-50]
	rest := history[len(history)-50:]
	s := newSight("from the past", c.Watch(r.ctx, keys, client.WithPrefix(), client.WithRev(middle)))
	if err := r.until(func() error { return s.has(rest) }); err != nil {
		return err
	}
	if _, err := c.Compact(r.ctx, middle); err != nil {
		return err
	}
	watchOld := func() *sight {
		return newSight("from before the compaction", c.Watch(r.ctx, keys, client.WithPrefix(), client.WithRev(begin)))
	}
	old := watchOld()
	err := r.until(func() error {
		err := old.compacted(middle, nil)
		if old.compactedBefore(middle) { // by a member that has not heard of this one yet
			old = watchOld()
		}
		return err
	})
	if err != nil {
		return err
	}
	// The one that has seen it goes on, and a delete is an event.
	resp, err := c.Delete(r.ctx, keys, client.WithPrefix())
	if err != nil {
		return err
	}
	if int(resp.Deleted) != len(history) {
		return fmt.Errorf("deleted %d keys of %d", resp.Deleted, len(history))
	}
	return r.until(func() error { return deletions(s, len(rest), len(history), resp.Header.Revision) })
}

// deletions reports what is missing to having seen the deletes of one revision behind what was seen before.
func deletions(s *sight, before, deletes int, revision int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) != before+deletes {
		return fmt.Errorf("saw %d events of %d", len(s.seen), before+deletes)
	}
	for _, seen := range s.seen[before:] {
		if seen != revision {
			return fmt.Errorf("a delete of revision %d, expected %d", seen, revision)
		}
	}
	return nil
}
