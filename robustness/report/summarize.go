package report

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report/words"
)

// Bounds of a summary.
const (
	maxFindings = 1000
	maxErrors   = 100
	maxGaps     = 200
	textRunes   = 4000 // of one finding
	cleanRunes  = 400  // of any other text
)

// Summarize puts a record into short. dir is the directory of the run, as the command that replays it is to name it.
func Summarize(dir string, r *history.Record) Summary {
	s := Summary{
		Format: Format, Scenario: clean(r.Scenario), Seed: r.Seed, Host: clean(r.Host), Started: r.Started,
		DurationMS: ms(r.Duration), LoadedMS: ms(r.Loaded),
		Replay:     "go run ./robustness/cmd/lab replay " + quoted(dir),
		Members:    members(r),
		Operations: requests("all", r.Operations),
		Requests:   requestsByKind(r.Operations),
		Watches:    watches(r.Watches),
		Checks:     []Check{}, Findings: []Finding{},
		Errors: failures(r.Operations),
		Dir:    dir,
	}
	for _, v := range r.Verdicts {
		s.judge(v)
	}
	s.Verdict, s.Sentence = s.verdict()
	a := newAvailability(r)
	s.Unavailable = a.unavailable()
	s.Faults = a.faults(r.Faults)
	return s
}

func (s *Summary) judge(v history.Verdict) {
	c := Check{
		Name: clean(v.Check), What: clean(v.What), Verdict: Failed, Skipped: clean(v.Skipped), Judged: clean(v.Judged),
		TookMS: ms(v.Took), Findings: len(v.Findings),
	}
	switch {
	case v.Passed():
		c.Verdict = Passed
	case len(v.Findings) == 0:
		c.Verdict = Skipped
	}
	s.Checks = append(s.Checks, c)
	s.FindingsInAll += len(v.Findings)
	for _, f := range v.Findings[:min(len(v.Findings), maxFindings-len(s.Findings))] {
		s.Findings = append(s.Findings, Finding{
			Check: c.Name, Text: words.Text(f.Text, textRunes), AtMS: ms(f.At),
			Operations: f.Operations, Watches: f.Watches, Picture: local(f.Picture),
		})
	}
}

// verdict is what is said first: one that failed is named with the first thing that it found.
func (s *Summary) verdict() (verdict, sentence string) {
	count := map[string]int{}
	first := ""
	for _, c := range s.Checks {
		count[c.Verdict]++
		if c.Verdict == Failed && first == "" {
			first = c.Name
		}
	}
	skipped := ""
	if n := count[Skipped]; n > 0 {
		skipped = fmt.Sprintf("; %s skipped", counted(n, "was", "were"))
	}
	switch {
	case count[Failed] > 0:
		text := words.Text(oneLine(s.Findings[0].Text), 300)
		if more := s.FindingsInAll - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more)", more)
		}
		return Failed, fmt.Sprintf("%s: %s", first, text)
	case count[Passed] > 0:
		return Passed, counted(count[Passed], "check holds", "checks hold") + skipped + "."
	}
	return Unjudged, "No check has judged this run" + skipped + "."
}

func members(r *history.Record) []Member {
	list := []Member{}
	for _, m := range r.Members {
		member := Member{Name: clean(m.Name), Program: clean(m.Program), Address: clean(m.Address), Learner: m.Learner, LogFile: local(m.LogFile)}
		for _, e := range r.Ends {
			if e.Member == m.Name {
				member.End = &End{
					Revision: e.Revision, CompactRevision: e.CompactRevision, Hash: e.Hash, HashRevision: e.HashRevision,
					Error: clean(e.Error),
				}
			}
		}
		list = append(list, member)
	}
	return list
}

func watches(list []history.Watch) Watches {
	w := Watches{Total: len(list)}
	for _, one := range list {
		if one.Resumes >= 0 {
			w.Resumed++
		}
		if one.Error != "" {
			w.Failed++
		}
		w.Responses += len(one.Heard)
		for _, h := range one.Heard {
			w.Events += len(h.Response.GetEvents())
		}
	}
	return w
}

// failures counts errors by what they say. Numbers and addresses in messages make no difference, the first message is shown.
func failures(operations []history.Operation) []Error {
	type key struct {
		outcome       history.Outcome
		code, message string
	}
	byKey := map[key]*Error{}
	list := []*Error{}
	for _, o := range operations {
		if o.Outcome == history.OK {
			continue
		}
		message, code := clean(o.Error), clean(o.Code)
		k := key{o.Outcome, code, numbers.ReplaceAllString(message, "#")}
		e := byKey[k]
		if e == nil {
			e = &Error{Outcome: string(o.Outcome), Code: code, Message: message, FirstMS: ms(o.Return)}
			byKey[k] = e
			list = append(list, e)
		}
		e.Count++
		e.FirstMS, e.LastMS = min(e.FirstMS, ms(o.Return)), max(e.LastMS, ms(o.Return))
	}
	slices.SortStableFunc(list, func(a, b *Error) int { return cmp.Compare(b.Count, a.Count) })
	most := []Error{}
	for _, e := range list[:min(len(list), maxErrors)] {
		most = append(most, *e)
	}
	return most
}

var numbers = regexp.MustCompile(`[0-9a-f]*[0-9][0-9a-f]*`)

// local is a path that stays inside of the directory of the run, or nothing.
func local(path string) string {
	if !filepath.IsLocal(path) {
		return ""
	}
	return filepath.ToSlash(filepath.Clean(path))
}

// ms is a time in milliseconds, to the microsecond.
func ms(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// clean makes one harmless line of a text.
func clean(s string) string { return words.Text(oneLine(s), cleanRunes) }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// quoted is a word for a shell.
func quoted(s string) string {
	if regexp.MustCompile(`^[\w./:@%+,-]+$`).MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
