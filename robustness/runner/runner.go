// Package runner plays a scenario: it starts a cluster, loads it, does the harm that a plan asks for, waits until all is well
// again, and lets the checks judge what happened.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/plan"
	"quoin.dev/quoin/robustness/report"
	"quoin.dev/quoin/robustness/scenario"
)

// Options of a run.
type Options struct {
	Scenario scenario.Scenario
	// Plan is what is done. Its seed is that of the load, too.
	Plan *plan.Plan
	// Host is containers or namespaces; empty for the first that can be had here.
	Host string
	// Dir is the directory of the run, which is made. The files of the members are in it, and stay there when a check has found
	// something, or when Keep says so.
	Dir  string
	Keep bool
	// Build says how quoin is built.
	Build Build
	// Members, if set, are the programs of the members instead of those of the scenario: to see how others do.
	Members []string
	// Progress is told what happens, line by line, and once a second how things are. Live says that it is a terminal, which can
	// write over its last line.
	Progress io.Writer
	Live     bool
}

// Build says how quoin is built for a run.
type Build struct {
	// Race looks for data races: slower, and a race ends the member.
	Race bool
	// Mutant is the name of a planted bug.
	Mutant string
}

// Errors of a run that shows nothing, whatever the checks say.
var (
	// ErrSpoiled: a fault could not be done, or did not bite.
	ErrSpoiled = errors.New("the run shows nothing")
	// ErrCluster: the members could not be started.
	ErrCluster = errors.New("the cluster did not start")
)

// Run plays the scenario. The record is written with its report into the directory of the run, also when there is an error once
// the load has begun. Findings are no error.
func Run(ctx context.Context, o Options) (*history.Record, error) {
	if err := errors.Join(forget(o.Dir), os.MkdirAll(o.Dir, 0o755)); err != nil {
		return nil, err
	}
	if err := o.Plan.Write(o.Dir); err != nil {
		return nil, err
	}
	p := newProgress(o.Progress, o.Live)
	defer p.end()
	r, err := prepare(ctx, o, p)
	if r != nil {
		defer r.close()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCluster, err)
	}
	spoiled := r.play(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	p.status("checking what happened")
	Judge(ctx, o.Scenario, o.Dir, r.record)
	r.keep = o.Keep || spoiled != nil || r.record.Failed()
	if !r.keep {
		for i := range r.record.Ends {
			r.record.Ends[i].DataDir = "" // it is not going to be there
		}
	}
	err = errors.Join(r.record.Write(o.Dir), report.Write(o.Dir, r.record))
	if spoiled != nil {
		err = errors.Join(fmt.Errorf("%w: %w", ErrSpoiled, spoiled), err)
	}
	return r.record, err
}

// Judge lets all checks judge a record whose run has that directory.
func Judge(ctx context.Context, s scenario.Scenario, dir string, record *history.Record) {
	o := check.Options{Dir: dir, AllowedLog: s.Allow, MayExit: s.Ends, Bounds: map[string]check.Bound{}}
	for _, f := range record.Faults {
		if s.Gap > 0 {
			o.Bounds[f.Kind] = check.Bound{Within: s.Gap}
		}
	}
	check.Run(ctx, record, o)
}

// forget removes what members of an earlier run have left in a directory: those of the next one would go on from it.
func forget(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, "*.data*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}
