package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/plan"
	"quoin.dev/quoin/robustness/runner"
	"quoin.dev/quoin/robustness/scenario"
)

// Profiles.
const (
	profileCI      = "ci"
	profileNightly = "nightly"
)

// settings are those that run and replay share.
type settings struct {
	host, out, members, mutant string
	race, keep, shrink         bool
	tries                      int
}

func (s *settings) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.host, "host", "auto", "what members run on: containers, namespaces, or auto for the first that can be had")
	f.StringVar(&s.out, "out", "", "directory for the directories of the runs (default: lab-TIME in the system's temporary folder)")
	f.StringVar(&s.members, "members", "", "run these programs in all places instead: quoin, etcd, etcd-3.6; comma-separated")
	f.StringVar(&s.mutant, "mutant", "", "plant this bug into quoin; see robustness/MUTANTS.md")
	f.BoolVar(&s.race, "race", false, "let quoin look for data races")
	f.BoolVar(&s.keep, "keep", false, "keep the files of the members when a run has passed, too")
	f.BoolVar(&s.shrink, "shrink", false, "when a run fails, look for a smaller plan that still does")
	f.IntVar(&s.tries, "tries", 20, "with --shrink: how many plans to try")
}

func runCommand() *cobra.Command {
	var s settings
	var seed uint64
	var profile string
	var change changes
	var total time.Duration
	c := &cobra.Command{
		Use: "run [SCENARIO...]", Short: "Run scenarios by name, or a profile",
		Long: `Runs scenarios by name; a name may end in * and then stands for all that begin so.

Profile ci runs each scenario marked with * once: half of them with a fixed seed, half with a
fresh one. Profile nightly runs all scenarios with fresh seeds, one after the other, until the
time is over.`,
		Example: `  lab run kill-leader pause-leader
  lab run 'power-cut-*' --seed 7 --keep
  lab run kill-one --members etcd        the same harm done to etcd 3.7.3
  lab run --profile nightly --for 6h --race`,
		RunE: func(c *cobra.Command, names []string) error {
			todo, err := choose(names, profile, seed, total)
			if err != nil {
				return err
			}
			return s.runAll(c, todo, change)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, s := range scenario.All() {
				names = append(names, s.Name+"\t"+s.What)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	s.flags(c)
	c.Flags().Uint64Var(&seed, "seed", 0, "what faults and requests are drawn from (default: a fresh one, which is shown)")
	c.Flags().StringVar(&profile, "profile", "", "run a profile: ci or nightly")
	c.Flags().BoolVar(&change.oneJournal, "one-journal", false, "where disks can fail: let any sync make all names durable, as ext4 does and POSIX does not promise")
	c.Flags().DurationVar(&total, "for", 8*time.Hour, "with --profile nightly: begin no run after this time")
	c.Flags().DurationVar(&change.duration, "duration", 0, "load for this time instead of that of the scenario")
	return c
}

// jobs yields one run after the other.
type jobs = iter.Seq[scenario.Job]

func choose(names []string, profile string, seed uint64, total time.Duration) (jobs, error) {
	fresh := scenario.FreshSeed
	if seed != 0 {
		fresh = func() uint64 { return seed }
	}
	switch {
	case profile != "" && len(names) > 0:
		return nil, errors.New("give names or a profile, not both")
	case profile == profileCI:
		return slices.Values(scenario.Profile(fresh())), nil
	case profile == profileNightly:
		return nightly(fresh, total), nil
	case profile != "":
		return nil, fmt.Errorf("there is no profile %q: ci, nightly", profile)
	case len(names) == 0:
		return nil, errors.New("name a scenario (`lab list`), or a profile (--profile ci)")
	}
	found, err := scenario.Find(names...)
	return func(yield func(scenario.Job) bool) {
		for _, s := range found {
			if !yield(scenario.Job{Scenario: s, Seed: fresh()}) {
				return
			}
		}
	}, err
}

// nightly yields all scenarios, again and again, until the time is over.
func nightly(fresh func() uint64, total time.Duration) jobs {
	return func(yield func(scenario.Job) bool) {
		for end := time.Now().Add(total); ; {
			for _, s := range scenario.All() {
				if time.Now().After(end) || !yield(scenario.Job{Scenario: s, Seed: fresh()}) {
					return
				}
			}
		}
	}
}

// changes are those to what scenarios say. The plan of a run has them, so that a replay has them, too.
type changes struct {
	duration   time.Duration
	oneJournal bool
}

func (s *settings) runAll(c *cobra.Command, todo jobs, change changes) error {
	if err := s.prepare(); err != nil {
		return err
	}
	all := &outcomes{out: c.OutOrStdout()}
	for j := range todo {
		if change.duration > 0 {
			j.Scenario.Duration = change.duration
		}
		p := j.Scenario.Plan(j.Seed)
		p.OneJournal = change.oneJournal
		s.runOne(c.Context(), all, j.Scenario, p)
		if c.Context().Err() != nil {
			break
		}
	}
	return all.end(s.out)
}

// prepare makes the directory of all runs.
func (s *settings) prepare() error {
	if s.out == "" {
		s.out = filepath.Join(os.TempDir(), "lab-"+time.Now().Format("20060102-150405"))
	}
	var err error
	if s.out, err = filepath.Abs(s.out); err != nil {
		return err
	}
	return os.MkdirAll(s.out, 0o755)
}

func (s *settings) options(sc scenario.Scenario, p *plan.Plan) runner.Options {
	o := runner.Options{
		Scenario: sc, Plan: p, Host: s.host, Keep: s.keep,
		Dir:   filepath.Join(s.out, fmt.Sprintf("%s-%d", sc.Name, p.Seed)),
		Build: runner.Build{Race: s.race, Mutant: s.mutant}, Progress: os.Stderr, Live: term.IsTerminal(int(os.Stderr.Fd())),
	}
	for n := 2; exists(o.Dir); n++ {
		o.Dir = filepath.Join(s.out, fmt.Sprintf("%s-%d-%d", sc.Name, p.Seed, n))
	}
	if s.members != "" {
		o.Members = strings.Split(s.members, ",")
	}
	return o
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (s *settings) runOne(ctx context.Context, all *outcomes, sc scenario.Scenario, p *plan.Plan) {
	o := s.options(sc, p)
	record, err := runner.Run(ctx, o)
	if ctx.Err() != nil {
		return
	}
	all.add(o, record, err)
	if s.shrink && record != nil && record.Failed() {
		s.shrinkIt(ctx, all, sc, p, record)
	}
}

// shrinkIt looks for the faults that matter: those without which no check that has found something does so again.
func (s *settings) shrinkIt(ctx context.Context, all *outcomes, sc scenario.Scenario, p *plan.Plan, failed *history.Record) {
	fmt.Fprintf(all.out, "looking for a smaller plan that fails in the same way, in at most %d runs\n", s.tries)
	runs := 0
	small := plan.Shrink(p, s.tries, func(p *plan.Plan) bool {
		if ctx.Err() != nil {
			return false
		}
		runs++
		record, _ := runner.Run(ctx, s.options(sc, p)) // a run that shows nothing does not fail
		same := inCommon(failed, record)
		result := "does not fail so"
		if len(same) > 0 {
			result = "fails, too: " + strings.Join(same, ", ")
		}
		fmt.Fprintf(all.out, "run %d, %d faults in %s: %s\n", runs, len(p.Steps), p.Duration, result)
		return len(same) > 0
	})
	if len(small.Steps) == len(p.Steps) && small.Duration == p.Duration {
		fmt.Fprintln(all.out, "no smaller plan was seen to fail")
		return
	}
	dir := filepath.Join(s.out, fmt.Sprintf("%s-%d-small", sc.Name, p.Seed))
	if err := errors.Join(os.MkdirAll(dir, 0o755), small.Write(dir)); err != nil {
		fmt.Fprintln(all.out, err)
		return
	}
	fmt.Fprintf(all.out, "%s\nreplay it: go run ./robustness/cmd/lab replay %s\n", small, dir)
}

// inCommon are the checks that have found something in both of two runs.
func inCommon(a, b *history.Record) (checks []string) {
	if b == nil {
		return nil
	}
	for _, v := range a.Verdicts {
		also := func(w history.Verdict) bool { return w.Check == v.Check && len(w.Findings) > 0 }
		if len(v.Findings) > 0 && slices.ContainsFunc(b.Verdicts, also) {
			checks = append(checks, v.Check)
		}
	}
	return checks
}

func replayCommand() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use: "replay DIR", Short: "Do the faults and requests of a run again",
		Long: `Does again what a plan says: the directory of a run, or a plan.json that you may have changed.
The faults and the requests are the same; the timing of the members is not.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := plan.Read(args[0])
			if err != nil {
				return err
			}
			found, err := scenario.Find(p.Scenario)
			if err != nil {
				return err
			}
			if err := s.prepare(); err != nil {
				return err
			}
			all := &outcomes{out: c.OutOrStdout()}
			fmt.Fprintln(all.out, p)
			s.runOne(c.Context(), all, found[0], p)
			return all.end(s.out)
		},
	}
	s.flags(c)
	return c
}
