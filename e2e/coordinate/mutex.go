package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
)

// mutex lets workers take turns in counting. Only the holder may count, so no two of them write one number; the revision of
// the lock grows with each turn.
func mutex(r *run) error {
	sessions, err := r.sessions(3)
	if err != nil {
		return err
	}
	c := &counter{key: r.prefix + "counter", written: map[int]int{}}
	var holders atomic.Int32
	l := r.start(len(sessions), func(ctx context.Context, i int) (bool, error) {
		m := concurrency.NewMutex(sessions[i], r.prefix+"lock")
		if persist(ctx, m.Lock) != nil {
			return false, nil
		}
		n := holders.Add(1)
		done := c.count(ctx, sessions[i].Client(), m)
		holders.Add(-1)
		err := persist(r.ctx, m.Unlock)
		if n != 1 {
			err = errors.Join(err, fmt.Errorf("%d hold the lock", n))
		}
		return done, err
	})
	if err := l.through(30); err != nil {
		return err
	}
	return errors.Join(c.check(r.ctx, sessions[0].Client()), fenced(r))
}

// counter is a number in the store that the holder of a lock alone may change.
type counter struct {
	key     string
	mu      sync.Mutex // guards what follows
	written map[int]int
}

// count adds one, and reports whether it is known that it did.
func (c *counter) count(ctx context.Context, cl *client.Client, m *concurrency.Mutex) bool {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	resp, err := cl.Get(ctx, c.key)
	if err != nil {
		return false
	}
	n := 0
	if len(resp.Kvs) > 0 {
		n, _ = strconv.Atoi(string(resp.Kvs[0].Value))
	}
	n++
	txn, err := cl.Txn(ctx).If(m.IsOwner()).Then(client.OpPut(c.key, strconv.Itoa(n))).Commit()
	if err != nil || !txn.Succeeded {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written[n]++
	return true
}

func (c *counter) check(ctx context.Context, cl *client.Client) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, times := range c.written {
		if times != 1 {
			return fmt.Errorf("%d holders wrote %d", times, n)
		}
	}
	resp, err := cl.Get(ctx, c.key)
	if err != nil {
		return err
	}
	// A turn whose answer was lost may have counted.
	if n, err := strconv.Atoi(string(resp.Kvs[0].Value)); err != nil || n < len(c.written) || resp.Kvs[0].Version != int64(n) {
		return fmt.Errorf("after %d turns the number is %s, of version %d", len(c.written), resp.Kvs[0].Value, resp.Kvs[0].Version)
	}
	return nil
}

// fenced is about a holder whose lease ends while it looks away: it can not write any more, whether it knows or not.
func fenced(r *run) error {
	sessions, err := r.sessions(2)
	if err != nil {
		return err
	}
	c := sessions[0].Client()
	short, err := concurrency.NewSession(c, concurrency.WithTTL(2))
	if err != nil {
		return err
	}
	name, key := r.prefix+"fence", r.prefix+"fenced"
	late, next := concurrency.NewMutex(short, name), concurrency.NewMutex(sessions[1], name)
	if err := late.Lock(r.ctx); err != nil {
		return err
	}
	write := func(m *concurrency.Mutex, value string) (bool, error) {
		resp, err := c.Txn(r.ctx).If(m.IsOwner()).Then(client.OpPut(key, value)).Commit()
		return err == nil && resp.Succeeded, err
	}
	if ok, err := write(late, "first"); err != nil || !ok {
		return fmt.Errorf("the holder of a lock can not write: %v", err)
	}
	if err := next.TryLock(r.ctx); err != concurrency.ErrLocked {
		return fmt.Errorf("a lock that is held: %v", err)
	}
	short.Orphan() // nobody renews its lease any more
	if err := next.Lock(r.ctx); err != nil {
		return err
	}
	if ok, err := write(late, "late"); err != nil || ok {
		return fmt.Errorf("a former holder has written: %v, %v", ok, err)
	}
	if ok, err := write(next, "next"); err != nil || !ok {
		return fmt.Errorf("the next holder can not write: %v", err)
	}
	if late.Key() == next.Key() || next.Header().Revision == 0 {
		return errors.New("two holders have one key")
	}
	return next.Unlock(r.ctx)
}
