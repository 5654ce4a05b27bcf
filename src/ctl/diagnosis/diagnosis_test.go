package diagnosis_test

import (
	"fmt"
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/ctl/diagnosis"
)

// facts are those of a cluster in which each word is a member: l leads, f follows, down does not answer, lost has no leader,
// new has not started, ? before it is a learner. Further words after a comma change what one answers.
func facts(text string) (f diagnosis.Facts) {
	for i, word := range strings.Fields(text) {
		parts := strings.Split(word, ",")
		what, learner := strings.CutPrefix(parts[0], "?")
		m := diagnosis.Member{Listed: &pb.Member{ID: uint64(i + 1), Name: fmt.Sprint("m", i+1), IsLearner: learner}}
		s := &pb.StatusResponse{Header: &pb.ResponseHeader{MemberId: m.Listed.ID}, RaftTerm: 5, Leader: 1, RaftAppliedIndex: 100_000,
			DbSize: 10 << 20, DbSizeInUse: 9 << 20, DbSizeQuota: 100 << 20}
		switch what {
		case "down":
			s, m.Trouble = nil, "connection refused"
		case "new":
			s, m.Listed.Name = nil, ""
		case "lost":
			s.Leader, s.Errors = 0, []string{"etcdserver: no leader"}
		case "old":
			s.Leader, s.RaftTerm = 3, 4
		}
		for _, change := range parts[1:] {
			switch change {
			case "full":
				s.DbSize, s.DbSizeInUse = 90<<20, 85<<20
			case "hollow":
				s.DbSize, s.DbSizeInUse = 90<<20, 5<<20
			case "behind":
				s.RaftAppliedIndex = 10
			case "late":
				s.RaftAppliedIndex -= 100
			case "sick":
				s.Errors = []string{"the disk does not answer"}
			case "noquota":
				s.DbSizeQuota = 0
			}
		}
		m.Status = s
		f.Members = append(f.Members, m)
	}
	return f
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		members, read string
		alarm         pb.AlarmType
		summary       string
		reasons       []string // what each holds
	}{
		{members: "l f f", summary: "healthy: 3 of 3 members with a vote work, 1 more may fail"},
		{members: "l", summary: "healthy: 1 of 1 members with a vote work, none may fail"},
		{members: "l,noquota f,late f f f ?f", summary: "healthy: 5 of 5 members with a vote work, 2 more may fail"},
		{members: "l f down", summary: "at risk: 2 of 3 members with a vote work, none may fail", reasons: []string{"m3 does not answer: connection refused"}},
		{members: "l f f down f", summary: "degraded: 4 of 5 members with a vote work, 1 more may fail", reasons: []string{"m4 does not answer"}},
		{members: "l f f ?down", summary: "degraded: 3 of 3 members with a vote work, 1 more may fail", reasons: []string{"m4 does not answer"}},
		{members: "l f f new", summary: "at risk: 3 of 4 members with a vote work, none may fail", reasons: []string{"4 was added and has not started"}},
		{members: "l f lost", summary: "at risk: 2 of 3 members", reasons: []string{"m3 answers and follows no leader"}},
		{members: "l f old", summary: "at risk: 2 of 3 members", reasons: []string{"m3 answers and follows no leader"}},
		{members: "l f,behind f", summary: "degraded: 3 of 3", reasons: []string{"m2 is 99990 entries of the log behind"}},
		{members: "l,full f f,hollow", summary: "degraded: 3 of 3", reasons: []string{
			"the database of m1 has 94 MB of the 105 MB that its quota allows: compact", "the database of m3 has 94 MB of the 105 MB that its quota allows: `defrag`",
		}},
		{members: "l f,sick f", summary: "degraded: 3 of 3", reasons: []string{"m2 reports: the disk does not answer"}},
		{members: "l,full", summary: "degraded: 1 of 1 members with a vote work, none may fail", reasons: []string{"the database of m1"}},
		{members: "lost lost down", read: "deadline", summary: "unavailable: 0 of 3 members with a vote work, this needs help now", reasons: []string{
			"a read that takes a quorum failed (deadline): 0 of 3 members with a vote work, and 2 are needed; start what is down, and look at the network between the members",
			"m1 answers, and knows no leader", "m2 answers, and knows no leader", "m3 does not answer: connection refused",
		}},
		{members: "l f f", read: "deadline", summary: "unavailable: 3 of 3", reasons: []string{"a read that takes a quorum failed (deadline)"}},
		{members: "l down down", summary: "at risk: 1 of 3 members with a vote work, none may fail", reasons: []string{"m2", "m3"}}, // seen from afar
		{members: "l f down", alarm: pb.AlarmType_NOSPACE, summary: "unavailable: 2 of 3", reasons: []string{
			"changes are refused, since m2 has no space: `compaction`, then `defrag`, then `alarm disarm`", "m3 does not answer",
		}},
		{members: "l f f", alarm: pb.AlarmType_CORRUPT, summary: "unavailable: 3 of 3", reasons: []string{"m2 holds other data"}},
		{members: "l f f", alarm: 9, summary: "degraded: 3 of 3", reasons: []string{"m2 has raised an alarm that is not known here: 9"}},
		{members: "", read: "no member answers", summary: "unavailable: nobody tells who the members are", reasons: []string{"no member answers"}},
	} {
		f := facts(c.members)
		f.Read = c.read
		if c.alarm != 0 {
			f.Alarms = []*pb.AlarmMember{{MemberID: 2, Alarm: c.alarm}}
		}
		r := diagnosis.Judge(f)
		if !strings.HasPrefix(r.Summary(), c.summary) || len(r.Reasons) != len(c.reasons) || len(r.Members) != len(f.Members) {
			t.Errorf("%s: %s, reasons %q", c.members, r.Summary(), r.Reasons)
			continue
		}
		for i, reason := range c.reasons {
			if !strings.Contains(r.Reasons[i], reason) {
				t.Errorf("%s: reason %q, want %q", c.members, r.Reasons[i], reason)
			}
		}
	}
}

func TestLines(t *testing.T) {
	f := facts("l f,late ?f down new lost")
	f.Alarms = []*pb.AlarmMember{{MemberID: 2, Alarm: pb.AlarmType_NOSPACE}}
	r := diagnosis.Judge(f)
	var got []string
	for _, l := range r.Members {
		got = append(got, fmt.Sprintf("%s %d%v", l.Role, l.Lag, l.Alarms))
	}
	want := "leader 0[] follower 100[NOSPACE] learner 0[] down 0[] unstarted 0[] without leader 0[]"
	if text := strings.Join(got, " "); text != want || r.Leader != 1 || r.Quorum != 3 {
		t.Errorf("leader %d, quorum %d, lines\n%s\nwant\n%s", r.Leader, r.Quorum, text, want)
	}
}
