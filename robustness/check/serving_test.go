package check_test

import (
	"strings"
	"testing"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/history"
)

// attended is a minute in which writes are acknowledged by m1, and all members answer the lab except in some times, which each
// have a begin and an end.
func attended(silent map[string][]time.Duration, faults ...history.Fault) *history.Record {
	const long, every = time.Minute, 500 * ms
	r := &history.Record{Loaded: long, Duration: long, Faults: faults}
	for _, name := range []string{"m0", "m1", "m2"} {
		r.Members = append(r.Members, history.Member{Name: name, Program: "quoin"})
		r.Processes = append(r.Processes, history.Process{Member: name, Started: -time.Second, Ended: long + 1, Stopped: true})
	}
	for t := every; t <= long; t += every {
		r.Operations = append(r.Operations, history.Operation{
			Member: "m1", Call: t - ms, Return: t, Outcome: history.OK, Request: put("k", "v"), Response: &pb.PutResponse{Header: &pb.ResponseHeader{Revision: int64(t)}},
		})
		for _, m := range r.Members {
			s := history.State{At: t, Member: m.Name, Alive: true, Answered: true, Role: "follower"}
			for i := 0; i < len(silent[m.Name]); i += 2 {
				s.Answered = s.Answered && (t < silent[m.Name][i] || t > silent[m.Name][i+1])
			}
			r.States = append(r.States, s)
		}
	}
	return r
}

// describing changes what a member says of itself between two times.
func describing(r *history.Record, member string, from, to time.Duration, change func(*history.State)) *history.Record {
	for i := range r.States {
		if s := &r.States[i]; s.Member == member && from <= s.At && s.At < to {
			change(s)
		}
	}
	return r
}

func silent(member string, from, to time.Duration) map[string][]time.Duration {
	return map[string][]time.Duration{member: {from, to}}
}

func notReady(s *history.State) { s.Alarms = []string{"the disk does not answer"} }

func TestMembersThatHangAreFound(t *testing.T) {
	const begin, end = 5 * time.Second, 12 * time.Second
	frozen := fault("freeze-disk", begin, end, "m0")
	for name, c := range map[string]struct {
		record *history.Record
		says   string
	}{
		"all is well":                    {attended(nil), ""},
		"it hangs for a moment":          {attended(silent("m0", 10*time.Second, 14*time.Second)), ""},
		"it hangs":                       {attended(silent("m0", 10*time.Second, 17*time.Second)), "expected m0, with which nothing was wrong, to answer by 14.500 s"},
		"it hangs to the end":            {attended(silent("m2", 20*time.Second, time.Hour)), "found no answer from 19.500 s to 60.000 s"},
		"another one was killed":         {attended(silent("m0", 10*time.Second, 17*time.Second), fault("kill", 9*time.Second, 20*time.Second, "m2")), "after kill of m2 began"},
		"there was no majority":          {attended(silent("m0", 10*time.Second, 17*time.Second), fault("kill", 9*time.Second, 16*time.Second, "m1", "m2")), ""},
		"it was cut off":                 {attended(silent("m0", begin, end), fault("isolate", begin, end, "m0")), ""},
		"it is slow to come back":        {attended(silent("m0", begin, 21*time.Second), fault("isolate", begin, end, "m0")), ""},
		"it does not come back":          {attended(silent("m0", begin, 26*time.Second), fault("isolate", begin, end, "m0")), "expected m0, with which nothing was wrong, to answer by 22.000 s"},
		"it answers once and hangs":      {attended(map[string][]time.Duration{"m0": {begin, 13 * time.Second, 14 * time.Second, 26 * time.Second}}, fault("isolate", begin, end, "m0")), "to answer by 18.500 s"},
		"links of others were bad":       {attended(silent("m0", begin, end), fault("bridge", begin, end, "m2")), ""},
		"others defragmented":            {attended(silent("m0", begin, end), fault("defragment", begin, end, "m0", "m1", "m2")), "to answer by 9.500 s"},
		"a disk that hung is well":       {describing(attended(silent("m0", begin, end), frozen), "m0", 6*time.Second, 13*time.Second, notReady), ""},
		"a disk that hung keeps it":      {describing(attended(silent("m0", begin, time.Hour), frozen), "m0", 6*time.Second, 13*time.Second, notReady), "to answer by 22.000 s"},
		"its disk hangs, and it leads":   {describing(attended(silent("m0", begin, end), frozen), "m0", 6*time.Second, end, func(s *history.State) { notReady(s); s.Role = "leader" }), "expected m0 to leave leadership to others within 4s of freeze-disk, found that it led at 9.000 s"},
		"its disk hangs, and it is mum":  {attended(silent("m0", begin, end), frozen), "expected m0 to say that it is not ready within 4s of freeze-disk"},
		"it does not even say how it is": {describing(attended(silent("m0", begin, end), frozen), "m0", begin, end, func(s *history.State) { s.Role = "" }), ""},
	} {
		v := judge(t, "serving", c.record, check.Options{})
		if got := texts(v); c.says == "" && got != "" || !strings.Contains(got, c.says) || len(v.Findings) > 1 || c.says == "" && v.Judged == "" {
			t.Errorf("%s: found %q, judged %q", name, got, v.Judged)
		}
	}
}

// A process that was started has longer to answer than one that goes on, but not for ever.
func TestMembersThatDoNotStartAreFound(t *testing.T) {
	for answers, found := range map[time.Duration]int{25 * time.Second: 0, 50 * time.Second: 1} {
		r := attended(silent("m0", 5*time.Second, 8*time.Second+answers), fault("kill", 5*time.Second, 8*time.Second, "m0"))
		r.Processes[0].Ended, r.Processes[0].Killed = 5*time.Second, true
		r.Processes = append(r.Processes, history.Process{Member: "m0", Started: 8 * time.Second, Ended: r.Duration, Stopped: true})
		if v := judge(t, "serving", r, check.Options{}); len(v.Findings) != found || found > 0 && !strings.Contains(texts(v), "to answer by 38.000 s") {
			t.Errorf("%v: found %q", answers, texts(v))
		}
	}
}

// Where the cluster as a whole does nothing, that is for another check to find.
func TestASilentMemberOfASilentClusterIsNotBlamed(t *testing.T) {
	r := attended(silent("m0", 10*time.Second, 17*time.Second))
	var kept []history.Operation
	for _, op := range r.Operations {
		if op.Return < 10*time.Second || op.Return > 16*time.Second {
			kept = append(kept, op)
		}
	}
	r.Operations = kept
	if v := judge(t, "serving", r, check.Options{}); len(v.Findings) > 0 {
		t.Errorf("found %q", texts(v))
	}
}

// Answers to clients count as those to the lab, but for those that need nobody else.
func TestAnswersToClientsCount(t *testing.T) {
	for name, c := range map[string]struct {
		serializable bool
		found        int
	}{"linearizable": {false, 0}, "serializable": {true, 1}} {
		r := attended(silent("m0", 10*time.Second, 17*time.Second))
		r.Operations = append(r.Operations, history.Operation{
			Member: "m0", Call: 13 * time.Second, Return: 13*time.Second + ms, Outcome: history.OK,
			Request: &pb.RangeRequest{Key: []byte("k"), Serializable: c.serializable}, Response: &pb.RangeResponse{},
		})
		if v := judge(t, "serving", r, check.Options{}); len(v.Findings) != c.found {
			t.Errorf("%s: found %q", name, texts(v))
		}
	}
}

// A scenario that gives the cluster more time gives each member as much.
func TestAScenarioCanGiveMembersMoreTime(t *testing.T) {
	r := attended(silent("m0", 10*time.Second, 17*time.Second), fault("compact", time.Second, 2*time.Second, "m0"))
	if v := judge(t, "serving", r, check.Options{Bounds: map[string]check.Bound{"compact": {Within: 10 * time.Second}}}); len(v.Findings) > 0 {
		t.Errorf("found %q", texts(v))
	}
}
