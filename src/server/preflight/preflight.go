// Package preflight looks for mistakes in the settings of a member and what they refer to, without starting or writing anything.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"quoin.dev/server/config"
)

// Level is how bad a finding is.
type Level int

// A member starts in spite of warnings, and does not start, or is of no use, with a problem.
const (
	OK Level = iota
	Warning
	Problem
)

func (l Level) String() string { return [...]string{"ok", "warning", "problem"}[l] }

// Finding is one thing that was looked at.
type Finding struct {
	Level   Level
	Subject string // the flag, file or host
	Text    string // what is so
	Next    string // what to do about it; empty if nothing
}

// timeout bounds a check as a whole: it waits for nothing but name servers.
const timeout = 10 * time.Second

// report collects findings.
type report struct {
	cfg      *config.Config
	now      time.Time
	returns  bool // the member has data already
	findings []Finding
}

func (r *report) add(l Level, subject, next, text string, args ...any) {
	r.findings = append(r.findings, Finding{l, subject, fmt.Sprintf(text, args...), next})
}

// Check looks at the outcome of config.Parse: settings, or what is wrong with them. Name servers are asked for hosts; ctx and ten
// seconds bound that.
func Check(ctx context.Context, cfg *config.Config, err error) []Finding {
	r := &report{cfg: cfg, now: time.Now()}
	if err != nil {
		next := "see quoin --help"
		var conflict *config.ConflictError
		if errors.As(err, &conflict) {
			next = "unset the variable or leave the flag out"
		}
		r.add(Problem, "settings", next, "%v", err)
		return r.findings
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.settings()
	r.directories()
	r.sockets(ctx)
	r.certificates()
	r.cluster(ctx)
	r.tokens()
	r.logFiles()
	return r.findings
}

func (r *report) settings() {
	from := "flags and variables"
	if r.cfg.ConfigFile != "" {
		from = r.cfg.ConfigFile
	}
	r.add(OK, "settings", "", "member %q, from %s", r.cfg.Name, from)
	for _, w := range r.cfg.Warnings {
		text := w.Message
		for _, key := range sortedKeys(w.Fields) {
			text += fmt.Sprintf(" [%s: %s]", key, w.Fields[key])
		}
		r.add(Warning, "settings", "", "%s", text)
	}
}

// Report prints findings, a line each, and returns the exit code: 1 if there is a problem.
func Report(w io.Writer, findings []Finding) int {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	counts := map[Level]int{}
	for _, f := range findings {
		counts[f.Level]++
		text := f.Text
		if f.Next != "" {
			text += "; " + f.Next
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Level, f.Subject, text)
	}
	_ = table.Flush() // a reader that is gone does not want to know
	fmt.Fprintf(w, "%d ok, %d warnings, %d problems\n", counts[OK], counts[Warning], counts[Problem])
	if counts[Problem] > 0 {
		return 1
	}
	return 0
}
