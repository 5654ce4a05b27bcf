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

// logs: no member has crashed, by what they wrote and by when they were gone.
func logs(ctx context.Context, e *evidence, v *sheet) {
	exits := e.exits(v)
	lines := 0
	for _, m := range e.Members {
		if m.LogFile == "" || e.options.Dir == "" {
			continue
		}
		n, err := e.readLog(ctx, m, v)
		if err != nil {
			v.find(history.Finding{Text: fmt.Sprintf("expected to read what %s has logged, found: %v", m.Name, err)})
		}
		lines += n
	}
	if lines > 0 || exits > 0 {
		v.Judged = fmt.Sprintf("%d lines of %d members, and %d looks at whether they run", lines, len(e.Members), exits)
	}
}

func (e *evidence) readLog(ctx context.Context, m history.Member, v *sheet) (lines int, err error) {
	f, err := os.Open(filepath.Join(e.options.Dir, m.LogFile))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := bufio.NewReaderSize(f, maxLineBytes)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			lines++
			if what, when := alarmingLine(line, e.Started); what != "" && !e.allowed(string(line)) {
				v.find(history.Finding{At: when, Text: fmt.Sprintf("expected no crash of %s, found in line %d of %s: %s", m.Name, lines, m.LogFile, what)})
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return lines, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return lines, err
		case ctx.Err() != nil:
			return lines, ctx.Err()
		}
	}
}

// alarmingLine is what is wrong with a line, which may be one of zap's JSON; and when it was written, if it says so.
func alarmingLine(line []byte, started time.Time) (string, time.Duration) {
	var entry struct {
		Level string `json:"level"`
		TS    string `json:"ts"`
		Msg   string `json:"msg"`
		Error string `json:"error"`
	}
	text := strings.TrimSpace(string(line))
	if strings.HasPrefix(text, "{") && json.Unmarshal(line, &entry) == nil {
		var when time.Duration
		if t, err := time.Parse("2006-01-02T15:04:05.999999Z0700", entry.TS); err == nil && !started.IsZero() {
			when = max(0, t.Sub(started))
		}
		switch entry.Level {
		case "panic", "fatal", "dpanic":
			return shorten(entry.Level + ": " + entry.Msg + " " + entry.Error), when
		}
		return "", when
	}
	if slices.ContainsFunc(alarming, func(part string) bool { return strings.Contains(text, part) }) {
		return shorten(text), 0
	}
	return "", 0
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

// slack is by how much what is known of a process may be late.
const slack = time.Second

// exits finds members that were gone without a fault that ends them. It returns at how many states it looked.
func (e *evidence) exits(v *sheet) int {
	alive := map[string]bool{}
	for _, s := range e.States {
		if alive[s.Member] && !s.Alive && !e.mayBeGone(s.Member, s.At) {
			v.find(history.Finding{At: s.At, Text: fmt.Sprintf("expected %s to run at %s, %s; found that it had ended", s.Member, at(s.At), e.since(s.At))})
		}
		alive[s.Member] = s.Alive
	}
	return len(e.States)
}

// ending are kinds of faults that end a process, or replace it.
var ending = []string{"kill", "stop", "restart", "crash", "power", "terminate", "wipe", "upgrade", "downgrade", "remove", "replace", "flip"}

func (e *evidence) mayBeGone(member string, when time.Duration) bool {
	for _, f := range e.Faults {
		ends := slices.ContainsFunc(slices.Concat(ending, e.options.MayExit), func(kind string) bool { return strings.Contains(f.Kind, kind) })
		if ends && slices.Contains(f.Members, member) && f.Injected-slack <= when && (f.Healed == 0 || when <= f.Healed+slack) {
			return true
		}
	}
	return when >= e.Loaded && e.Loaded > 0 // members are stopped at the end
}
