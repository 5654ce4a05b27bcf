// Package check judges the record of a run: each check holds it to one promise of the store.
package check

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"quoin.dev/quoin/robustness/check/eventlog"
	"quoin.dev/quoin/robustness/history"
)

// Check holds a record to one promise.
type Check struct {
	Name string
	// What says in one sentence what the promise is.
	What  string
	Judge func(ctx context.Context, r *history.Record, o Options) history.Verdict
}

// Options of all checks. The zero value works, but for what needs files.
type Options struct {
	// Dir is that of the run. Without it no file is read, and no picture made.
	Dir string
	// SearchLimit is how long the search for an order of the operations may take; default 1 minute.
	SearchLimit time.Duration
	// Delivery is how long a watch may take to hear of a change when nothing is wrong; default 5 s.
	Delivery time.Duration
	// Bounds say for kinds of faults how long writes may stop; others have the default one.
	Bounds map[string]Bound
	// AllowedLog are parts of lines of logs that may be there, whatever else is in them.
	AllowedLog []string
	// MayExit are kinds of faults at which a member may end by itself, such as those of disks.
	MayExit []string
	// AutoCompaction says that revisions are compacted that no client has asked for, so that any past one may be gone. A fault that does so
	// says it, too.
	AutoCompaction bool
}

func (o Options) withDefaults() Options {
	if o.SearchLimit == 0 {
		o.SearchLimit = time.Minute
	}
	if o.Delivery == 0 {
		o.Delivery = 5 * time.Second
	}
	return o
}

// maxFindings bounds how many findings of a check are kept: the first ones tell what is wrong.
const maxFindings = 20

// All are the checks, the most telling ones first.
func All() []Check {
	memo := new(memory)
	var all []Check
	for _, p := range promises {
		all = append(all, Check{p.name, p.what, func(ctx context.Context, r *history.Record, o Options) history.Verdict {
			return p.hold(ctx, memo, r, o.withDefaults())
		}})
	}
	return all
}

// Run judges a record by all checks, and puts the verdicts into it.
func Run(ctx context.Context, r *history.Record, o Options) {
	r.Verdicts = nil
	for _, c := range All() {
		r.Verdicts = append(r.Verdicts, c.Judge(ctx, r, o))
	}
}

// promise is a check before it has a record.
type promise struct {
	name, what string
	judge      func(ctx context.Context, e *evidence, v *sheet)
}

func (p promise) hold(ctx context.Context, memo *memory, r *history.Record, o Options) history.Verdict {
	start := time.Now()
	v := &sheet{}
	v.Check, v.What = p.name, p.what
	p.judge(ctx, memo.of(r, o), v)
	if v.more > 0 {
		v.Findings[len(v.Findings)-1].Text += fmt.Sprintf(" (and %d more like this)", v.more)
	}
	if v.Skipped == "" && v.Judged == "" && len(v.Findings) == 0 {
		v.Skipped = "there was nothing to look at"
	}
	v.Took = time.Since(start)
	return v.Verdict
}

// sheet is a verdict that is being written.
type sheet struct {
	history.Verdict
	more int
}

// find adds a finding, as long as there is room.
func (v *sheet) find(f history.Finding) {
	if len(v.Findings) == maxFindings {
		v.more++
		return
	}
	v.Findings = append(v.Findings, f)
}

// evidence is a record, and what follows from it for more than one check.
type evidence struct {
	*history.Record
	options Options
	log     *eventlog.Log
	owners  *eventlog.Owners
}

// memory keeps the evidence of the last record, since all checks need it.
type memory struct {
	mu     sync.Mutex
	record *history.Record
	log    *eventlog.Log
	owners *eventlog.Owners
}

func (m *memory) of(r *history.Record, o Options) *evidence {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.record != r {
		m.record, m.log = r, eventlog.Build(r)
		m.owners = eventlog.Own(r, m.log)
	}
	for i := range r.Faults {
		o.AutoCompaction = o.AutoCompaction || strings.Contains(r.Faults[i].Kind, "compact")
	}
	return &evidence{Record: r, options: o, log: m.log, owners: m.owners}
}

// clients is how many different ones made operations.
func (e *evidence) clients() int {
	seen := map[int]bool{}
	for i := range e.Operations {
		seen[e.Operations[i].Client] = true
	}
	return len(seen)
}

// lastAnswered is the highest revision that an answer carries.
func (e *evidence) lastAnswered() int64 {
	var last int64
	for i := range e.Operations {
		if op := &e.Operations[i]; op.Outcome == history.OK {
			last = max(last, eventlog.RevisionOf(op.Response))
		}
	}
	return last
}

// complete tells whether every change is known: the log has no hole, and what was made after its end was acknowledged.
func (e *evidence) complete() bool {
	if len(e.log.Watches) == 0 || e.log.Known() != e.log.Last() {
		return false
	}
	made := map[int64]bool{}
	for _, revision := range e.owners.Made {
		made[revision] = true
	}
	for revision := e.log.Last() + 1; revision <= e.lastAnswered(); revision++ {
		if !made[revision] {
			return false
		}
	}
	return true
}
