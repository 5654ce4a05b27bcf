package load

import (
	"cmp"
	"crypto/tls"
	"errors"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"quoin.dev/quoin/tools/bench/proc"
)

// run is what the connections of one run share.
type run struct {
	spec     Spec
	secure   *tls.Config // nil: without TLS
	workload *workload
	epoch    time.Time
	// from and to are the measured window, since epoch; to only bounds a run by number of operations.
	from, to time.Duration
	taken    atomic.Int64 // requests given out
	watchers *watchers    // nil: nobody watches
	stride   uint64
	stopped  atomic.Bool
}

// take gives the key of the next request, or false when the run is over.
func (r *run) take(now time.Duration, rng *rand.Rand) (uint64, bool) {
	if now >= r.to || r.stopped.Load() {
		return 0, false
	}
	keys := uint64(max(r.spec.Request.Keys, 1))
	if r.spec.Ops == 0 {
		return rng.Uint64N(keys), true
	}
	n := r.taken.Add(1) - 1
	if n >= r.spec.Ops {
		return 0, false
	}
	if r.spec.Request.Each {
		return scatter(uint64(n)%keys, r.stride, keys), true
	}
	return rng.Uint64N(keys), true
}

func (r *run) measured(now time.Duration) bool { return now >= r.from && now < r.to }

// scatter maps 0..keys-1 onto itself; a stride without a common divisor with keys makes that one to one.
func scatter(n, stride, keys uint64) uint64 {
	high, low := bits.Mul64(n, stride)
	_, rem := bits.Div64(high%keys, low, keys)
	return rem
}

// strideFor is a stride near the golden section of keys, so that neighbours in time are far apart in the key space.
func strideFor(keys int64) uint64 {
	gcd := func(a, b uint64) uint64 {
		for b != 0 {
			a, b = b, a%b
		}
		return a
	}
	s := max(uint64(float64(keys)*0.618), 1)
	for gcd(s, uint64(keys)) != 1 {
		s++
	}
	return s
}

// Run executes the Spec. progress, if not nil, is called about twice a second with the part done (0 to 1) and once with
// measuring true when the measured window opens. The error is about the run as a whole, such as a lost connection; bad
// answers are counted in the Result.
func Run(spec Spec, progress func(part float64, measuring bool)) (*Result, error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	w, err := newWorkload(spec.Request)
	if err != nil {
		return nil, err
	}
	secure, err := spec.Access.TLS()
	if err != nil {
		return nil, err
	}
	r := &run{spec: spec, secure: secure, workload: w, from: spec.Warmup, to: spec.Warmup + spec.Duration, stride: strideFor(max(spec.Request.Keys, 1))}
	conns := make([]*conn, spec.Conns)
	for i := range conns {
		share := (spec.Clients + i) / spec.Conns // shares differ by one at most and add up to Clients
		if conns[i], err = dial(r, share, uint64(i)); err != nil {
			for _, c := range conns[:i] {
				c.net.Close()
			}
			return nil, err
		}
	}
	if spec.Watch != nil {
		if r.watchers, err = r.watch(); err != nil {
			return nil, err
		}
	}
	s := sampler{run: r, progress: progress}
	if err := s.start(); err != nil {
		return nil, err
	}
	if r.watchers != nil {
		r.watchers.start()
	}
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			if errs[i] = c.drive(); errs[i] != nil {
				r.stopped.Store(true)
			}
		})
	}
	wg.Wait()
	if r.watchers != nil {
		r.watchers.close()
		errs = append(errs, r.watchers.failed())
	}
	if err := cmp.Or(errors.Join(errs...), s.finish()); err != nil {
		return nil, err
	}
	return r.result(conns, &s), nil
}

func (r *run) result(conns []*conn, s *sampler) *Result {
	out := &Result{Elapsed: r.to - r.from, ServerCPU: s.server, ClientCPU: s.client}
	all := newHistogram()
	var last time.Duration
	for _, c := range conns {
		out.Ops += c.ops
		out.Bytes += c.bytes
		out.Errors += c.errs
		if c.err != nil && out.FirstError == "" {
			out.FirstError = c.err.Error()
		}
		all.Merge(c.hist)
		last = max(last, c.last)
	}
	if r.spec.Ops > 0 {
		out.Elapsed = last
	}
	if ws := r.watchers; ws != nil {
		out.Deletes, out.LastDelete = ws.deletes.Load(), r.epoch.Add(time.Duration(ws.last.Load()))
		if ws.spec.Deletes > 0 {
			out.Elapsed = min(time.Duration(ws.last.Load()), r.to) - r.from
		}
		if !ws.spec.Beside {
			ws.add(out, all)
		}
	}
	at := func(q float64) time.Duration { return time.Duration(all.ValueAtQuantile(q)) }
	out.Mean, out.Max = time.Duration(all.Mean()), time.Duration(all.Max())
	out.P50, out.P99, out.P999 = at(50), at(99), at(99.9)
	return out
}

// sampler reads CPU times at both ends of the measured window and reports progress in between.
type sampler struct {
	run            *run
	progress       func(float64, bool)
	server, client time.Duration // spent in the window
	stop           chan struct{}
	done           chan error
}

func (s *sampler) start() error {
	s.stop, s.done = make(chan struct{}), make(chan error, 1)
	s.run.epoch = time.Now()
	go func() { s.done <- s.loop() }()
	return nil
}

// finish is called when all connections are done. In a run by number of operations that is the end of the window.
func (s *sampler) finish() error {
	close(s.stop)
	return <-s.done
}

func (s *sampler) loop() error {
	r := s.run
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	wait := func(until time.Duration) {
		timer := time.NewTimer(until - time.Since(r.epoch))
		defer timer.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-timer.C:
				return
			case <-tick.C:
				s.report(false)
			}
		}
	}
	wait(r.from)
	server0, client0, err := s.sample()
	if err != nil {
		return err
	}
	s.report(true)
	wait(r.to)
	server1, client1, err := s.sample()
	if err != nil {
		return err
	}
	s.server, s.client = server1-server0, client1-client0
	return nil
}

func (s *sampler) report(measuring bool) {
	if s.progress == nil {
		return
	}
	part := float64(time.Since(s.run.epoch)) / float64(s.run.to)
	if s.run.spec.Ops > 0 {
		part = float64(s.run.taken.Load()) / float64(s.run.spec.Ops)
	}
	s.progress(min(part, 1), measuring)
}

func (s *sampler) sample() (server, client time.Duration, err error) {
	if s.run.spec.PID != 0 {
		if server, err = proc.CPU(s.run.spec.PID); err != nil {
			return 0, 0, err
		}
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0, err
	}
	return server, time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
