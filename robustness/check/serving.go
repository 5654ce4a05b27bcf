package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/check/model"
	"quoin.dev/quoin/robustness/history"
)

const (
	// lull is how long the cluster as a whole may acknowledge nothing before no single member is asked why it is silent.
	lull = 2 * time.Second
	// startBound is for the start of a process, which reads and syncs what there is on a disk that the lab shares with others.
	startBound = 30 * time.Second
	// hangBound is how long a member may take to notice that its disk hangs: an election timeout, and one to hand over.
	hangBound = 4 * time.Second
)

// reaching are kinds of faults that every member may feel, those they are not done to as well: each may need the links that are bad.
var reaching = []string{"bridge", "delay", "loss", "slow-link", "reset", "flap"}

// hanging are kinds of faults at which a member has to say that it is not ready, and to leave leadership to others.
var hanging = []string{"freeze-disk"}

// excuse is a time in which a member need not answer, and how long it may take from its end on.
type excuse struct{ from, to, within time.Duration }

// serving: a member that nothing is wrong with answers while the others go on, and one whose disk hangs says so.
func serving(_ context.Context, e *evidence, v *sheet) {
	answers, longest := 0, time.Duration(0)
	for _, m := range e.Members {
		times := e.answers(m.Name)
		if m.Learner || len(e.States) == 0 {
			continue // a learner sends those who ask it elsewhere
		}
		answers += len(times)
		excuses := e.excuses(m.Name)
		for from := time.Duration(0); ; {
			to := e.Loaded
			if len(times) > 0 {
				to, times = times[0], times[1:]
			}
			silent, overdue := silence(from, to, e.patience(usualBound), excuses)
			longest = max(longest, silent)
			if overdue > 0 {
				v.find(history.Finding{At: overdue, Text: fmt.Sprintf("expected %s, with which nothing was wrong, to answer by %s, %s, as writes were acknowledged; "+
					"found no answer from %s to %s", m.Name, at(overdue), e.since(overdue), at(from), at(to))})
			}
			if from = to; to >= e.Loaded {
				break
			}
		}
	}
	looks := e.hangs(v)
	if answers > 0 {
		v.Judged = fmt.Sprintf("%d answers of members, longest silence without a reason %.2f s", answers, longest.Seconds())
	}
	if looks > 0 {
		v.Judged += fmt.Sprintf("; %d looks at members whose disk hung", looks)
	}
}

// answers are the times at which a member has answered something that the others have a part in.
func (e *evidence) answers(member string) []time.Duration {
	var times []time.Duration
	for i := range e.States {
		if s := &e.States[i]; s.Member == member && s.Answered && s.At <= e.Loaded {
			times = append(times, s.At)
		}
	}
	for i := range e.Operations {
		if op := &e.Operations[i]; op.Member == member && op.Outcome == history.OK && together(op) && op.Return <= e.Loaded {
			times = append(times, op.Return)
		}
	}
	slices.Sort(times)
	return times
}

// together tells whether a member needs the others to answer an operation.
func together(op *history.Operation) bool {
	switch op.Request.(type) {
	case *pb.PutRequest, *pb.DeleteRangeRequest, *pb.LeaseGrantRequest:
		return true
	case *pb.RangeRequest, *pb.TxnRequest:
		return !model.Serializable(op.Request)
	}
	return false
}

// excuses are the times in which a member need not answer, by their begins: when it is harmed or gone, when there is no majority, and
// when the cluster as a whole does nothing, which is another check's matter.
func (e *evidence) excuses(member string) []excuse {
	var all []excuse
	usual, back := e.patience(usualBound), e.patience(backBound)
	for i := range e.Faults {
		f := &e.Faults[i]
		harmed := slices.Contains(f.Members, member) && !isMild(f.Kind) || slices.Contains(reaching, f.Kind)
		if harmed || !e.quorumAt(f.Injected) {
			all = append(all, excuse{begun(f), e.end(f.Healed), back})
		}
	}
	gone := time.Duration(0) // since when no process of it runs
	for _, p := range e.Processes {
		if p.Member == member {
			all = append(all, excuse{gone, p.Started, e.patience(startBound)})
			gone = e.end(p.Ended)
		}
	}
	if gone > 0 {
		all = append(all, excuse{gone, e.Loaded, back})
	}
	last := time.Duration(0)
	for _, t := range append(e.acknowledged(), e.Loaded) {
		if t-last > lull {
			all = append(all, excuse{last, t, usual})
		}
		last = t
	}
	slices.SortFunc(all, func(a, b excuse) int { return cmp.Compare(a.from, b.from) })
	return all
}

// patience is a bound, or what the scenario gives where that is more.
func (e *evidence) patience(bound time.Duration) time.Duration {
	for i := range e.Faults {
		bound = max(bound, e.options.Bounds[e.Faults[i].Kind].Within)
	}
	return bound
}

// end is when something ended, or the end of the load for what lasts.
func (e *evidence) end(t time.Duration) time.Duration {
	if t == 0 {
		return e.Loaded
	}
	return t
}

// silence looks at the time between two answers: for how long there was no excuse, and when the second one was overdue, 0 if it was not.
func silence(from, to, usual time.Duration, excuses []excuse) (longest, overdue time.Duration) {
	last, until := from, from+usual
	for _, x := range append(excuses[:len(excuses):len(excuses)], excuse{from: to, to: to + 1}) {
		if x.to <= from || x.from > to {
			continue
		}
		if longest = max(longest, x.from-last); x.from > until {
			return longest, until
		}
		last, until = max(last, x.to), max(until, x.to+x.within)
	}
	return longest, 0
}

// hangs finds members that lead, or say that all is well, while their disk hangs. It returns at how many states it looked.
func (e *evidence) hangs(v *sheet) (looks int) {
	for i := range e.Faults {
		f := &e.Faults[i]
		if !slices.Contains(hanging, f.Kind) {
			continue
		}
		for _, m := range e.Members {
			// Others than quoin say so when they do, and have not promised to.
			if slices.Contains(f.Members, m.Name) && strings.HasPrefix(m.Program, "quoin") {
				looks += e.hang(m.Name, f, v)
			}
		}
	}
	return looks
}

func (e *evidence) hang(member string, f *history.Fault, v *sheet) (looks int) {
	leads, silent := false, false
	for _, s := range e.States {
		if s.Member != member || s.Role == "" || s.At < f.Injected+hangBound || s.At >= e.end(f.Healed) || !e.quorumAt(s.At) {
			continue
		}
		looks++
		if !leads && s.Role == "leader" {
			leads = true
			v.find(history.Finding{At: s.At, Text: fmt.Sprintf("expected %s to leave leadership to others within %v of %s, found that it led at %s", member, hangBound, f.Kind, at(s.At))})
		}
		if !silent && len(s.Alarms) == 0 {
			silent = true
			v.find(history.Finding{At: s.At, Text: fmt.Sprintf("expected %s to say that it is not ready within %v of %s, found that it said nothing at %s", member, hangBound, f.Kind, at(s.At))})
		}
	}
	return looks
}
