package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
)

var isolations = []concurrency.Isolation{
	concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads, concurrency.ReadCommitted,
}

// stm moves money between accounts in conflicting transactions, and holds each level of isolation to what it promises.
func stm(r *run) error {
	const accounts = 4
	c, err := r.connect()
	if err != nil {
		return err
	}
	account := func(i int) string { return r.prefix + "account/" + strconv.Itoa(i) }
	for i := range accounts {
		if _, err := c.Put(r.ctx, account(i), "100"); err != nil {
			return err
		}
	}
	l := r.start(4, func(ctx context.Context, worker int) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		from := rand.IntN(accounts)
		to := (from + 1 + rand.IntN(accounts-1)) % accounts
		_, err := concurrency.NewSTM(c, func(s concurrency.STM) error {
			a, errA := strconv.Atoi(s.Get(account(from)))
			b, errB := strconv.Atoi(s.Get(account(to)))
			if a > 0 {
				s.Put(account(from), strconv.Itoa(a-1))
				s.Put(account(to), strconv.Itoa(b+1))
			}
			return errors.Join(errA, errB)
		}, concurrency.WithIsolation(isolations[worker%3]), concurrency.WithAbortContext(ctx))
		return err == nil, nil // what is not known to have happened leaves the sum as it was
	})
	if err := l.through(50); err != nil {
		return err
	}
	resp, err := c.Get(r.ctx, r.prefix+"account/", client.WithPrefix())
	if err != nil {
		return err
	}
	sum := 0
	for _, kv := range resp.Kvs {
		n, err := strconv.Atoi(string(kv.Value))
		if err != nil || n < 0 {
			return fmt.Errorf("%s has %q", kv.Key, kv.Value)
		}
		sum += n
	}
	if sum != accounts*100 {
		return fmt.Errorf("the sum is %d, expected %d", sum, accounts*100)
	}
	return errors.Join(counting(r, c), interleavings(r, c))
}

// counting adds up from many sides at once. Nothing gets lost, but under ReadCommitted, which does not promise it.
func counting(r *run, c *client.Client) error {
	const workers, rounds = 4, 10
	for _, level := range isolations[:3] {
		key := fmt.Sprintf("%ssum/%d", r.prefix, level)
		var wg sync.WaitGroup
		var failed atomic.Value
		for range workers {
			wg.Go(func() {
				for range rounds {
					if _, err := concurrency.NewSTM(c, func(s concurrency.STM) error {
						n, _ := strconv.Atoi(s.Get(key))
						s.Put(key, strconv.Itoa(n+1))
						return nil
					}, concurrency.WithIsolation(level)); err != nil {
						failed.Store(err)
					}
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return err.(error)
		}
		resp, err := c.Get(r.ctx, key)
		if err != nil {
			return err
		}
		if string(resp.Kvs[0].Value) != strconv.Itoa(workers*rounds) {
			return fmt.Errorf("isolation %d: the sum is %s, expected %d", level, resp.Kvs[0].Value, workers*rounds)
		}
	}
	return nil
}

// interleaving is another's write between the first read of a transaction and the others: how often the function runs then,
// and what it sees of key b in its first run, by the level of isolation.
type interleaving struct {
	between string
	runs    [4]int
	sees    [4]string
}

// interleavings are those of etcd's client; e2e/interop measures them there.
func interleavings(r *run, c *client.Client) error {
	for _, tc := range []interleaving{
		{"a", [4]int{2, 2, 2, 1}, [4]string{"old", "old", "old", "old"}},
		{"b", [4]int{2, 2, 1, 1}, [4]string{"old", "old", "new", "new"}},
		{"w", [4]int{2, 1, 1, 1}, [4]string{"old", "old", "old", "old"}},
	} {
		for _, level := range isolations {
			runs, saw, err := interleave(r, c, tc.between, level)
			if err != nil {
				return err
			}
			if runs != tc.runs[level] || saw != tc.sees[level] {
				return fmt.Errorf("isolation %d, %s written between: %d runs, saw %s; expected %d, %s",
					level, tc.between, runs, saw, tc.runs[level], tc.sees[level])
			}
		}
	}
	return nil
}

// interleave reads a and b and writes w, while another writes one of them in between.
func interleave(r *run, c *client.Client, between string, level concurrency.Isolation) (runs int, saw string, err error) {
	keys := r.prefix + "interleaved/"
	put := func(key, value string) error {
		_, err := c.Put(r.ctx, keys+key, value)
		return err
	}
	if err := errors.Join(put("a", "old"), put("b", "old"), put("w", "old")); err != nil {
		return 0, "", err
	}
	_, err = concurrency.NewSTM(c, func(s concurrency.STM) error {
		s.Get(keys + "a")
		if runs++; runs == 1 {
			if err := put(between, "new"); err != nil {
				return err
			}
		}
		if b := s.Get(keys + "b"); runs == 1 {
			saw = b
		}
		s.Put(keys+"w", "mine")
		return nil
	}, concurrency.WithIsolation(level))
	return runs, saw, err
}
