package report

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"quoin.dev/quoin/robustness/history"
)

// Bounds of what is read and shown of logs.
const (
	maxLogBytes  = 64 << 20 // of one file
	maxLineBytes = 64 << 10 // the rest of a line is left out
	lineRunes    = 400      // shown of one line
	tailLines    = 25       // the end of a log is always shown
	// What is near to a moment is at most so much before or behind it.
	before, behind = time.Second, 3 * time.Second
)

// memberLog is what a member said when something happened.
type memberLog struct {
	Member, File string
	// Problem says why there are no lines.
	Problem string
	Lines   []logLine
	All     int
	Cut     bool // the file is longer than what was read
}

// logLine is one line that is shown.
type logLine struct {
	At, Level, Text, Fields string
	AtMS                    float64
	// Skipped lines are between the one before and this one.
	Skipped int

	number int
}

// readLogs reads the logs of all members. Each may fill its part of the lines.
func readLogs(dir string, r *history.Record, lines int) []memberLog {
	var logs []memberLog
	for _, m := range r.Members {
		l := memberLog{Member: clean(m.Name), File: local(m.LogFile)}
		if l.File == "" {
			l.Problem = "The record names no file for it."
		} else {
			l.read(filepath.Join(dir, l.File), newPicker(r.Started, whiles(r, m.Name), lines/len(r.Members)))
		}
		logs = append(logs, l)
	}
	return logs
}

// while is a time that somebody will want to read about.
type while struct{ from, to time.Duration }

func around(from, to time.Duration) while { return while{from - before, to + behind} }

// whiles are the times of interest of a member: all of a fault of its own, the begin and the end of those of others, and findings.
func whiles(r *history.Record, member string) []while {
	var list []while
	for _, f := range r.Faults {
		switch {
		case f.Healed == 0:
			list = append(list, around(f.Injected, f.Injected))
		case slices.Contains(f.Members, member):
			list = append(list, around(f.Injected, f.Healed))
		default:
			list = append(list, around(f.Injected, f.Injected), around(f.Healed, f.Healed))
		}
	}
	for _, v := range r.Verdicts {
		for _, f := range v.Findings[:min(len(v.Findings), 50)] {
			list = append(list, around(f.At, f.At))
		}
	}
	return list
}

func (l *memberLog) read(path string, p *picker) {
	f, err := os.Open(path)
	if err != nil {
		l.Problem = clean(fmt.Sprintf("It can not be read: %v.", err))
		return
	}
	defer f.Close()
	in := bufio.NewReaderSize(io.LimitReader(f, maxLogBytes), maxLineBytes)
	for {
		line, long, err := in.ReadLine()
		if err != nil {
			break
		}
		p.see(line)
		for long && err == nil {
			_, long, err = in.ReadLine()
		}
	}
	info, err := f.Stat()
	l.Cut = err == nil && info.Size() > maxLogBytes
	l.Lines, l.All = p.lines(), p.seen
}
