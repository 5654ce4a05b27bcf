package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"quoin.dev/client/concurrency"
	"quoin.dev/client/recipe"
)

// holder is one session and what it holds, by name.
type holder struct {
	r         *run
	s         *concurrency.Session
	mu        sync.Mutex // guards the maps
	mutexes   map[string]*concurrency.Mutex
	rw        map[string]*recipe.RWMutex
	elections map[string]*concurrency.Election
	said      sync.Mutex // held while a line is written
}

// hands does what each line of the input says, "ID VERB NAME [VALUE]", all at once, and answers each with "ID ok [WHAT]" or
// "ID error TEXT". It ends with the input, and its session with it.
func hands(r *run) error {
	s, err := r.session()
	if err != nil {
		return err
	}
	h := &holder{
		r: r, s: s, mutexes: map[string]*concurrency.Mutex{}, rw: map[string]*recipe.RWMutex{},
		elections: map[string]*concurrency.Election{},
	}
	var doing sync.WaitGroup
	for r.input.Scan() {
		words := strings.SplitN(r.input.Text(), " ", 4)
		if len(words) < 3 {
			return fmt.Errorf("%q is not ID VERB NAME", words)
		}
		words = append(words, "")
		doing.Go(func() { h.answer(words[0], words[1], words[2], words[3]) })
	}
	doing.Wait()
	return errors.Join(r.input.Err(), s.Close())
}

func (h *holder) answer(id, verb, name, value string) {
	what, err := h.do(verb, name, value)
	h.said.Lock()
	defer h.said.Unlock()
	if err != nil {
		fmt.Println(id, "error", err)
		return
	}
	fmt.Println(id, "ok", what)
}

func (h *holder) do(verb, name, value string) (string, error) {
	ctx := h.r.ctx
	switch m, rw, e := h.named(name); verb {
	case "lock":
		return "", m.Lock(ctx)
	case "trylock":
		return "", m.TryLock(ctx)
	case "unlock":
		return "", m.Unlock(ctx)
	case "rlock":
		return "", rw.RLock()
	case "runlock":
		return "", rw.RUnlock()
	case "wlock":
		return "", rw.Lock()
	case "wunlock":
		return "", rw.Unlock()
	case "campaign":
		return "", e.Campaign(ctx, value)
	case "proclaim":
		return "", e.Proclaim(ctx, value)
	case "resign":
		return "", e.Resign(ctx)
	case "leader":
		resp, err := e.Leader(ctx)
		if err != nil {
			return "", err
		}
		return string(resp.Kvs[0].Value), nil
	case "count":
		return h.count(ctx, name, value)
	case "pair":
		return h.pair(name, value)
	default:
		return "", fmt.Errorf("there is no verb %q", verb)
	}
}

// named returns what has a name, and makes it first.
func (h *holder) named(name string) (*concurrency.Mutex, *recipe.RWMutex, *concurrency.Election) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mutexes[name] == nil {
		h.mutexes[name] = concurrency.NewMutex(h.s, name)
		h.rw[name] = recipe.NewRWMutex(h.s, name)
		h.elections[name] = concurrency.NewElection(h.s, name)
	}
	return h.mutexes[name], h.rw[name], h.elections[name]
}

// count takes a number of turns of the lock with a name, and adds one to the key "NAME.count" in each.
func (h *holder) count(ctx context.Context, name, turns string) (string, error) {
	var n int
	if _, err := fmt.Sscan(turns, &n); err != nil {
		return "", err
	}
	c := &counter{key: name + ".count", written: map[int]int{}}
	m, _, _ := h.named(name)
	for range n {
		if err := m.Lock(ctx); err != nil {
			return "", err
		}
		if !c.count(ctx, h.s.Client(), m) {
			return "", errors.New("the holder of the lock could not write")
		}
		if err := m.Unlock(ctx); err != nil {
			return "", err
		}
	}
	return fmt.Sprint(len(c.written)), nil
}

// pair takes a number of turns of the lock for one writer or many readers with a name. Every second one writes the keys
// "NAME.a" and "NAME.b", the others read that they are the same.
func (h *holder) pair(name, turns string) (string, error) {
	var n int
	if _, err := fmt.Sscan(turns, &n); err != nil {
		return "", err
	}
	p := &pair{a: name + ".a", b: name + ".b"}
	_, rw, _ := h.named(name)
	for i := range n {
		if _, err := p.turn(h.s, rw, i%2 == 0); err != nil {
			return "", err
		}
	}
	return fmt.Sprint(p.reads.Load()), nil
}
