package plan

import "slices"

// Shrink looks for a smaller plan that still fails: it leaves out halves of the steps, then quarters, down to single ones, and
// goes on with what is left whenever that fails, too. It asks at most tries times, and returns the smallest plan that failed.
func Shrink(p *Plan, tries int, fails func(*Plan) bool) *Plan {
	s := shrinker{plan: p, tries: tries, fails: fails}
	for i := range p.Steps {
		s.kept = append(s.kept, i)
	}
	for size := (len(s.kept) + 1) / 2; s.tries > 0 && len(s.kept) > 0; {
		switch smaller := s.pass(size); {
		case smaller:
			size = max(1, min(size, len(s.kept)/2))
		case size == 1:
			return p.Only(s.kept)
		default:
			size = (size + 1) / 2
		}
	}
	return p.Only(s.kept)
}

type shrinker struct {
	plan  *Plan
	kept  []int // the steps that are left, by their places in the plan
	tries int
	fails func(*Plan) bool
}

// pass tries to do without each run of size steps, and tells whether it could do without one.
func (s *shrinker) pass(size int) (smaller bool) {
	for at := 0; at < len(s.kept) && s.tries > 0; {
		rest := slices.Delete(slices.Clone(s.kept), at, min(at+size, len(s.kept)))
		s.tries--
		if s.fails(s.plan.Only(rest)) {
			s.kept, smaller = rest, true
		} else {
			at += size
		}
	}
	return smaller
}
