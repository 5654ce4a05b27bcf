package report

import "time"

// Format is that of report.json. It grows when a field changes its meaning or goes away.
const Format = 1

// Verdicts of a run, and of a check.
const (
	Passed  = "passed"
	Failed  = "failed"
	Skipped = "skipped"
	// Unjudged is a run in which no check has judged, so that nothing is known about it.
	Unjudged = "unjudged"
)

// Summary is a run in short, for programs: what report.json holds. Times that end in _ms are milliseconds since the start of the
// run, or lengths.
type Summary struct {
	Format int `json:"format"`
	// Verdict is passed, failed or unjudged.
	Verdict string `json:"verdict"`
	// Sentence says why, for people.
	Sentence string `json:"sentence"`
	Scenario string `json:"scenario"`
	// Seed is a string, since it has more digits than the numbers of many programs.
	Seed uint64 `json:"seed,string"`
	// Host is what the members ran on: containers or namespaces.
	Host    string    `json:"host"`
	Started time.Time `json:"started"`
	// DurationMS is that of the whole run, LoadedMS the time at which the last client had ended.
	DurationMS float64 `json:"duration_ms"`
	LoadedMS   float64 `json:"loaded_ms"`
	// Replay is the command that does the same again.
	Replay string `json:"replay"`

	Members []Member `json:"members"`
	// Operations are all calls, Requests the same by kind, in the order of their numbers.
	Operations Requests   `json:"operations"`
	Requests   []Requests `json:"requests"`
	Watches    Watches    `json:"watches"`
	Faults     []Fault    `json:"faults"`
	// Unavailable are the times without an acknowledged write, see Unavailable.
	Unavailable Unavailable `json:"unavailable"`
	Checks      []Check     `json:"checks"`
	// Findings are the first 1000 of all checks, FindingsInAll how many there are.
	Findings      []Finding `json:"findings"`
	FindingsInAll int       `json:"findings_in_all"`
	// Errors are the 100 most frequent ways in which calls failed.
	Errors []Error `json:"errors"`

	// Dir is the directory of the run. It is not in report.json, which lies in it.
	Dir string `json:"-"`
}

// Member is one that took part.
type Member struct {
	Name string `json:"name"`
	// Program is what it ran, with its version.
	Program string `json:"program"`
	Address string `json:"address"`
	// Learner says that it was added as one.
	Learner bool `json:"learner"`
	// LogFile is relative to the directory of the run; empty if it is not in there.
	LogFile string `json:"log_file"`
	// End is how it was when everything was healed and quiet; missing if nobody looked.
	End *End `json:"end,omitempty"`
}

// End is how a member was at the end of the run.
type End struct {
	Revision        int64 `json:"revision"`
	CompactRevision int64 `json:"compact_revision"`
	// Hash is that of HashKV at HashRevision.
	Hash         uint32 `json:"hash"`
	HashRevision int64  `json:"hash_revision"`
	// Error says why the rest is not known.
	Error string `json:"error,omitempty"`
}

// Requests are counts of calls: how they ended, and how long those took that were answered well.
type Requests struct {
	// Kind is the name of the request, such as "put"; "all" for all together.
	Kind    string  `json:"kind"`
	Total   int     `json:"total"`
	OK      int     `json:"ok"`
	Refused int     `json:"refused"`
	Unknown int     `json:"unknown"`
	Latency Latency `json:"latency"`
}

// Latency are percentiles of what OK calls took, 0 if there was none. Each is the time of a call that happened (nearest rank).
type Latency struct {
	P50MS  float64 `json:"p50_ms"`
	P90MS  float64 `json:"p90_ms"`
	P99MS  float64 `json:"p99_ms"`
	P999MS float64 `json:"p999_ms"`
	MaxMS  float64 `json:"max_ms"`
}

// Watches are counts of watches.
type Watches struct {
	Total int `json:"total"`
	// Resumed are those among them that went on from another one.
	Resumed   int `json:"resumed"`
	Responses int `json:"responses"`
	Events    int `json:"events"`
	// Failed are those that an error ended.
	Failed int `json:"failed"`
}

// Fault is one that was done to the cluster.
type Fault struct {
	Kind       string   `json:"kind"`
	Members    []string `json:"members"`
	Detail     string   `json:"detail"`
	InjectedMS float64  `json:"injected_ms"`
	// HealedMS is 0 for one that lasts.
	HealedMS float64 `json:"healed_ms"`
	// Proof says how it was seen to bite; empty if it was not, and the run is spoiled.
	Proof string `json:"proof"`
	// LongestMS is the longest time without an acknowledged write, from its injection on, until the next fault after its healing, or
	// until the load ended.
	LongestMS float64 `json:"longest_unavailable_ms"`
	// RecoveredMS is the time from its healing to the next acknowledged write, -1 if there was none.
	RecoveredMS float64 `json:"recovered_ms"`
}

// Unavailable tells when no write was acknowledged while writes were asked for, as seen by all clients together.
type Unavailable struct {
	// LongestMS is the longest time between two acknowledged writes, gap or not.
	LongestMS float64 `json:"longest_ms"`
	// ThresholdMS is what makes a gap of such a time: 500, or ten times the median if that is more.
	ThresholdMS float64 `json:"threshold_ms"`
	// TotalMS is the sum of all gaps.
	TotalMS float64 `json:"total_ms"`
	// Gaps are the first 200.
	Gaps []Gap `json:"gaps"`
}

// Gap is a time without an acknowledged write.
type Gap struct {
	FromMS float64 `json:"from_ms"`
	ToMS   float64 `json:"to_ms"`
}

// Check is one check and its verdict.
type Check struct {
	Name string `json:"name"`
	// What says what it holds the run to.
	What string `json:"what"`
	// Verdict is passed, failed or skipped.
	Verdict string `json:"verdict"`
	// Skipped says why it did not judge.
	Skipped string `json:"skipped,omitempty"`
	// Judged says how much it looked at.
	Judged   string  `json:"judged"`
	TookMS   float64 `json:"took_ms"`
	Findings int     `json:"findings"`
}

// Finding is one thing that must not be.
type Finding struct {
	Check string  `json:"check"`
	Text  string  `json:"text"`
	AtMS  float64 `json:"at_ms"`
	// Operations and Watches are indexes in record.json of those that show it.
	Operations []int `json:"operations,omitempty"`
	Watches    []int `json:"watches,omitempty"`
	// Picture is an HTML page relative to the directory of the run.
	Picture string `json:"picture,omitempty"`
}

// Error is a way in which calls failed.
type Error struct {
	// Outcome is refused or unknown.
	Outcome string `json:"outcome"`
	// Code is the name of the gRPC code.
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Count   int     `json:"count"`
	FirstMS float64 `json:"first_ms"`
	LastMS  float64 `json:"last_ms"`
}
