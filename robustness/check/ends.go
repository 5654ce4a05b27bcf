package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"quoin.dev/quoin/robustness/history"
)

// hashes: members that were hashed at one revision have one hash, and one revision in the end.
func hashes(_ context.Context, e *evidence, v *sheet) {
	byRevision := map[int64][]history.End{}
	var ends []history.End
	for _, end := range e.Ends {
		if end.Error != "" {
			v.find(history.Finding{At: e.Duration, Text: fmt.Sprintf("expected %s to say what it holds when all is quiet, found: %s", end.Member, end.Error)})
			continue
		}
		ends = append(ends, end)
		byRevision[end.HashRevision] = append(byRevision[end.HashRevision], end)
	}
	for revision, group := range byRevision {
		for _, end := range group[1:] {
			// A hash is about what a compaction has left, so members that have compacted differently have different ones.
			if end.Hash != group[0].Hash && end.CompactRevision == group[0].CompactRevision {
				v.find(history.Finding{At: e.Duration, Text: fmt.Sprintf("expected one hash at revision %d (compacted at %d), found %08x at %s and %08x at %s",
					revision, end.CompactRevision, group[0].Hash, group[0].Member, end.Hash, end.Member)})
			}
		}
	}
	if len(ends) == 0 {
		return
	}
	for _, end := range ends[1:] {
		if end.Revision != ends[0].Revision {
			v.find(history.Finding{At: e.Duration, Text: fmt.Sprintf("expected one last revision, found %d at %s and %d at %s", ends[0].Revision, ends[0].Member, end.Revision, end.Member)})
		}
		if end.CompactRevision != ends[0].CompactRevision {
			v.find(history.Finding{At: e.Duration, Text: fmt.Sprintf("expected one compacted revision, found %d at %s and %d at %s",
				ends[0].CompactRevision, ends[0].Member, end.CompactRevision, end.Member)})
		}
	}
	for _, s := range e.lastStates() {
		if slices.ContainsFunc(s.Alarms, func(a string) bool { return strings.Contains(strings.ToUpper(a), "CORRUPT") }) {
			v.find(history.Finding{At: s.At, Text: fmt.Sprintf("expected no member to be corrupt, found the alarm at %s: %s", s.Member, strings.Join(s.Alarms, ", "))})
		}
	}
	v.Judged = fmt.Sprintf("%d members, at revision %d", len(ends), ends[0].Revision)
}

// lastStates are the last ones of all members.
func (e *evidence) lastStates() []history.State {
	last := map[string]history.State{}
	for _, s := range e.States {
		last[s.Member] = s
	}
	var states []history.State
	for _, m := range e.Members {
		if s, ok := last[m.Name]; ok {
			states = append(states, s)
		}
	}
	return states
}

// faults: a fault that was not seen to bite has tested nothing.
func faults(_ context.Context, e *evidence, v *sheet) {
	for _, f := range e.Faults {
		if strings.TrimSpace(f.Proof) == "" {
			v.find(history.Finding{At: f.Injected, Text: fmt.Sprintf("expected a proof that %s of %s had an effect, found none", f.Kind, strings.Join(f.Members, ", "))})
		}
	}
	if len(e.Faults) == 0 {
		return
	}
	v.Judged = fmt.Sprintf("%d faults", len(e.Faults))
	halves := 0
	for _, f := range e.Faults {
		halves += f.HalfRecords
	}
	if halves > 0 {
		v.Judged += fmt.Sprintf("; losses of power have left half a record in a log %d times", halves)
	}
}
