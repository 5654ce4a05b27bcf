package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report"
	"quoin.dev/quoin/robustness/runner"
)

// maxShown is how many findings of a check are shown; the report has them all.
const maxShown = 2

// outcomes are those of all runs of a command.
type outcomes struct {
	out                     io.Writer
	passed, failed, spoiled int
	summaries               []report.Summary
	last                    string // directory of the last run
}

// add says how a run ended, with its report in the last line.
func (a *outcomes) add(o runner.Options, record *history.Record, err error) {
	a.last = o.Dir
	name := fmt.Sprintf("%s, seed %d", o.Scenario.Name, o.Plan.Seed)
	switch {
	case err != nil && (record == nil || !record.Failed()):
		a.spoiled++
		fmt.Fprintf(a.out, "SPOILED %s: %v\n", name, err)
	case record.Failed():
		a.failed++
		fmt.Fprintf(a.out, "FAILED  %s\n", name)
		for _, v := range record.Verdicts {
			for i, f := range v.Findings {
				if i == maxShown {
					fmt.Fprintf(a.out, "        %s: %d more, see the report\n", v.Check, len(v.Findings)-i)
					break
				}
				fmt.Fprintf(a.out, "        %s: %s\n", v.Check, f.Text)
			}
		}
	default:
		a.passed++
		fmt.Fprintf(a.out, "passed  %s: %d operations, %d faults, %s\n", name, len(record.Operations), len(record.Faults), record.Duration.Round(time.Second))
	}
	if record != nil {
		a.summaries = append(a.summaries, report.Summarize(filepath.Base(o.Dir), record))
	}
}

// end says how it all went. The last line names the report.
func (a *outcomes) end(dir string) error {
	page := filepath.Join(a.last, report.PageName)
	if a.passed+a.failed+a.spoiled > 1 {
		if err := report.WriteIndex(dir, a.summaries); err != nil {
			return err
		}
		page = filepath.Join(dir, report.IndexName)
		fmt.Fprintf(a.out, "%d passed, %d failed, %d spoiled\n", a.passed, a.failed, a.spoiled)
	}
	if len(a.summaries) > 0 {
		fmt.Fprintf(a.out, "report: %s\n", page)
	}
	switch {
	case a.failed > 0:
		return errFound
	case a.spoiled > 0:
		return errSpoiled
	default:
		return nil
	}
}
