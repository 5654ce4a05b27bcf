package plan

import (
	"fmt"
	"slices"
	"time"
)

// afterwards is how long the load of a shrunk plan goes on after the last fault was healed: what a fault has done may show late.
const afterwards = 3 * time.Second

// Shrink looks for a smaller plan that still fails: it leaves out all steps, then halves of them, then quarters, down to single ones,
// and goes on with what is left whenever that fails, too. In the end it lets the load end soon after the last fault. It asks at most
// tries times, never twice about one plan, and returns the smallest plan that failed.
func Shrink(p *Plan, tries int, fails func(*Plan) bool) *Plan {
	s := shrinker{plan: p, tries: tries, fails: fails, passed: map[string]bool{}}
	for i := range p.Steps {
		s.kept = append(s.kept, i)
	}
	for size := len(s.kept); s.tries > 0 && len(s.kept) > 0; {
		smaller := s.pass(size)
		if !smaller && size == 1 {
			break
		}
		if !smaller {
			size = (size + 1) / 2
		}
		size = max(1, min(size, len(s.kept)/2))
	}
	return s.shorter()
}

type shrinker struct {
	plan   *Plan
	kept   []int // the steps that are left, by their places in the plan
	tries  int
	fails  func(*Plan) bool
	passed map[string]bool // steps with which the plan did not fail
}

// pass tries to do without each run of size steps, and tells whether it could do without one.
func (s *shrinker) pass(size int) (smaller bool) {
	for at := 0; at < len(s.kept) && s.tries > 0; {
		rest := slices.Delete(slices.Clone(s.kept), at, min(at+size, len(s.kept)))
		if s.asks(rest) {
			s.kept, smaller = rest, true
		} else {
			at += size
		}
	}
	return smaller
}

func (s *shrinker) asks(steps []int) bool {
	key := fmt.Sprint(steps)
	if s.passed[key] {
		return false
	}
	s.tries--
	failed := s.fails(s.plan.Only(steps))
	s.passed[key] = !failed
	return failed
}

// shorter is the plan with what is left, and with a shorter load if it still fails then.
func (s *shrinker) shorter() *Plan {
	small := s.plan.Only(s.kept)
	short := *small
	short.Duration = Duration(small.End() + afterwards)
	if short.Duration < small.Duration && s.tries > 0 && s.fails(&short) {
		return &short
	}
	return small
}
