package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/history"
)

func TestSpansJoinStatesThatAreAlike(t *testing.T) {
	at := func(s int, what history.State) history.State {
		what.At, what.Member = time.Duration(s)*time.Second, "m0"
		return what
	}
	leads := history.State{Alive: true, Role: "leader", Leader: 1, Term: 2}
	states := []history.State{
		at(0, leads), at(1, leads), {At: time.Second, Member: "m1"}, at(2, history.State{Alive: true, Paused: true}), at(3, history.State{Alive: true}),
		at(4, history.State{}), at(5, history.State{Alive: true, Role: "follower", Term: 3}), at(6, history.State{Alive: true, Role: "learner", Leader: 4, Term: 3}),
	}
	var got []string
	for _, s := range spans(states, "m0", 10*time.Second) {
		got = append(got, fmt.Sprint(s.what, " ", s.from, "-", s.to, " ", s.raised))
	}
	want := "leader 0s-2s false, paused 2s-3s false, silent 3s-4s false, down 4s-5s false, electing 5s-6s true, learner 6s-10s false"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestAMemberThatChangesAllTheTimeIsShownCoarsely(t *testing.T) {
	var states []history.State
	for i := range 20_000 {
		states = append(states, history.State{At: time.Duration(i) * time.Millisecond, Member: "m0", Alive: i%2 == 0})
	}
	list := spans(states, "m0", 20*time.Second)
	if len(list) > maxSpans {
		t.Errorf("%d spans", len(list))
	}
}

func TestFaultsWhoseLabelsWouldMeetAreInRows(t *testing.T) {
	at := scale{30 * time.Second}
	var faults []history.Fault
	for i := range 20 {
		faults = append(faults, history.Fault{Kind: "isolate", Members: []string{"m0", "m1"}, Injected: time.Duration(i) * 100 * time.Millisecond, Healed: 20 * time.Second})
	}
	faults = append(faults, history.Fault{Kind: "kill", Injected: 25 * time.Second})
	bars, rows := faultBars(at, faults)
	if rows != maxRows || bars[0].Row == bars[1].Row || bars[20].Row != 0 || !bars[20].Open {
		t.Errorf("%d rows, %+v", rows, bars[20])
	}
}
