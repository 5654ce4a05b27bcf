package report

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/history"
)

func TestLogsShowWhatHappenedAroundAFault(t *testing.T) {
	begin := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	r := &history.Record{Started: begin, Faults: []history.Fault{{Kind: "kill", Members: []string{"m0"}, Injected: 20 * time.Second, Healed: 40 * time.Second}}}
	shown := func(member string) (ats []string) {
		p := newPicker(begin, whiles(r, member), 1000)
		for s := range 300 {
			p.see(fmt.Appendf(nil, `{"level":"info","ts":%q,"msg":"line %d"}`, begin.Add(time.Duration(s)*time.Second).Format(time.RFC3339), s))
			if s == 100 {
				p.see([]byte("panic: at last"))
			}
		}
		for _, l := range p.lines() {
			ats = append(ats, l.At)
		}
		return ats
	}
	own, other := shown("m0"), shown("m1")
	if own[0] != "+19.000" || other[0] != "+19.000" || !slices.Contains(own, "+30.000") || slices.Contains(other, "+30.000") || !slices.Contains(other, "+43.000") {
		t.Errorf("its own fault: %v\nanother's: %v", own, other)
	}
	for _, ats := range [][]string{own, other} {
		if !slices.Contains(ats, "+100.000") || ats[len(ats)-1] != "+299.000" || ats[len(ats)-tailLines] != "+275.000" {
			t.Errorf("the panic or the end is missing: %v", ats)
		}
	}
}
