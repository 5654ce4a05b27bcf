// Package progress shows on a terminal how far long work has come, in one line that disappears when the work is done.
package progress

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// interval is how often the line is written anew; work that is faster shows none.
const interval = 200 * time.Millisecond

// erase goes to the beginning of the line and clears it.
const erase = "\r\x1b[K"

// Line is a line that is being shown. The nil Line is shown nowhere.
type Line struct {
	stop, stopped chan struct{}
	texts         chan string // to be written above the line
}

// Start shows what describe says of the time since the start, until Stop. It returns nil when w is no terminal, so that
// scripts see the result alone. describe is called in another goroutine.
func Start(w io.Writer, describe func(elapsed time.Duration) string) *Line {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	ticker := time.NewTicker(interval)
	l := show(w, ticker.C, describe, func() int {
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 80
		}
		return columns
	})
	go func() {
		<-l.stopped
		ticker.Stop()
	}()
	return l
}

// Stop clears the line. Nothing is written after it returns.
func (l *Line) Stop() {
	if l != nil {
		close(l.stop)
		<-l.stopped
	}
}

// Print writes a text to w, which is where the line is, above it.
func (l *Line) Print(w io.Writer, text string) {
	if l != nil {
		select {
		case l.texts <- text:
			return
		case <-l.stopped:
		}
	}
	fmt.Fprintln(w, text)
}

// show writes a line for each tick, cut where the terminal would wrap it.
func show(w io.Writer, tick <-chan time.Time, describe func(time.Duration) string, columns func() int) *Line {
	l := &Line{make(chan struct{}), make(chan struct{}), make(chan string)}
	start := time.Now()
	go func() {
		defer close(l.stopped)
		shown := false
		for {
			select {
			case <-tick:
				fmt.Fprint(w, erase+cut(describe(time.Since(start)), columns()-1))
				shown = true
			case text := <-l.texts:
				fmt.Fprint(w, erase+text+"\n")
			case <-l.stop:
				if shown {
					fmt.Fprint(w, erase)
				}
				return
			}
		}
	}()
	return l
}

func cut(text string, columns int) string {
	if runes := []rune(text); columns > 0 && len(runes) > columns {
		return string(runes[:columns])
	}
	return text
}
