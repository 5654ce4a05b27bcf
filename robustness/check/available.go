package check

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/check/eventlog"
	"quoin.dev/quoin/robustness/history"
)

// Bound is how long writes may stop.
type Bound struct {
	// Within is counted from the begin of the fault, its end, and the last write that was acknowledged.
	Within time.Duration
	// NoQuorum says that no write needs to be acknowledged while the fault lasts.
	NoQuorum bool
}

const (
	// usualBound is for faults that leave a majority: an election, and the time that clients take to find the leader.
	usualBound = 5 * time.Second
	// backBound is for the return of a majority.
	backBound = 10 * time.Second
)

// mild are kinds of faults at which a member can still do its part in a majority.
var mild = []string{"move-leader", "defragment", "compact", "backup", "membership", "clock", "delay", "slow-fsync"}

func isMild(kind string) bool {
	return slices.ContainsFunc(mild, func(part string) bool { return strings.Contains(kind, part) })
}

// stretch is a time without an acknowledged write, in which nothing began or ended.
type stretch struct {
	from, to time.Duration
	bound    time.Duration // 0: none
	why      string
}

// available: the pauses between acknowledged writes are within their bounds.
func available(_ context.Context, e *evidence, v *sheet) {
	times := e.acknowledged()
	if len(times) == 0 {
		if len(e.Operations) > 0 {
			v.find(history.Finding{At: e.Loaded, Text: fmt.Sprintf("expected writes to be acknowledged, found none among %d operations", len(e.Operations))})
		}
		return
	}
	longest, by := time.Duration(0), map[string]time.Duration{}
	last := times[0]
	for _, t := range append(times[1:], max(e.Loaded, times[len(times)-1])) {
		longest = max(longest, t-last)
		e.notePause(by, last, t)
		for _, s := range e.stretches(last, t) {
			if s.bound > 0 && s.to-s.from > s.bound {
				v.find(history.Finding{At: s.to, Text: fmt.Sprintf("expected a write to be acknowledged within %v of %s, found none from %s to %s (%v)",
					s.bound, s.why, at(s.from), at(s.to), (s.to - s.from).Round(time.Millisecond))})
			}
		}
		last = t
	}
	v.Judged = fmt.Sprintf("%d acknowledged writes, longest pause %.2f s", len(times), longest.Seconds())
	for _, kind := range slices.Sorted(maps.Keys(by)) {
		v.Judged += fmt.Sprintf("; %s %.2f s", kind, by[kind].Seconds())
	}
}

// acknowledged are the times of the acknowledged writes, in their order.
func (e *evidence) acknowledged() []time.Duration {
	var times []time.Duration
	for i := range e.Operations {
		op := &e.Operations[i]
		changed, certain := eventlog.Changed(op.Response)
		if op.Outcome == history.OK && (changed || !certain) && op.Return <= e.Loaded {
			times = append(times, op.Return)
		}
	}
	slices.Sort(times)
	return times
}

// notePause keeps the longest pause that a kind of fault had a part in.
func (e *evidence) notePause(by map[string]time.Duration, from, to time.Duration) {
	for i := range e.Faults {
		f := &e.Faults[i]
		if f.Injected < to && (f.Healed == 0 || f.Healed > from) {
			by[f.Kind] = max(by[f.Kind], to-from)
		}
	}
}

// stretches parts a pause where faults began or ended: each change may cost an election.
func (e *evidence) stretches(from, to time.Duration) []stretch {
	cuts := []time.Duration{from, to}
	for _, f := range e.Faults {
		for _, t := range []time.Duration{f.Injected, f.Healed} {
			if t > from && t < to {
				cuts = append(cuts, t)
			}
		}
	}
	slices.Sort(cuts)
	var all []stretch
	for i := range cuts[1:] {
		s := stretch{from: cuts[i], to: cuts[i+1]}
		s.bound, s.why = e.boundAt(s.from)
		all = append(all, s)
	}
	return all
}

// boundAt is what holds for a pause that goes on after a time, and since what.
func (e *evidence) boundAt(t time.Duration) (bound time.Duration, why string) {
	if !e.quorumAt(t) {
		return 0, ""
	}
	bound, why = usualBound, "the write before"
	for i := range e.Faults {
		f := &e.Faults[i]
		given, ok := e.options.Bounds[f.Kind]
		lasts := f.Injected <= t && (f.Healed == 0 || f.Healed > t)
		if ok && given.Within > 0 && (lasts || f.Healed == t) {
			bound = max(bound, given.Within)
		}
		switch {
		case f.Injected == t:
			why = fmt.Sprintf("the begin of %s of %s", f.Kind, strings.Join(f.Members, ", "))
		case f.Healed == t:
			why = fmt.Sprintf("the end of %s of %s", f.Kind, strings.Join(f.Members, ", "))
			if !e.quorumAt(t - 1) {
				bound = max(bound, backBound)
			}
		}
	}
	return bound, why
}

// quorumAt tells whether a majority of the voters has no fault at a time.
func (e *evidence) quorumAt(t time.Duration) bool {
	hit := map[string]bool{}
	for i := range e.Faults {
		f := &e.Faults[i]
		if isMild(f.Kind) || f.Injected > t || f.Healed != 0 && f.Healed <= t {
			continue
		}
		if e.options.Bounds[f.Kind].NoQuorum {
			return false
		}
		for _, m := range f.Members {
			hit[m] = true
		}
	}
	voters, down := 0, 0
	for _, m := range e.Members {
		if !m.Learner {
			if voters++; hit[m.Name] {
				down++
			}
		}
	}
	return voters == 0 || cmp.Compare(2*(voters-down), voters) > 0
}
