package report

import (
	"slices"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/history"
)

// shortestGap is the least time without an acknowledged write that is shown as a gap.
const shortestGap = 500 * time.Millisecond

// availability knows when writes were acknowledged, while they were asked for.
type availability struct {
	// marks are the times of all acknowledgements in order, with the first call of a write before them and the last one behind: a
	// client that is not answered any more shows, one that asks no more does not.
	marks []time.Duration
	// acked are the acknowledgements alone.
	acked []time.Duration
	// threshold is what makes a gap: the spacing of a slow load is none.
	threshold time.Duration
}

// gap is a time between two marks.
type gap struct{ from, to time.Duration }

func (g gap) length() time.Duration { return g.to - g.from }

func newAvailability(r *history.Record) *availability {
	var first, last time.Duration
	asked := false
	a := &availability{}
	for _, o := range r.Operations {
		if !isWrite(o) {
			continue
		}
		if !asked {
			first, asked = o.Call, true
		}
		first, last = min(first, o.Call), max(last, o.Call)
		if o.Outcome == history.OK {
			a.acked = append(a.acked, o.Return)
		}
	}
	if !asked {
		return a
	}
	slices.Sort(a.acked)
	a.threshold = max(shortestGap, 10*median(a.acked))
	a.marks = slices.Concat([]time.Duration{first}, a.acked, []time.Duration{last})
	slices.Sort(a.marks)
	return a
}

// isWrite tells whether an operation asks for something that goes through the log because of its nature: a change of keys. A
// transaction is one if it was answered with a change, or, without an answer, if it could have made one.
func isWrite(o history.Operation) bool {
	switch r := o.Request.(type) {
	case *pb.PutRequest, *pb.DeleteRangeRequest:
		return true
	case *pb.TxnRequest:
		if answer, ok := o.Response.(*pb.TxnResponse); ok && answer != nil {
			if answer.Succeeded {
				return changes(r.Success)
			}
			return changes(r.Failure)
		}
		return changes(r.Success) || changes(r.Failure)
	}
	return false
}

func changes(ops []*pb.RequestOp) bool {
	return slices.ContainsFunc(ops, func(op *pb.RequestOp) bool {
		if t := op.GetRequestTxn(); t != nil {
			return changes(t.Success) || changes(t.Failure)
		}
		return op.GetRequestPut() != nil || op.GetRequestDeleteRange() != nil
	})
}

// median is that of the lengths between times in order.
func median(times []time.Duration) time.Duration {
	var lengths []time.Duration
	for i := 1; i < len(times); i++ {
		lengths = append(lengths, times[i]-times[i-1])
	}
	slices.Sort(lengths)
	return percentile(lengths, 500)
}

// between are the gaps inside of a time, cut at its ends, that are at least so long.
func (a *availability) between(from, to, least time.Duration) []gap {
	var gaps []gap
	for i := 1; i < len(a.marks); i++ {
		g := gap{max(from, a.marks[i-1]), min(to, a.marks[i])}
		if g.length() > 0 && g.length() >= least {
			gaps = append(gaps, g)
		}
	}
	return gaps
}

func (a *availability) longest(from, to time.Duration) time.Duration {
	var longest time.Duration
	for _, g := range a.between(from, to, 0) {
		longest = max(longest, g.length())
	}
	return longest
}

// gaps are those of the whole run that count.
func (a *availability) gaps() []gap {
	return a.between(0, a.end(), a.threshold)
}

func (a *availability) end() time.Duration {
	if len(a.marks) == 0 {
		return 0
	}
	return a.marks[len(a.marks)-1]
}

func (a *availability) unavailable() Unavailable {
	u := Unavailable{LongestMS: ms(a.longest(0, a.end())), ThresholdMS: ms(a.threshold), Gaps: []Gap{}}
	for _, g := range a.gaps() {
		u.TotalMS += ms(g.length())
		if len(u.Gaps) < maxGaps {
			u.Gaps = append(u.Gaps, Gap{ms(g.from), ms(g.to)})
		}
	}
	return u
}

// faults tells for each fault how long writes were away because of it, as far as that can be told from outside.
func (a *availability) faults(list []history.Fault) []Fault {
	faults := []Fault{}
	for _, f := range list {
		fault := Fault{
			Kind: clean(f.Kind), Members: []string{}, Detail: clean(f.Detail), InjectedMS: ms(f.Injected), HealedMS: ms(f.Healed), Proof: clean(f.Proof),
			LongestMS: ms(a.longest(f.Injected, a.until(f, list))), RecoveredMS: -1,
		}
		for _, m := range f.Members {
			fault.Members = append(fault.Members, clean(m))
		}
		if i, _ := slices.BinarySearch(a.acked, f.Healed); f.Healed > 0 && i < len(a.acked) {
			fault.RecoveredMS = ms(a.acked[i] - f.Healed)
		}
		faults = append(faults, fault)
	}
	return faults
}

// until is where the time of a fault ends: at the next fault after it was healed.
func (a *availability) until(f history.Fault, list []history.Fault) time.Duration {
	end := a.end()
	if f.Healed == 0 {
		return end
	}
	for _, other := range list {
		if other.Injected > max(f.Injected, f.Healed) {
			end = min(end, other.Injected)
		}
	}
	return end
}
