// Package diagnosis tells from what its members answer how a cluster is, and how many of them may still fail.
package diagnosis

import (
	"fmt"
	"strings"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/pkg/human"
)

// Verdict is how a cluster is. A larger one is worse.
type Verdict int

// The verdicts.
const (
	// Healthy: everything is as it should be.
	Healthy Verdict = iota
	// Degraded: all requests are served, and something needs care.
	Degraded
	// AtRisk: all requests are served, and something is broken, so that the next failure of a member ends that.
	AtRisk
	// Unavailable: changes are refused, or nothing is served.
	Unavailable
)

func (v Verdict) String() string {
	return [...]string{"healthy", "degraded", "at risk", "unavailable"}[v]
}

// What a member may be without being called a cause for care.
const (
	// maxLag is how many entries of the log a member may be behind. The members are asked one after the other while writes go
	// on, so that a little means nothing.
	maxLag = 5000
	// fullShare is the share of the quota from which on the database is called full, in percent.
	fullShare = 80
)

// Facts are what was found out about a cluster.
type Facts struct {
	Members []Member
	Alarms  []*pb.AlarmMember
	// Read is why a read that takes a quorum failed, "" if it did not. Without members it is why there are none.
	Read string
}

// Member is what was found out about one member.
type Member struct {
	// Listed is its entry in the list of members.
	Listed *pb.Member
	// Endpoint is where it was asked.
	Endpoint string
	// Status is what it answered, nil if it did not, and Trouble the reason then.
	Status  *pb.StatusResponse
	Trouble string
	// Took is how long the answer took.
	Took time.Duration
}

// name is how the member is called in sentences.
func (m *Member) name() string {
	if m.Listed.GetName() != "" {
		return m.Listed.GetName()
	}
	return fmt.Sprintf("%x", m.Listed.GetID())
}

func (m *Member) started() bool { return m.Listed.GetName() != "" }

// Report is what the facts mean.
type Report struct {
	Verdict Verdict
	// Voters is the number of members with a vote, Working of those that follow the leader, Quorum of those that it takes.
	Voters, Working, Quorum int
	// MayFail is how many voters more may fail until nothing is served.
	MayFail int
	// Leader is the id of the leader, 0 if there is none.
	Leader uint64
	// Reasons are sentences about what is not as it should be, with the next step where there is one; the worst is first.
	Reasons []string
	// Members are those of the facts, and what is known of each.
	Members []Line
}

// Line is one member in a report.
type Line struct {
	Member
	Role   string // leader, follower, learner, down, unstarted, or without leader
	Lag    uint64 // entries of the log that it has to apply to be where the leader is
	Alarms []string
}

// Judge tells what the facts mean.
func Judge(f Facts) Report {
	r := Report{Leader: f.leader()}
	j := judge{facts: f, report: &r}
	for i := range f.Members {
		j.member(&f.Members[i])
	}
	r.Quorum = r.Voters/2 + 1
	if f.Read == "" {
		r.MayFail = max(0, r.Working-r.Quorum)
	}
	j.cluster()
	for v := Unavailable; v >= Healthy; v-- {
		r.Reasons = append(r.Reasons, j.reasons[v]...)
	}
	return r
}

// leader is what the members of the newest term follow.
func (f Facts) leader() (leader uint64) {
	var term uint64
	for _, m := range f.Members {
		if s := m.Status; s.GetLeader() != 0 && s.GetRaftTerm() >= term {
			leader, term = s.Leader, s.RaftTerm
		}
	}
	return leader
}

// name is how the member with an id is called in sentences; one that was removed may have left an alarm.
func (f Facts) name(id uint64) string {
	for _, m := range f.Members {
		if m.Listed.GetID() == id {
			return m.name()
		}
	}
	return fmt.Sprintf("%x", id)
}

// applied is how far the leader has applied the log, as far as is known.
func (f Facts) applied(leader uint64) (index uint64) {
	for _, m := range f.Members {
		if m.Status.GetHeader().GetMemberId() == leader {
			index = m.Status.GetRaftAppliedIndex()
		}
	}
	return index
}

// judge collects reasons by the verdict that each asks for.
type judge struct {
	facts   Facts
	report  *Report
	reasons [Unavailable + 1][]string
	broken  bool // a member does not work
}

func (j *judge) because(v Verdict, format string, args ...any) {
	j.reasons[v] = append(j.reasons[v], fmt.Sprintf(format, args...))
	j.report.Verdict = max(j.report.Verdict, v)
}

func (j *judge) member(m *Member) {
	line := Line{Member: *m, Role: j.role(m), Alarms: j.alarms(m)}
	if ahead := j.facts.applied(j.report.Leader); m.Status != nil && ahead > m.Status.RaftAppliedIndex {
		line.Lag = ahead - m.Status.RaftAppliedIndex
	}
	j.report.Members = append(j.report.Members, line)
	works := line.Role == "leader" || line.Role == "follower" || line.Role == "learner"
	if !m.Listed.GetIsLearner() {
		j.report.Voters++
		if works {
			j.report.Working++
		}
	}
	switch {
	case line.Role == "unstarted":
		j.broken = true
		j.because(Degraded, "%s was added and has not started: start it, or remove it with `member remove %[1]s`", m.name())
	case m.Status == nil:
		j.broken = true
		j.because(Degraded, "%s does not answer: %s", m.name(), m.Trouble)
	case !works && j.report.Leader == 0:
		j.broken = true
		j.because(Degraded, "%s answers, and knows no leader", m.name())
	case !works:
		j.broken = true
		j.because(Degraded, "%s answers and follows no leader that the others have: look at its log and at the network between the members", m.name())
	}
	if m.Status != nil {
		j.condition(&line)
	}
}

func (j *judge) role(m *Member) string {
	switch s := m.Status; {
	case s == nil && !m.started():
		return "unstarted"
	case s == nil:
		return "down"
	case s.Leader == 0 || s.Leader != j.report.Leader:
		return "without leader"
	case m.Listed.GetIsLearner():
		return "learner"
	case s.Leader == s.GetHeader().GetMemberId():
		return "leader"
	}
	return "follower"
}

func (j *judge) alarms(m *Member) (names []string) {
	for _, a := range j.facts.Alarms {
		if a.GetMemberID() == m.Listed.GetID() {
			names = append(names, a.GetAlarm().String())
		}
	}
	return names
}

// condition looks at a member that answers.
func (j *judge) condition(m *Line) {
	if m.Lag > maxLag {
		j.because(Degraded, "%s is %d entries of the log behind the leader: it is slow, or has just come back", m.name(), m.Lag)
	}
	s := m.Status
	if quota := s.GetDbSizeQuota(); quota > 0 && s.DbSize >= quota/100*fullShare {
		step := "compact old revisions or raise --quota-backend-bytes"
		if s.DbSizeInUse < quota/2 {
			step = "`defrag` gives back what is not in use"
		}
		j.because(Degraded, "the database of %s has %s of the %s that its quota allows: %s",
			m.name(), human.Bytes(uint64(s.DbSize)), human.Bytes(uint64(quota)), step)
	}
	for _, text := range s.GetErrors() {
		// Alarms and missing leaders are told already.
		if !strings.Contains(text, "alarm:") && !strings.Contains(text, "no leader") {
			j.because(Degraded, "%s reports: %s", m.name(), text)
		}
	}
}

// cluster looks at what concerns all members.
func (j *judge) cluster() {
	r := j.report
	switch {
	case r.Voters == 0:
		j.because(Unavailable, "%s", j.facts.Read)
	case j.facts.Read != "":
		step := ""
		if r.Working < r.Quorum {
			step = fmt.Sprintf(": %d of %d members with a vote work, and %d are needed; start what is down, and look at the network between the members",
				r.Working, r.Voters, r.Quorum)
		}
		j.because(Unavailable, "a read that takes a quorum failed (%s)%s", j.facts.Read, step)
	}
	for _, a := range j.facts.Alarms {
		switch name := j.facts.name(a.GetMemberID()); a.GetAlarm() {
		case pb.AlarmType_NOSPACE:
			j.because(Unavailable, "changes are refused, since %s has no space: `compaction`, then `defrag`, then `alarm disarm`", name)
		case pb.AlarmType_CORRUPT:
			j.because(Unavailable, "%s holds other data than the others: replace it, then `alarm disarm`", name)
		default:
			j.because(Degraded, "%s has raised an alarm that is not known here: %v", name, a.GetAlarm())
		}
	}
	if j.broken && r.Verdict == Degraded && r.MayFail == 0 {
		r.Verdict = AtRisk
	}
}

// Summary is the verdict in one line.
func (r Report) Summary() string {
	fail := fmt.Sprintf("%d more may fail", r.MayFail)
	switch {
	case r.Voters == 0:
		return fmt.Sprintf("%s: nobody tells who the members are", r.Verdict)
	case r.Verdict == Unavailable:
		fail = "this needs help now"
	case r.MayFail == 0:
		fail = "none may fail"
	}
	return fmt.Sprintf("%s: %d of %d members with a vote work, %s", r.Verdict, r.Working, r.Voters, fail)
}
