// Package history is the record of one run of the lab: what clients asked for and were told, what watches heard, what was done
// to the members, and how the members were. Checks judge it, reports show it, and it can be kept as JSON.
//
// All times are durations since the start of the run, by one monotonic clock.
package history

import (
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
)

// Record is one run.
type Record struct {
	Scenario string
	Seed     uint64
	// Host says what the members ran on: containers or namespaces.
	Host    string
	Started time.Time
	// Duration is that of the whole run, Loaded the time at which the last client had ended.
	Duration, Loaded time.Duration

	Members    []Member
	Operations []Operation // in the order of their calls
	Watches    []Watch
	Faults     []Fault
	Processes  []Process // of one member after the other, each in the order of their starts
	States     []State   // in the order of their times
	Ends       []End
	// Verdicts are those of the checks; empty before they have judged.
	Verdicts []Verdict
}

// Member is one that took part, at the start or later.
type Member struct {
	Name string
	// Program is what it ran, with its version, such as "quoin" or "etcd 3.7.3".
	Program string
	Learner bool // when it was added
	Address string
	// LogFile holds what all its processes said, relative to the directory of the run.
	LogFile string
}

// Outcome is what a client knows of an operation once it has ended.
type Outcome string

const (
	// OK: it was answered.
	OK Outcome = "ok"
	// Refused: it was answered with an error that says that nothing was done.
	Refused Outcome = "refused"
	// Unknown: it may be done, or not, or later. It counts as under way until the end of the run.
	Unknown Outcome = "unknown"
)

// Operation is one call of one client. A client makes one call after the other.
type Operation struct {
	Client int
	// Member is the one that was asked.
	Member string
	// User is who asked, with authentication.
	User string
	Call time.Duration
	// Return is when the answer or the error was there.
	Return  time.Duration
	Outcome Outcome
	// Code and Error are those of a call that was not answered well: the name of the gRPC code, and the message.
	Code, Error string
	// Request is what was sent: one of the requests of the KV, Lease, Auth, Lock or Maintenance service.
	Request proto.Message
	// Response is the answer, nil without one.
	Response proto.Message
}

// Watch is one watch on one stream to one member. A watch that goes on after its stream broke is another one.
type Watch struct {
	Client int
	Member string
	User   string
	// Resumes is the index of the watch that this one goes on from, -1 for none.
	Resumes int
	Request *pb.WatchCreateRequest
	Opened  time.Duration
	// Heard is what the stream said of this watch, in its order. The answers to requests for progress that are for all watches of
	// the stream (id -1) are among them.
	Heard []Heard
	// Closed is when it ended, and Error why; an empty one says that the client ended it.
	Closed time.Duration
	Error  string
}

// Heard is one response of a watch.
type Heard struct {
	At       time.Duration
	Response *pb.WatchResponse
}

// Fault is something that was done to the cluster, and taken back.
type Fault struct {
	// Kind is the name of the fault, such as "kill" or "isolate".
	Kind string
	// Members are those that it was done to.
	Members []string
	// Detail says more in words, such as "100 ms more on each packet from m1 to m2".
	Detail string
	// Began is the begin of the call that did it, 0 if that is not known.
	Began time.Duration
	// Injected and Healed are the ends of the calls that did so. Healed is 0 while it lasts.
	Injected, Healed time.Duration
	// Proof says how it was seen to bite. A fault without one has spoiled the run.
	Proof string
	// HalfRecords is how many logs a loss of power has left with a part of a record at their ends.
	HalfRecords int `json:",omitempty"`
}

// Process is one process of a member.
type Process struct {
	Member string
	// Started is below 0 for one that was there before the load. Ended is 0 while it runs.
	Started, Ended time.Duration
	// Stopped and Killed: the lab has sent it SIGTERM or SIGKILL.
	Stopped, Killed bool
	// ExitCode is that of the end, -1 after a signal.
	ExitCode int
	// LogFrom is where in the log file of the member its lines begin.
	LogFrom int64
}

// State is how a member was at a time.
type State struct {
	At     time.Duration
	Member string
	// Alive: its process was there. Paused: it did not run, by a signal.
	Alive, Paused bool
	// Answered: since the state before, it has answered a read of the lab that the others have a part in.
	Answered bool
	// What follows is as the member said, and zero when it did not answer.
	Role      string // leader, follower, learner
	Leader    uint64
	Term      uint64
	Revision  int64
	Committed uint64
	Applied   uint64
	SizeBytes int64
	Alarms    []string
}

// End is how a member was when everything was healed and quiet.
type End struct {
	Member   string
	Revision int64
	// CompactRevision is that of the hash.
	CompactRevision int64
	Hash            uint32
	// HashRevision is the revision that all members were hashed at.
	HashRevision int64
	// Members are those that it lists, by name and in order; a learner has "(learner)" behind its name.
	Members []string
	// DataDir is where its files are, relative to the directory of the run; empty when they were not kept.
	DataDir string
	// Error says why the rest is not known.
	Error string
}

// Verdict is that of one check.
type Verdict struct {
	Check string
	// What says what it holds the record to, in one sentence.
	What string
	Took time.Duration
	// Skipped says why it did not judge; empty if it did.
	Skipped string
	// Judged says how much it looked at, such as "5120 operations of 8 clients".
	Judged   string
	Findings []Finding
}

// Passed tells whether the check judged and found nothing.
func (v Verdict) Passed() bool { return v.Skipped == "" && len(v.Findings) == 0 }

// Finding is one thing that must not be.
type Finding struct {
	// Text says what was expected and what was found.
	Text string
	// At is when it showed.
	At time.Duration
	// Operations and Watches are indexes of those that show it.
	Operations, Watches []int
	// Picture, if set, is an HTML page that shows more, relative to the directory of the run.
	Picture string
}

// CheckOfFaults is the name of the check that every fault bit. What it finds has spoiled the run, and says nothing of the cluster.
const CheckOfFaults = "faults"

// Failed tells whether a check has found something about the cluster.
func (r *Record) Failed() bool {
	for _, v := range r.Verdicts {
		if len(v.Findings) > 0 && v.Check != CheckOfFaults {
			return true
		}
	}
	return false
}
