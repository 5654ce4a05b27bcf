package report

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"path/filepath"
	"slices"
)

// index is the page of many runs.
type index struct {
	Style                                template.CSS
	Policy                               string
	Runs                                 []indexRun
	Checks                               []string // names, in the order in which runs have them
	Verdict, Sentence                    string
	PassedRuns, FailedRuns, UnjudgedRuns int
}

// indexRun is one row.
type indexRun struct {
	Summary
	Link string // empty if the run lies on another volume
	// Marks are the verdicts for index.Checks, empty where the run has no such check.
	Marks []string
}

func newIndex(dir string, runs []Summary) ([]byte, error) {
	p := index{Style: style, Policy: policy("")}
	for _, s := range runs {
		for _, c := range s.Checks {
			if !slices.Contains(p.Checks, c.Name) {
				p.Checks = append(p.Checks, c.Name)
			}
		}
	}
	for _, s := range runs {
		p.Runs = append(p.Runs, p.row(dir, s))
		switch s.Verdict {
		case Passed:
			p.PassedRuns++
		case Failed:
			p.FailedRuns++
		default:
			p.UnjudgedRuns++
		}
	}
	order := []string{Failed, Unjudged, Passed}
	slices.SortStableFunc(p.Runs, func(a, b indexRun) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Verdict), slices.Index(order, b.Verdict)), cmp.Compare(a.Scenario, b.Scenario), cmp.Compare(a.Seed, b.Seed))
	})
	p.Verdict, p.Sentence = p.verdict()
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, "index.html", p)
	return b.Bytes(), err
}

func (p *index) verdict() (verdict, sentence string) {
	runs := counted(len(p.Runs), "run", "runs")
	switch {
	case p.FailedRuns > 0:
		return Failed, fmt.Sprint(p.FailedRuns) + " of " + runs + " failed. In " + p.Runs[0].Scenario + ", " + p.Runs[0].Sentence
	case p.PassedRuns > 0 && p.UnjudgedRuns == 0:
		return Passed, runs + ", and every check that judged holds."
	}
	return Unjudged, fmt.Sprint(p.UnjudgedRuns) + " of " + runs + " not judged."
}

func (p *index) row(dir string, s Summary) indexRun {
	r := indexRun{Summary: s, Marks: make([]string, len(p.Checks))}
	for _, c := range s.Checks {
		r.Marks[slices.Index(p.Checks, c.Name)] = c.Verdict
	}
	if path, err := relative(dir, s.Dir); err == nil {
		r.Link = link(filepath.ToSlash(filepath.Join(path, PageName)))
	}
	return r
}

// relative is the way from one directory to another, however they are written.
func relative(from, to string) (string, error) {
	from, err := filepath.Abs(from)
	if err != nil {
		return "", err
	}
	to, err = filepath.Abs(to)
	if err != nil {
		return "", err
	}
	return filepath.Rel(from, to)
}
