package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const barCells = 30

// progress draws a bar on a terminal and nothing elsewhere. With -v it also prints a line for every finished row.
type progress struct {
	out     io.Writer
	bar     bool
	verbose bool

	started time.Time
	steps   int // in total
	done    int // finished
	current string
}

func newProgress(o *options, f *os.File) *progress {
	return &progress{out: f, bar: term.IsTerminal(int(f.Fd())), verbose: o.verbose}
}

func (p *progress) begin(steps int) {
	p.steps, p.done, p.started = steps, -1, time.Now()
}

// step says that the previous step is finished and names the next.
func (p *progress) step(round int, server, name string) {
	if name == "" {
		name = "fill"
	}
	p.done = min(p.done+1, p.steps-1)
	p.current = fmt.Sprintf("round %d  %s  %s", round+1, server, name)
	p.part(0)
}

// part draws how much of the present step is done, from 0 to 1.
func (p *progress) part(part float64) {
	if !p.bar {
		return
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", p.render(part, time.Since(p.started)))
}

func (p *progress) render(part float64, elapsed time.Duration) string {
	whole := (float64(p.done) + part) / float64(max(p.steps, 1))
	full := min(int(whole*barCells), barCells)
	left := ""
	if whole > 0.02 {
		rest := time.Duration(float64(elapsed) * (1 - whole) / whole)
		left = "  about " + rest.Round(time.Second).String() + " left"
	}
	return fmt.Sprintf("[%s%s] %3.0f%%  %s%s", strings.Repeat("#", full), strings.Repeat(".", barCells-full), whole*100, p.current, left)
}

func (p *progress) line(row, server string, round int, v values) {
	if !p.verbose {
		return
	}
	p.end()
	text := fmt.Sprintf("%-14s %-8s round %d", row, server, round+1)
	for _, c := range columns {
		if x, ok := v[c.metric]; ok {
			text += fmt.Sprintf("  %s %s", number(x), c.title)
		}
	}
	for _, m := range []metric{metricRSS, metricStop, metricStart, metricGap, metricGapWorst, metricCaughtUp, metricVoter} {
		if x, ok := v[m]; ok {
			text += fmt.Sprintf("  %s %s", m, number(x))
		}
	}
	fmt.Fprintln(p.out, text)
}

// end removes the bar.
func (p *progress) end() {
	if p.bar {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
