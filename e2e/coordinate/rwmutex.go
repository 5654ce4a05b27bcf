package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"quoin.dev/api/rpctypes"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
	"quoin.dev/client/recipe"
)

// rwmutex has writers change two keys one after the other, and readers who must never see them differ.
func rwmutex(r *run) error {
	sessions, err := r.sessions(4)
	if err != nil {
		return err
	}
	p := &pair{a: r.prefix + "a", b: r.prefix + "b"}
	l := r.start(len(sessions), func(ctx context.Context, i int) (bool, error) {
		s := sessions[i]
		done, err := p.turn(s, recipe.NewRWMutex(s, r.prefix+"rw"), i%2 == 0)
		if err == nil || errors.Is(err, errTorn) {
			return done, err
		}
		// An answer that was lost may have left a key in the line. The end of the session takes it away.
		if err := persist(r.ctx, func(ctx context.Context) error {
			_, err := s.Client().Revoke(ctx, s.Lease())
			if err == rpctypes.ErrLeaseNotFound {
				return nil
			}
			return err
		}); err != nil {
			return false, err
		}
		return false, persist(r.ctx, func(context.Context) (err error) {
			sessions[i], err = concurrency.NewSession(s.Client(), concurrency.WithTTL(r.ttl))
			return err
		})
	})
	if err := l.through(30); err != nil {
		return err
	}
	if p.writes.Load() == 0 || p.reads.Load() == 0 {
		return fmt.Errorf("%d writes, %d reads", p.writes.Load(), p.reads.Load())
	}
	return shared(r, sessions)
}

// pair is two keys that are the same whenever no writer holds the lock.
type pair struct {
	a, b          string
	writes, reads atomic.Int64
}

var errTorn = errors.New("a reader came between the two steps of a writer")

// turn writes or reads under the lock.
func (p *pair) turn(s *concurrency.Session, rw *recipe.RWMutex, write bool) (bool, error) {
	c := s.Client()
	if !write {
		if err := rw.RLock(); err != nil {
			return false, err
		}
		if err := p.read(c); err != nil {
			return false, err
		}
		return true, rw.RUnlock()
	}
	if err := rw.Lock(); err != nil {
		return false, err
	}
	value := fmt.Sprintf("%x/%d", s.Lease(), p.writes.Add(1)) // as nobody else writes
	for _, key := range []string{p.a, p.b} {
		// A writer that fails between the two gives the lock up with its session, so it must not fail there.
		if err := persist(c.Ctx(), func(ctx context.Context) error {
			_, err := c.Put(ctx, key, value)
			return err
		}); err != nil {
			return false, err
		}
	}
	return true, rw.Unlock()
}

// read reads the two keys in two steps.
func (p *pair) read(c *client.Client) error {
	var values [2]string
	for i, key := range []string{p.a, p.b} {
		resp, err := c.Get(c.Ctx(), key)
		if err != nil {
			return err
		}
		if len(resp.Kvs) > 0 {
			values[i] = string(resp.Kvs[0].Value)
		}
	}
	if values[0] != values[1] {
		return fmt.Errorf("%w: %q and %q", errTorn, values[0], values[1])
	}
	p.reads.Add(1)
	return nil
}

// shared holds the order of the line to what it promises: readers together, a writer alone, and who comes behind a writer
// waits for it.
func shared(r *run, sessions []*concurrency.Session) error {
	name := r.prefix + "shared"
	lock := func(i int) *recipe.RWMutex { return recipe.NewRWMutex(sessions[i], name) }
	first, second, writer, third := lock(0), lock(1), lock(2), lock(3)
	if err := errors.Join(first.RLock(), second.RLock()); err != nil {
		return err
	}
	c := sessions[0].Client()
	wrote, read := make(chan error, 1), make(chan error, 1)
	go func() { wrote <- writer.Lock() }()
	if err := r.waitFor(c, name+"/write", 1); err != nil {
		return err
	}
	go func() { read <- third.RLock() }()
	if err := r.waitFor(c, name+"/read", 3); err != nil {
		return err
	}
	if err := first.RUnlock(); err != nil {
		return err
	}
	select {
	case err := <-wrote:
		return fmt.Errorf("a writer beside a reader: %v", err)
	case err := <-read:
		return fmt.Errorf("a reader has overtaken a writer: %v", err)
	default:
	}
	if err := errors.Join(second.RUnlock(), <-wrote); err != nil {
		return err
	}
	select {
	case err := <-read:
		return fmt.Errorf("a reader beside a writer: %v", err)
	default:
	}
	return errors.Join(writer.Unlock(), <-read, third.RUnlock())
}

// waitFor waits until a number of keys have a prefix.
func (r *run) waitFor(c *client.Client, prefix string, n int64) error {
	return r.until(func() error {
		got, err := count(r.ctx, c, prefix)
		if err == nil && got != n {
			err = fmt.Errorf("%d keys below %s, expected %d", got, prefix, n)
		}
		return err
	})
}
