package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"quoin.dev/quoin/tools/bench/load"
	"quoin.dev/quoin/tools/bench/proc"
)

const (
	// fillTimeout bounds putting a key space.
	fillTimeout = time.Hour
	// settleTime lies between the fill and the reading of memory.
	settleTime = 5 * time.Second
	// settleQuick is settleTime with -quick.
	settleQuick = time.Second
	// maxErrorPart is the part of bad answers above which a row is not reported.
	maxErrorPart = 0.001
)

// runner plays the scenes.
type runner struct {
	options    *options
	dir        string
	contenders []contender
	scenes     []scene
	report     *report
	progress   *progress
	measuring  func() // called when a window opens; may be nil
}

// run plays every scene for all rounds. A scene that fails is left out of the report; the others go on.
func (r *runner) run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r.progress.begin(r.steps())
	defer r.progress.end()
	var errs []error
	for i := range r.scenes {
		s := &r.scenes[i]
		players := r.contenders
		if s.echo {
			players = []contender{{Name: echoContender, Path: self}}
		}
		for round := range r.options.rounds {
			for _, c := range players {
				err := r.play(ctx, s, c, round)
				if ctx.Err() != nil {
					return errors.Join(append(errs, errors.New("interrupted"))...)
				}
				if err != nil {
					errs = append(errs, fmt.Errorf("%s, %s, round %d: %w", s.name, c.Name, round+1, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// steps is how many steps the progress bar has: one per start, fill and row.
func (r *runner) steps() int {
	n := 0
	for i := range r.scenes {
		s := &r.scenes[i]
		one := 1 + len(s.rows)
		if s.fill != nil {
			one++
		}
		if !s.echo {
			one *= len(r.contenders)
		}
		n += one * r.options.rounds
	}
	return n
}

// player is what a scene runs on: a server, or a cluster of them.
type player interface {
	stop() error
	ended() bool // it is gone without having been asked to
	logTail() []byte
	measure(ctx context.Context, r *runner, row *row, round int) (values, error)
}

// play runs one scene against one kind of server, from an empty directory that is removed afterwards.
func (r *runner) play(ctx context.Context, s *scene, c contender, round int) (err error) {
	dir := filepath.Join(r.dir, fmt.Sprintf("%s-%s-%d", s.name, c.Name, round))
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r.progress.step(round, c.Name, "start")
	p, err := r.cast(ctx, s, c, dir)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w; last log lines of the server:\n%s", err, p.logTail())
		}
		err = errors.Join(err, p.stop())
	}()
	rows := s.rows
	if s.fill != nil {
		rows = append([]row{*s.fill}, rows...)
	}
	var failed []error
	for _, row := range rows {
		r.progress.step(round, c.Name, row.name)
		v, err := p.measure(ctx, r, &row, round)
		if err != nil {
			failed = append(failed, fmt.Errorf("row %s: %w", row.name, err))
			if row.kind != kindLoad || p.ended() || ctx.Err() != nil {
				break // the later rows have nothing to run on
			}
			continue
		}
		if row.name != "" {
			r.report.add(row, c.Name, round, v)
			r.progress.line(row.name, c.Name, round, v)
		}
	}
	return errors.Join(failed...)
}

// cast starts what a scene runs on.
func (r *runner) cast(ctx context.Context, s *scene, c contender, dir string) (player, error) {
	if s.trio {
		return startGroup(ctx, r.options, c, dir)
	}
	return startMember(ctx, r.options, c, dir, s.guarded, s.secured)
}

func (m *member) measure(ctx context.Context, r *runner, row *row, round int) (values, error) {
	return r.measure(ctx, m, row, round)
}

func (r *runner) measure(ctx context.Context, m *member, row *row, round int) (values, error) {
	switch row.kind {
	case kindMemory:
		return r.memory(ctx, m, row.each)
	case kindWatchMemory:
		return r.watchMemory(ctx, m, row)
	case kindExpiry:
		return r.expiry(ctx, m, row.each)
	case kindBehind:
		return r.behind(ctx, m, row, round)
	case kindMaintain:
		return r.maintain(ctx, m, row, round)
	case kindSnapshot:
		return r.snapshot(ctx, m)
	case kindIdle:
		return r.idle(ctx, m)
	case kindScrape:
		return r.scrape(ctx, m)
	case kindRestart:
		return r.restart(ctx, m)
	}
	return r.load(ctx, m, row, round)
}

// load runs the generator and adds the server's CPU time and peak memory.
func (r *runner) load(ctx context.Context, m *member, row *row, round int) (values, error) {
	o := r.options
	spec := load.Spec{
		Address: m.address, Access: m.access, PID: m.pid(), Conns: row.conns, Clients: row.clients, Request: row.request, Watch: row.watch,
		Warmup: o.warmup, Duration: o.duration * max(row.stretch, 1), Seed: uint64(round + 1),
	}
	switch {
	case row.kind == kindFill:
		spec.Ops, spec.Warmup, spec.Duration = cmp.Or(row.total, row.request.Keys), 0, fillTimeout
	case o.ops > 0:
		spec.Ops, spec.Warmup, spec.Duration = o.ops, 0, fillTimeout
	}
	if err := proc.ResetPeak(m.pid()); err != nil {
		return nil, err
	}
	profile := profiler{options: o, member: m, name: fmt.Sprintf("%s-%s-%d.pprof", row.name, m.name, round+1)}
	res, err := generate(ctx, spec, r.progress.part, func() {
		profile.start(ctx)
		if r.measuring != nil {
			r.measuring()
		}
	})
	if err := errors.Join(err, profile.wait()); err != nil {
		return nil, err
	}
	if res.Ops == 0 && res.Errors == 0 {
		return nil, fmt.Errorf("no answer in the %v that were measured; try a longer -duration", res.Elapsed)
	}
	if float64(res.Errors) > maxErrorPart*float64(res.Ops) {
		return nil, fmt.Errorf("%d good answers and %d bad ones, the first of these: %s", res.Ops, res.Errors, res.FirstError)
	}
	memory, err := proc.ReadMemory(m.pid())
	if err != nil {
		return nil, err
	}
	return loadValues(res, memory), nil
}

func (r *runner) restart(ctx context.Context, m *member) (values, error) {
	began := time.Now()
	if err := m.stop(); err != nil {
		return nil, err
	}
	stopped := time.Since(began)
	started, err := m.start(ctx)
	if err != nil {
		return nil, err
	}
	memory, err := proc.ReadMemory(m.pid())
	if err != nil {
		return nil, err
	}
	return values{
		metricStop: stopped.Seconds(), metricStart: started.Seconds(), metricRestart: (stopped + started).Seconds(),
		metricRSS: mebi(memory.RSS), metricAnon: mebi(memory.Anon),
	}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
