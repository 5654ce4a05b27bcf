package scenario_test

import (
	"reflect"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/fault"
	"quoin.dev/quoin/robustness/scenario"
)

func TestTheCatalogueIsSound(t *testing.T) {
	names := map[string]bool{}
	for _, s := range scenario.All() {
		if names[s.Name] || s.Name == "" || s.What == "" || s.Faults == nil {
			t.Errorf("%q: a second one, or incomplete", s.Name)
		}
		names[s.Name] = true
		for seed := range uint64(20) {
			p := s.Plan(seed)
			if len(p.Steps) == 0 {
				t.Errorf("%s, seed %d: no faults", s.Name, seed)
			}
			if p.End() >= s.Duration {
				t.Errorf("%s, seed %d: faults last until %s, the load until %s", s.Name, seed, p.End(), s.Duration)
			}
			for _, step := range p.Steps {
				kind, err := fault.Find(step.Fault)
				if err != nil {
					t.Errorf("%s: %v", s.Name, err)
				}
				if kind.Needs.Disk && !s.Disk || kind.Needs.Clock && !s.Clock {
					t.Errorf("%s: %s needs what the scenario does not have", s.Name, step.Fault)
				}
			}
		}
	}
	if len(names) < 30 {
		t.Errorf("%d scenarios", len(names))
	}
}

func TestASeedIsAPlan(t *testing.T) {
	for _, s := range scenario.All() {
		if a, b := s.Plan(7), s.Plan(7); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two plans of one seed:\n%s\n%s", s.Name, a, b)
		}
	}
	if a, b := scenario.All()[0].Plan(1), scenario.All()[0].Plan(2); reflect.DeepEqual(a.Steps, b.Steps) {
		t.Error("two seeds make one plan")
	}
}

func TestFind(t *testing.T) {
	for pattern, least := range map[string]int{"kill-one": 1, "power-cut-*": 3, "*": 30} {
		if found, err := scenario.Find(pattern); err != nil || len(found) < least {
			t.Errorf("%s: %d scenarios, %v", pattern, len(found), err)
		}
	}
	if _, err := scenario.Find("no-such"); err == nil {
		t.Error("found what is not there")
	}
}

// The profile of continuous integration is bounded: it is part of every check.
func TestTheQuickProfileIsQuick(t *testing.T) {
	var total time.Duration
	for _, s := range scenario.All() {
		if s.Quick {
			total += s.Duration
		}
	}
	if total > 6*time.Minute {
		t.Errorf("the load alone takes %s", total)
	}
}
