package mutants_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/mutants"
	"quoin.dev/quoin/robustness/runner"
	"quoin.dev/quoin/robustness/scenario"
)

const (
	// allVariable, set to all, lets the lab look for all mutants.
	allVariable = "QUOIN_LAB_MUTANTS"
	// fewMutants is how many it looks for otherwise: those that it finds first.
	fewMutants = 3
	// leastLoad is how long members are under load at least; longer where it took longer to find the mutant before.
	leastLoad = 6 * time.Second
	// mostRuns is how many runs there are until one finds a mutant: some show for a moment only, which may be missed on a busy machine.
	mostRuns = 3
	// runTimeout bounds one run, builds and checks included.
	runTimeout = 20 * time.Minute
)

// TestTheLabCatchesItsMutants: each bug is found in members that have it, by the check that is named. What finds bugs that were
// planted may find others.
func TestTheLabCatchesItsMutants(t *testing.T) {
	all, err := mutants.All()
	if err != nil {
		t.Fatal(err)
	}
	if err := runner.CanRun(t.Context(), runner.HostAuto); err != nil {
		t.Skipf("members can not be run here: %v", err)
	}
	if os.Getenv(allVariable) != "all" {
		slices.SortStableFunc(all, func(a, b mutants.Mutant) int { return cmp.Compare(a.Took, b.Took) })
		all = all[:fewMutants]
	}
	for _, m := range all {
		t.Run(m.Name, func(t *testing.T) {
			for range mostRuns {
				if caught(t, m) {
					return
				}
			}
			t.Errorf("%s found nothing in %d runs", m.Check, mostRuns)
		})
	}
}

// caught runs the scenario of a mutant and reports whether its check has found something.
func caught(t *testing.T, m mutants.Mutant) bool {
	t.Helper()
	found, err := scenario.Find(m.Scenario)
	if err != nil {
		t.Fatal(err)
	}
	s := found[0]
	// Some bugs show with the first fault, which a load has to have room for, and for some rest behind it.
	first := s.Plan(m.Seed).Steps[0]
	s.Duration = min(s.Duration, max(2*m.Took, leastLoad, time.Duration(2*first.At+first.For)))
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	record, err := runner.Run(ctx, runner.Options{
		Scenario: s, Plan: s.Plan(m.Seed), Host: runner.HostAuto, Dir: t.TempDir(),
		Build: runner.Build{Mutant: m.Name}, Progress: t.Output(),
	})
	if record == nil {
		t.Fatal(err)
	}
	// Members with a bug may be in no state to be harmed or to come back, so an error alone does not count.
	var verdicts []string
	for _, v := range record.Verdicts {
		if v.Check == m.Check && len(v.Findings) > 0 {
			t.Logf("%s: %s", v.Check, v.Findings[0].Text)
			return true
		}
		verdicts = append(verdicts, fmt.Sprintf("%s %d", v.Check, len(v.Findings)))
	}
	t.Logf("%s found nothing (%v); findings: %v", m.Check, err, verdicts)
	return false
}

// TestMutantsNameWhatThereIs: scenarios and checks.
func TestMutantsNameWhatThereIs(t *testing.T) {
	all, err := mutants.All()
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string]bool{}
	for _, c := range check.All() {
		checks[c.Name] = true
	}
	for _, m := range all {
		if _, err := scenario.Find(m.Scenario); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		if !checks[m.Check] {
			t.Errorf("%s: there is no check %q", m.Name, m.Check)
		}
	}
}
