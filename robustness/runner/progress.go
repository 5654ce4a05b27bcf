package runner

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress tells what happens.
type progress struct {
	w     io.Writer
	live  bool
	start time.Time

	mu      sync.Mutex // guards what follows, and the writer
	pending bool       // the last line is a status that may be written over
	last    time.Time  // of a status that was written to no terminal
}

// statusEvery is how often a status is written where it can not be written over.
const statusEvery = 5 * time.Second

func newProgress(w io.Writer, live bool) *progress {
	if w == nil {
		w = io.Discard
	}
	return &progress{w: w, live: live, start: time.Now()}
}

// line says something that stays.
func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.w, "%6.1fs  %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
}

// status says how things are at the moment.
func (p *progress) status(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.live && time.Since(p.last) < statusEvery {
		return
	}
	p.clear()
	p.last = time.Now()
	fmt.Fprintf(p.w, "%6.1fs  %s", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
	if p.live {
		p.pending = true
	} else {
		fmt.Fprintln(p.w)
	}
}

// clear takes a status back. The lock is held.
func (p *progress) clear() {
	if p.pending {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.pending = false
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}
