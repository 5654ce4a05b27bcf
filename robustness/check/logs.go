package check

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/history"
)

// alarming are parts of lines that a program writes as it crashes.
var alarming = []string{
	"panic:", "fatal error:", "WARNING: DATA RACE", "SIGSEGV", "SIGABRT", "runtime error:", "unexpected fault address", "concurrent map",
}

// maxLineBytes bounds how much of a line of a log is looked at.
const maxLineBytes = 1 << 20

// farewells are messages with which a member of quoin ends by itself. They are errors to it, as others are that it lives through.
var farewells = []string{"the member can not go on", "failed to start"}

// logs: no member has crashed or ended by itself, by what they wrote and by how their processes ended.
func logs(ctx context.Context, e *evidence, v *sheet) {
	lines := 0
	var said []farewell
	for _, m := range e.Members {
		if m.LogFile == "" || e.options.Dir == "" {
			continue
		}
		n, last, err := e.readLog(ctx, m, v)
		if err != nil {
			v.find(history.Finding{Text: fmt.Sprintf("expected to read what %s has logged, found: %v", m.Name, err)})
		}
		lines, said = lines+n, append(said, last...)
	}
	e.exits(v, said)
	if lines > 0 || len(e.Processes) > 0 {
		v.Judged = fmt.Sprintf("%d lines of %d members, and the ends of %d processes", lines, len(e.Members), len(e.Processes))
	}
}

func (e *evidence) readLog(ctx context.Context, m history.Member, v *sheet) (lines int, said []farewell, err error) {
	f, err := os.Open(filepath.Join(e.options.Dir, m.LogFile))
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := bufio.NewReaderSize(f, maxLineBytes)
	offset := int64(0)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			lines++
			what, when, last := alarmingLine(line, e.Started)
			switch {
			case what == "" || e.allowed(string(line)):
			case last:
				said = append(said, farewell{member: m.Name, text: what, line: lines, offset: offset, when: when})
			default:
				v.find(history.Finding{At: when, Text: fmt.Sprintf("expected no crash of %s, found in line %d of %s: %s", m.Name, lines, m.LogFile, what)})
			}
		}
		offset += int64(len(line))
		switch {
		case errors.Is(err, io.EOF):
			return lines, said, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return lines, said, err
		case ctx.Err() != nil:
			return lines, said, ctx.Err()
		}
	}
}

// alarmingLine is what is wrong with a line, which may be one of zap's JSON; when it was written, if it says so; and whether it says
// that the member ends by itself, which a fault may account for.
func alarmingLine(line []byte, started time.Time) (what string, when time.Duration, last bool) {
	var entry struct {
		Level string `json:"level"`
		TS    string `json:"ts"`
		Msg   string `json:"msg"`
		Error string `json:"error"`
	}
	text := strings.TrimSpace(string(line))
	if strings.HasPrefix(text, "{") && json.Unmarshal(line, &entry) == nil {
		if t, err := time.Parse("2006-01-02T15:04:05.999999Z0700", entry.TS); err == nil && !started.IsZero() {
			when = max(0, t.Sub(started))
		}
		last = entry.Level == "fatal" || slices.Contains(farewells, entry.Msg)
		if last || entry.Level == "panic" || entry.Level == "dpanic" {
			what = shorten(entry.Level + ": " + entry.Msg + " " + entry.Error)
		}
		return what, when, last
	}
	if slices.ContainsFunc(alarming, func(part string) bool { return strings.Contains(text, part) }) {
		return shorten(text), 0, false
	}
	return "", 0, false
}

func shorten(text string) string {
	const most = 300
	if text = strings.TrimSpace(text); len(text) > most {
		return text[:most] + "…"
	}
	return text
}

func (e *evidence) allowed(line string) bool {
	return slices.ContainsFunc(e.options.AllowedLog, func(part string) bool { return strings.Contains(line, part) })
}
