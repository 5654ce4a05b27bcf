package report

import (
	"time"

	"quoin.dev/quoin/robustness/history"
)

// maxSpans bounds how often a member is shown to change.
const maxSpans = 1000

// What a member is shown as.
const (
	leader   = "leader"
	follower = "follower"
	learner  = "learner"
	// electing: it answers, and knows of no leader.
	electing = "electing"
	// silent: its process is there, and does not answer.
	silent = "silent"
	paused = "paused"
	down   = "down"
)

// marks are letters for those who can not tell the colours.
var marks = map[string]string{leader: "L", follower: "F", learner: "N", electing: "E", silent: "?", paused: "P", down: "×"}

// span is a time in which a member stayed the same.
type span struct {
	from, to time.Duration
	what     string
	term     uint64
	// raised says that the term is not that of the span before.
	raised bool
}

// whatIs is what a state shows a member as.
func whatIs(s history.State) string {
	switch {
	case !s.Alive:
		return down
	case s.Paused:
		return paused
	case s.Role == "candidate", s.Role == follower && s.Leader == 0:
		return electing
	case s.Role == leader, s.Role == follower, s.Role == learner:
		return s.Role
	}
	return silent
}

// spans are the times of one member in order. Each lasts until the next state that says something else.
func spans(states []history.State, member string, end time.Duration) []span {
	var list []span
	var term uint64
	for _, s := range states {
		if s.Member != member || s.At > end {
			continue
		}
		next := span{from: s.At, what: whatIs(s), term: s.Term}
		if s.Term != 0 {
			next.raised = term != 0 && s.Term != term
			term = s.Term
		}
		if n := len(list); n > 0 {
			last := &list[n-1]
			last.to = s.At
			if last.what == next.what && last.term == next.term {
				continue
			}
		}
		list = append(list, next)
	}
	if n := len(list); n > 0 {
		list[n-1].to = end
	}
	return coarse(list, end/maxSpans)
}

// coarse gives times that are too short to be seen to their neighbours, if there are too many.
func coarse(list []span, least time.Duration) []span {
	if len(list) <= maxSpans {
		return list
	}
	kept := list[:0]
	for _, s := range list {
		if n := len(kept); n > 0 && s.to-s.from < least {
			kept[n-1].to = s.to
			continue
		}
		kept = append(kept, s)
	}
	return kept[:min(len(kept), maxSpans)]
}
