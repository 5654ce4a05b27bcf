// Package workload is the clients of the lab: they make a seeded load on a cluster, and record what they asked for, what they were
// told and what their watches heard.
//
// Clients speak to members over plain connections: nothing is repeated and nothing goes on by itself, so that the record holds what
// was sent and what came back. What a client asks for next depends on the seed and on the answers that it got, on nothing else.
package workload

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// stopGrace is how long calls that are under way may go on when a load is stopped; then they are cut off.
	stopGrace = 5 * time.Second
	// drainTimeout bounds waiting for the watches of everything to hear of the last change.
	drainTimeout = 10 * time.Second
	// headPatience is how long one member is asked for the revision of the last change.
	headPatience = 2 * time.Second
)

// Target is a member that clients may ask.
type Target struct {
	Name string
	// Endpoint is host:port.
	Endpoint string
}

// Options say who asks whom. Targets and Recorder are required.
type Options struct {
	// Seed is what all choices are drawn from.
	Seed    uint64
	Targets []Target
	// TLS, if set, is asked for the settings of each new connection.
	TLS func() *tls.Config
	// Clock tells the time since the start of the run; nil: since Start.
	Clock    func() time.Duration
	Recorder *Recorder
	// User and Password are those of clients whose kind has none of its own. With authentication they are those of root. No user: none.
	User, Password string
	// Patient lets all calls wait long. Otherwise some have deadlines that end them in the middle.
	Patient bool
	// WithoutLog leaves the watches of everything out: another load with the same recorder has them.
	WithoutLog bool
}

// Workload is a load that runs. Its methods may be called from any goroutine.
type Workload struct {
	opts         Options
	acknowledged atomic.Int64
	// load ends when clients are to make no further calls, calls when those under way are cut off, and whole when the watches of
	// everything are done, too.
	load, calls, whole          context.Context
	endLoad, endCalls, endWhole context.CancelFunc
	clients, logs               sync.WaitGroup
	stop                        sync.Once
	loaded                      atomic.Int64
	// last is the revision that the watches of everything have to reach; it is set before drain is closed.
	last  int64
	drain chan struct{}

	mu      sync.Mutex // guards what follows
	targets []Target
	retired map[string]chan struct{} // closed when the target is taken away
}

// Start begins a load of some kinds. The end of ctx cuts it off; Stop ends it in order, and has to be called in any case.
func Start(ctx context.Context, opts Options, kinds ...Kind) *Workload {
	w := begin(ctx, opts)
	for _, t := range opts.Targets {
		w.AddTarget(t)
	}
	for _, k := range kinds {
		for i, body := range k.bodies() {
			c := w.client(seedOf(opts.Seed, k.Name(), i))
			w.clients.Go(func() { c.run(body) })
		}
	}
	return w
}

func begin(ctx context.Context, opts Options) *Workload {
	if opts.Clock == nil {
		start := time.Now()
		opts.Clock = func() time.Duration { return time.Since(start) }
	}
	w := &Workload{opts: opts, drain: make(chan struct{}), retired: map[string]chan struct{}{}}
	w.whole, w.endWhole = context.WithCancel(ctx)
	w.calls, w.endCalls = context.WithCancel(w.whole)
	w.load, w.endLoad = context.WithCancel(w.calls)
	return w
}

// AddTarget tells the clients of one more member.
func (w *Workload) AddTarget(t Target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.retired[t.Name] != nil {
		return
	}
	retired := make(chan struct{})
	w.targets, w.retired[t.Name] = append(w.targets, t), retired
	if w.opts.WithoutLog || w.load.Err() != nil {
		return
	}
	c := w.client(seedOf(w.opts.Seed, "log of "+t.Name, 0))
	c.target, c.pinned, c.calls = t, true, w.whole
	w.logs.Go(func() { c.run(func(c *client) { c.followEverything(retired) }) })
}

// RemoveTarget takes a member away, such as one that has left the cluster. Calls to it that are under way go on.
func (w *Workload) RemoveTarget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if retired := w.retired[name]; retired != nil {
		close(retired)
		delete(w.retired, name)
		w.targets = slices.DeleteFunc(w.targets, func(t Target) bool { return t.Name == name })
	}
}

// Acknowledged is how many writes were answered well so far.
func (w *Workload) Acknowledged() int64 { return w.acknowledged.Load() }

// Loaded is when the last client had ended; the watches of everything go on for a little longer. It is 0 before.
func (w *Workload) Loaded() time.Duration { return time.Duration(w.loaded.Load()) }

// Stop ends the clients, lets the watches of everything hear of the last change, ends them and returns. It takes as long as a call
// that is under way, at most stopGrace, and at most drainTimeout and headPatience for each member more when members do not answer.
func (w *Workload) Stop() {
	w.stop.Do(func() {
		w.endLoad()
		cut := time.AfterFunc(stopGrace, w.endCalls)
		w.clients.Wait()
		cut.Stop()
		w.loaded.Store(int64(w.opts.Clock()))
		if !w.opts.WithoutLog {
			w.last = w.head()
		}
		close(w.drain)
		cut = time.AfterFunc(drainTimeout+time.Second, w.endWhole) // a watch that is there says earlier that it has waited in vain
		w.logs.Wait()
		cut.Stop()
		w.endWhole()
	})
}

// head asks the members in turn for the present revision, 0 if none tells.
func (w *Workload) head() int64 {
	for _, t := range w.all() {
		c := w.client(seedOf(w.opts.Seed, "head", 0))
		c.target, c.pinned, c.calls, c.patience = t, true, w.whole, headPatience
		r, err := c.read(getRequest("head"))
		c.disconnect()
		if err == nil {
			return r.Header.Revision
		}
	}
	return 0
}

func (w *Workload) all() []Target {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.targets)
}

// another draws a target that is not the given one, unless there is no other.
func (w *Workload) another(random *rand.Rand, than string) Target {
	w.mu.Lock()
	defer w.mu.Unlock()
	var others []Target
	for _, t := range w.targets {
		if t.Name != than {
			others = append(others, t)
		}
	}
	switch {
	case len(others) > 0:
		return others[random.IntN(len(others))]
	case len(w.targets) > 0:
		return w.targets[0]
	default:
		return Target{}
	}
}
