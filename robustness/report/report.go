// Package report tells people and programs what came of a run: a page, a summary as JSON, and JUnit's XML.
//
// The page is one file. It loads nothing, works without scripts, and shows a bounded part of a run of any length.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"quoin.dev/quoin/robustness/history"
)

// Names of the files in the directory of a run.
const (
	PageName    = "report.html"
	SummaryName = "report.json"
	JUnitName   = "junit.xml"
	// IndexName is the page of many runs, beside another file of JUnitName.
	IndexName = "index.html"
)

// Write puts report.html, report.json and junit.xml into the directory of a run. The logs and pictures that the record names are
// looked for there.
func Write(dir string, r *history.Record) error {
	s := Summarize(dir, r)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %s: %w", SummaryName, err)
	}
	page, err := newPage(dir, r, &s)
	if err != nil {
		return fmt.Errorf("report: %s: %w", PageName, err)
	}
	units, err := junit(s)
	if err != nil {
		return fmt.Errorf("report: %s: %w", JUnitName, err)
	}
	return writeAll(dir, map[string][]byte{SummaryName: append(data, '\n'), PageName: page, JUnitName: units})
}

// Read gets the summary out of the directory of a run.
func Read(dir string) (*Summary, error) {
	data, err := os.ReadFile(filepath.Join(dir, SummaryName))
	if err != nil {
		return nil, err
	}
	s := &Summary{Dir: dir}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("report: %s in %s: %w", SummaryName, dir, err)
	}
	if s.Format != Format {
		return nil, fmt.Errorf("report: %s in %s has format %d, this is for %d", SummaryName, dir, s.Format, Format)
	}
	return s, nil
}

// WriteIndex puts index.html and junit.xml of many runs into a directory. The page links to each run by its Dir, as seen from there.
func WriteIndex(dir string, runs []Summary) error {
	page, err := newIndex(dir, runs)
	if err != nil {
		return fmt.Errorf("report: %s: %w", IndexName, err)
	}
	units, err := junit(runs...)
	if err != nil {
		return fmt.Errorf("report: %s: %w", JUnitName, err)
	}
	return writeAll(dir, map[string][]byte{IndexName: page, JUnitName: units})
}

// writeAll replaces each file in one step, so that nobody sees a part of one.
func writeAll(dir string, files map[string][]byte) error {
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", data, 0o644); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return nil
}
