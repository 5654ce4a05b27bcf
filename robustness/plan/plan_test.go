package plan_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/plan"
)

func TestAPlanIsReadAsItWasWritten(t *testing.T) {
	p := &plan.Plan{Scenario: "s", Seed: 1 << 63, Duration: plan.Duration(20 * time.Second), OneJournal: true, Steps: []plan.Step{
		{At: plan.Duration(1500 * time.Millisecond), For: plan.Duration(time.Second), Fault: "delay", Victims: "leader", Amount: 100},
		{At: plan.Duration(time.Minute), Fault: "kill", Victims: "m1"},
	}}
	dir := t.TempDir()
	if err := p.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := plan.Read(dir)
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("got %v, %v", got, err)
	}
	if want := "s, seed 9223372036854775808, load for 20s, 2 faults, disks with one journal\n  at 1.5s: delay leader (100) for 1s\n  at 1m0s: kill m1"; p.String() != want {
		t.Errorf("got\n%s", p)
	}
}

// Whichever steps are needed for the failure, only these are left.
func TestShrinkFindsTheStepsThatAreNeeded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		p := new(plan.Plan)
		for i := range 1 + random.IntN(20) {
			p.Steps = append(p.Steps, plan.Step{Amount: i})
		}
		needed := map[int]bool{}
		for range random.IntN(4) {
			needed[random.IntN(len(p.Steps))] = true
		}
		asked, plans := 0, map[string]bool{}
		small := plan.Shrink(p, 1000, func(p *plan.Plan) bool {
			asked++
			if plans[p.String()] {
				t.Fatalf("asked twice about %s", p)
			}
			plans[p.String()] = true
			found := 0
			for _, s := range p.Steps {
				if needed[s.Amount] {
					found++
				}
			}
			return found == len(needed)
		})
		for _, s := range small.Steps {
			if !needed[s.Amount] {
				t.Fatalf("step %d of %d is left, needed are %v", s.Amount, len(p.Steps), needed)
			}
		}
		if len(small.Steps) != len(needed) || asked > 200 {
			t.Fatalf("%d steps, after %d questions", len(small.Steps), asked)
		}
	}
}

// One fault of many is found in about as many questions as it takes to halve them, and the load does not go on long after it.
func TestShrinkIsQuickWhereOneStepMatters(t *testing.T) {
	const steps = 32
	for needed := range steps {
		p := &plan.Plan{Duration: plan.Duration(time.Minute)}
		for i := range steps {
			p.Steps = append(p.Steps, plan.Step{At: plan.Duration(time.Duration(i) * time.Second), For: plan.Duration(time.Second), Amount: i})
		}
		asked := 0
		small := plan.Shrink(p, 1000, func(p *plan.Plan) bool {
			asked++
			return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Amount == needed })
		})
		if len(small.Steps) != 1 || small.Steps[0].Amount != needed || asked > 14 {
			t.Errorf("step %d: after %d questions %s", needed, asked, small)
		}
		if got, most := time.Duration(small.Duration), small.End()+5*time.Second; got > most {
			t.Errorf("step %d: the load goes on for %s, the faults for %s", needed, got, small.End())
		}
	}
}

func TestShrinkStopsInTime(t *testing.T) {
	p := &plan.Plan{Steps: make([]plan.Step, 64)}
	asked := 0
	small := plan.Shrink(p, 5, func(*plan.Plan) bool { asked++; return false })
	if asked != 5 || len(small.Steps) != 64 {
		t.Errorf("%d questions, %d steps", asked, len(small.Steps))
	}
}
