package command

import (
	"bufio"
	"os"
	"time"

	"golang.org/x/term"

	"quoin.dev/ctl/progress"
)

// outputBytes is how much of a long output is written at once.
const outputBytes = 64 << 10

// bufferOutput lets a command with a long output write it in large pieces. It is called before setup; flush writes the rest.
func (a *app) bufferOutput() (flush func() error) {
	out := bufio.NewWriterSize(a.Stdout, outputBytes)
	a.terminal = a.terminal || isTerminal(a.Stdout)
	a.Stdout = out
	return func() error { return printed(out.Flush()) }
}

// progress shows on stderr how far a command is, unless its output goes to a terminal, which shows that as well.
func (a *app) progress(describe func(elapsed time.Duration) string) *progress.Line {
	if a.terminal || isTerminal(a.Stdout) {
		return nil
	}
	return progress.Start(a.Stderr, describe)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
