package progress

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"
	"time"
)

func TestLineIsWrittenAnewAndCleared(t *testing.T) {
	tick := make(chan time.Time)
	written := make(chan string, 10)
	n := 0
	l := show(writer(written), tick, func(time.Duration) string {
		n++
		return fmt.Sprintf("%d things, and a long rest", n)
	}, func() int { return 13 })
	for _, want := range []string{"\r\x1b[K1 things, an", "\r\x1b[K2 things, an"} {
		tick <- time.Time{}
		if got := <-written; got != want {
			t.Errorf("wrote %q, want %q", got, want)
		}
	}
	l.Print(io.Discard, "above")
	if got := <-written; got != "\r\x1b[Kabove\n" {
		t.Errorf("wrote %q", got)
	}
	l.Stop()
	if got := <-written; got != "\r\x1b[K" || len(written) > 0 {
		t.Errorf("ended with %q and %d more", got, len(written))
	}
}

// Work that is done before the first tick leaves no trace.
func TestFastWorkShowsNothing(t *testing.T) {
	var out bytes.Buffer
	show(&out, nil, func(time.Duration) string { return "never" }, func() int { return 80 }).Stop()
	if out.Len() > 0 {
		t.Errorf("wrote %q", out.String())
	}
}

func TestOnlyATerminalShowsALine(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, where := range []io.Writer{io.Discard, w} {
		if l := Start(where, nil); l != nil {
			t.Errorf("%T has a line", where)
		}
	}
	var none *Line
	var out bytes.Buffer
	none.Print(&out, "said all the same")
	none.Stop()
	if out.String() != "said all the same\n" {
		t.Errorf("wrote %q", out.String())
	}
}

type writer chan string

func (w writer) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}
