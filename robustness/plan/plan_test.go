package plan_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/plan"
)

func TestAPlanIsReadAsItWasWritten(t *testing.T) {
	p := &plan.Plan{Scenario: "s", Seed: 1 << 63, Duration: plan.Duration(20 * time.Second), Steps: []plan.Step{
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
	if want := "s, seed 9223372036854775808, load for 20s, 2 faults\n  at 1.5s: delay leader (100) for 1s\n  at 1m0s: kill m1"; p.String() != want {
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
		asked := 0
		small := plan.Shrink(p, 1000, func(p *plan.Plan) bool {
			asked++
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

func TestShrinkStopsInTime(t *testing.T) {
	p := &plan.Plan{Steps: make([]plan.Step, 64)}
	asked := 0
	small := plan.Shrink(p, 5, func(*plan.Plan) bool { asked++; return false })
	if asked != 5 || len(small.Steps) != 64 {
		t.Errorf("%d questions, %d steps", asked, len(small.Steps))
	}
}
