package interop

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	recipe "go.etcd.io/etcd/client/v3/experimental/recipes"

	"quoin.dev/quoin/e2e/interop/lab"
)

// partyTimeout bounds what a party does, waiting for others included.
const partyTimeout = 2 * time.Minute

// party is one session of a client: of etcd's, in this process, or of quoin's, in a program of its own. Both know the verbs
// of e2e/coordinate/hands.go.
type party interface {
	// begin does something with a name, and returns how to wait for its end.
	begin(t *testing.T, verb, name, value string) *deed
	// die ends without a farewell: nobody renews the lease any more.
	die(t *testing.T)
}

// deed is something that a party does.
type deed struct {
	what string
	done chan struct{} // closed when it is done
	said string
	err  error
}

func newDeed(words ...string) *deed {
	return &deed{what: strings.Join(words, " "), done: make(chan struct{})}
}

func (d *deed) end(said string, err error) {
	d.said, d.err = said, err
	close(d.done)
}

// result waits for the end of a deed, and returns what it says.
func (d *deed) result(t *testing.T) (string, error) {
	t.Helper()
	select {
	case <-d.done:
		return d.said, d.err
	case <-time.After(partyTimeout):
		t.Fatalf("%s: no end after %v", d.what, partyTimeout)
		return "", nil
	}
}

// must is result of what has to succeed.
func (d *deed) must(t *testing.T) string {
	t.Helper()
	said, err := d.result(t)
	if err != nil {
		t.Fatalf("%s: %v", d.what, err)
	}
	return said
}

// waits fails if a deed is done that has to wait for others.
func (d *deed) waits(t *testing.T) {
	t.Helper()
	select {
	case <-d.done:
		t.Fatalf("%s: did not wait, %v", d.what, d.err)
	default:
	}
}

// newParty returns a party with the client of a kind, at one member.
func newParty(t *testing.T, client lab.Kind, m *lab.Member, ttl int) party {
	t.Helper()
	if client == lab.Quoin {
		p := lab.StartProgram(t, "coordinate", "-endpoints="+m.Endpoint, "-ttl="+strconv.Itoa(ttl), "hands")
		return &quoinParty{program: p, deeds: map[string]*deed{}}
	}
	s, err := concurrency.NewSession(lab.Client(t, m), concurrency.WithTTL(ttl))
	check(t, err)
	return &etcdParty{
		s: s, mutexes: map[string]*concurrency.Mutex{}, rw: map[string]*recipe.RWMutex{},
		elections: map[string]*concurrency.Election{},
	}
}

// quoinParty talks to a program.
type quoinParty struct {
	program *lab.Program
	mu      sync.Mutex // guards what follows
	deeds   map[string]*deed
	last    int
	hears   bool
}

func (p *quoinParty) begin(t *testing.T, verb, name, value string) *deed {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	id := strconv.Itoa(p.last)
	d := newDeed("quoin's client:", verb, name, value)
	p.deeds[id] = d
	p.program.Say(t, strings.TrimSpace(strings.Join([]string{id, verb, name, value}, " ")))
	if !p.hears {
		p.hears = true
		go p.hear()
	}
	return d
}

// hear ends the deeds that the program answers to; the others with the program.
func (p *quoinParty) hear() {
	for line := range p.program.Lines() {
		words := append(strings.SplitN(line, " ", 3), "", "")
		p.mu.Lock()
		if d := p.deeds[words[0]]; d != nil {
			delete(p.deeds, words[0])
			if words[1] == "ok" {
				d.end(words[2], nil)
			} else {
				d.end("", errors.New(words[2]))
			}
		}
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.deeds {
		d.end("", errors.New("the program has ended"))
	}
	clear(p.deeds)
}

func (p *quoinParty) die(t *testing.T) { p.program.Kill(t) }

// etcdParty uses etcd's client.
type etcdParty struct {
	s         *concurrency.Session
	mu        sync.Mutex // guards the maps
	mutexes   map[string]*concurrency.Mutex
	rw        map[string]*recipe.RWMutex
	elections map[string]*concurrency.Election
}

func (p *etcdParty) begin(t *testing.T, verb, name, value string) *deed {
	d := newDeed("etcd's client:", verb, name, value)
	go func() { d.end(p.do(t.Context(), verb, name, value)) }()
	return d
}

func (p *etcdParty) die(*testing.T) { p.s.Orphan() }

func (p *etcdParty) do(ctx context.Context, verb, name, value string) (string, error) {
	switch m, rw, e := p.named(name); verb {
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
		r, err := e.Leader(ctx)
		if err != nil {
			return "", err
		}
		return string(r.Kvs[0].Value), nil
	case "count":
		return p.turns(value, func(int) error { return p.count(ctx, m, name+".count") })
	case "pair":
		return p.turns(value, func(i int) error { return p.pair(ctx, rw, name, i) })
	default:
		return "", fmt.Errorf("there is no verb %q", verb)
	}
}

// named returns what has a name, and makes it first.
func (p *etcdParty) named(name string) (*concurrency.Mutex, *recipe.RWMutex, *concurrency.Election) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mutexes[name] == nil {
		p.mutexes[name] = concurrency.NewMutex(p.s, name)
		p.rw[name] = recipe.NewRWMutex(p.s, name)
		p.elections[name] = concurrency.NewElection(p.s, name)
	}
	return p.mutexes[name], p.rw[name], p.elections[name]
}

func (p *etcdParty) turns(n string, take func(i int) error) (string, error) {
	turns, err := strconv.Atoi(n)
	if err != nil {
		return "", err
	}
	for i := range turns {
		if err := take(i); err != nil {
			return "", err
		}
	}
	return n, nil
}

// count adds one to a key under a lock, as long as the lock is held.
func (p *etcdParty) count(ctx context.Context, m *concurrency.Mutex, key string) error {
	if err := m.Lock(ctx); err != nil {
		return err
	}
	r, err := p.s.Client().Get(ctx, key)
	if err != nil {
		return err
	}
	n := 0
	if len(r.Kvs) > 0 {
		n, _ = strconv.Atoi(string(r.Kvs[0].Value))
	}
	txn, err := p.s.Client().Txn(ctx).If(m.IsOwner()).Then(clientv3.OpPut(key, strconv.Itoa(n+1))).Commit()
	if err == nil && !txn.Succeeded {
		err = errors.New("the holder of the lock could not write")
	}
	return errors.Join(err, m.Unlock(ctx))
}

// pair writes two keys one after the other under a lock, or reads that they are the same.
func (p *etcdParty) pair(ctx context.Context, rw *recipe.RWMutex, name string, i int) error {
	c := p.s.Client()
	if i%2 == 0 {
		if err := rw.Lock(); err != nil {
			return err
		}
		value := fmt.Sprintf("%x/%d", p.s.Lease(), i)
		for _, key := range []string{name + ".a", name + ".b"} {
			if _, err := c.Put(ctx, key, value); err != nil {
				return err
			}
		}
		return rw.Unlock()
	}
	if err := rw.RLock(); err != nil {
		return err
	}
	var values [2]string
	for i, key := range []string{name + ".a", name + ".b"} {
		r, err := c.Get(ctx, key)
		if err != nil {
			return err
		}
		if len(r.Kvs) > 0 {
			values[i] = string(r.Kvs[0].Value)
		}
	}
	if values[0] != values[1] {
		return fmt.Errorf("a reader came between the two steps of a writer: %q", values)
	}
	return rw.RUnlock()
}
