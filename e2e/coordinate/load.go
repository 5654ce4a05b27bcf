package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// load is goroutines that do the same thing again and again, and counts how often it was done.
type load struct {
	r    *run
	stop context.CancelFunc
	wg   sync.WaitGroup
	done atomic.Int64

	mu  sync.Mutex
	err error // what must not happen
}

// start runs a function in n goroutines until the load ends. It reports whether it did its work, and an error only if that
// fails the scenario.
func (r *run) start(n int, do func(ctx context.Context, worker int) (bool, error)) *load {
	ctx, stop := context.WithCancel(r.ctx)
	l := &load{r: r, stop: stop}
	for worker := range n {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				done, err := do(ctx, worker)
				if done {
					l.done.Add(1)
				}
				if err != nil {
					l.fail(err)
					return
				}
			}
		})
	}
	return l
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, err)
}

func (l *load) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// more waits until the work was done n times more.
func (l *load) more(n int64) error {
	goal := l.done.Load() + n
	for l.failure() == nil && l.done.Load() < goal {
		if err := l.r.until(func() error {
			if done := l.done.Load(); done < goal && l.failure() == nil {
				return fmt.Errorf("the work was done %d times of %d", done, goal)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return l.failure()
}

// through has the trouble in the middle of the work, and ends it.
func (l *load) through(n int64) error {
	defer l.end()
	if err := l.more(n); err != nil {
		return err
	}
	if _, err := l.r.trouble(); err != nil {
		return err
	}
	if err := l.more(n); err != nil {
		return err
	}
	if err := l.r.mend(); err != nil {
		return err
	}
	return l.more(n)
}

// end stops the work and waits until nobody does it any more.
func (l *load) end() {
	l.stop()
	l.wg.Wait()
}
