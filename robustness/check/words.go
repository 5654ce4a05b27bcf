package check

import (
	"fmt"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/history"
	"quoin.dev/quoin/robustness/report/words"
)

// at is a time of the run in words.
func at(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

// who is an operation in words.
func (e *evidence) who(i int) string {
	if i < 0 {
		return "nobody"
	}
	op := &e.Operations[i]
	text := fmt.Sprintf("operation %d, %s of client %d at %s", i, words.Kind(op.Request), op.Client, op.Member)
	if op.User != "" {
		text += " as " + op.User
	}
	return fmt.Sprintf("%s, %s to %s", text, at(op.Call), at(op.Return))
}

// whichWatch is a watch in words.
func (e *evidence) whichWatch(i int) string {
	w := &e.Watches[i]
	return fmt.Sprintf("watch %d of client %d at %s", i, w.Client, w.Member)
}

// since says which fault was the last one before a time.
func (e *evidence) since(t time.Duration) string {
	var last *history.Fault
	what, when := "", time.Duration(-1)
	for i := range e.Faults {
		f := &e.Faults[i]
		if f.Injected <= t && f.Injected > when {
			last, what, when = f, "began", f.Injected
		}
		if f.Healed > 0 && f.Healed <= t && f.Healed > when {
			last, what, when = f, "was healed", f.Healed
		}
	}
	if last == nil {
		return "before any fault"
	}
	return fmt.Sprintf("%s after %s of %s %s", at(t-when), last.Kind, strings.Join(last.Members, ", "), what)
}
