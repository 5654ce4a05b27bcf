package runner

import (
	"bytes"
	"strings"
	"testing"

	"quoin.dev/quoin/robustness/history"
)

func TestAStatusIsWrittenOverOnATerminalOnly(t *testing.T) {
	for _, live := range []bool{true, false} {
		var out bytes.Buffer
		p := newProgress(&out, live)
		p.status("one")
		p.status("two")
		p.line("stays")
		p.end()
		text := out.String()
		if got := strings.Count(text, "\r\x1b[K"); live != (got == 2) || !live != (got == 0) {
			t.Errorf("live %v: %q", live, text)
		}
		if !live && strings.Contains(text, "two") {
			t.Errorf("a status so soon after another one, where none is written over: %q", text)
		}
		if !strings.HasSuffix(text, "stays\n") {
			t.Errorf("live %v: %q", live, text)
		}
	}
}

func TestLetters(t *testing.T) {
	for want, s := range map[byte]history.State{
		'x': {}, 'p': {Alive: true, Paused: true}, '?': {Alive: true},
		'L': {Alive: true, Role: "leader"}, 'f': {Alive: true, Role: "follower"}, 'l': {Alive: true, Role: "learner"},
	} {
		if got := letterOf(s); got != want {
			t.Errorf("%+v: %c", s, got)
		}
	}
}
