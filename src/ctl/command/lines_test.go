package command

import (
	"io"
	"slices"
	"testing"
	"time"

	"quoin.dev/ctl/txntext"
)

// FuzzLines: each line of an interactive watch or a transaction is understood, or refused with a reason.
func FuzzLines(f *testing.F) {
	for _, line := range []string{
		"watch k", "watch a z --rev=3", "watch --prefix '' --since=-10", "watch k -- echo -n", "watch --", "watch -h", "watch -i k", "watch a z --prefix",
		"get k", "get --prefix '' --limit=3 --sort-by=MOD --order=descend", "get --tree a", "get k --rev=head~3", "get --stream x",
		"put k v", "put k", "put --lease=zz k v", "put --ignore-value k", "del --prefix k", "de a z", "del a z --range", "d k", "put -- -k -v", "get --help",
	} {
		f.Add(line)
	}
	a := &app{Process: Process{Stdout: io.Discard, Stderr: io.Discard, Pause: func(time.Duration) {}}}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := txntext.Tokens(line)
		if err != nil || len(words) == 0 {
			return
		}
		if words[0] == "watch" {
			w, err := a.readWatch(words[1:])
			switch {
			case err != nil && err.Error() == "":
				t.Errorf("%q is refused without a reason", line)
			case err == nil && (!slices.Contains(words[1:], w.key) || len(w.command) == 0 && words[len(words)-1] == "--"):
				t.Errorf("%q is understood as %+v", line, w)
			}
			return
		}
		if _, err := (&txnReader{app: a}).request(line); err != nil && err.Error() == "" {
			t.Errorf("%q is refused without a reason", line)
		}
	})
}
