package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/check"
	"quoin.dev/quoin/robustness/history"
)

func TestCrashesAreFoundInLogs(t *testing.T) {
	for _, c := range []struct{ line, says string }{
		{`panic: runtime error: index out of range`, "line 2 of m0.log: panic: runtime error"},
		{`WARNING: DATA RACE`, "DATA RACE"},
		{`fatal error: all goroutines are asleep - deadlock!`, "deadlock"},
		{`{"level":"fatal","ts":"2026-01-01T00:00:03.000000Z","msg":"the disk is gone","error":"EIO"}`, "fatal: the disk is gone EIO"},
		{`{"level":"panic","msg":"a broken promise"}`, "panic: a broken promise"},
		{`{"level":"error","msg":"panic: said somebody, in a value"}`, ""},
		{`{"level":"fatal","msg":"allowed here"}`, ""},
		{`{"level":"warn","msg":"slow"}`, ""},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "m0.log"), []byte("{\"level\":\"info\"}\n"+c.line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := &history.Record{Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Members: []history.Member{{Name: "m0", LogFile: "m0.log"}}}
		v := judge(t, "logs", r, check.Options{Dir: dir, AllowedLog: []string{"allowed here"}})
		if got := texts(v); c.says == "" && got != "" || !strings.Contains(got, c.says) || v.Judged == "" && c.says == "" {
			t.Errorf("%s: found %q, judged %q", c.line, got, v.Judged)
		}
	}
}

func TestALogThatIsNotThereIsFound(t *testing.T) {
	r := &history.Record{Members: []history.Member{{Name: "m0", LogFile: "none.log"}}}
	if v := judge(t, "logs", r, check.Options{Dir: t.TempDir()}); len(v.Findings) != 1 {
		t.Errorf("found %q", texts(v))
	}
}

// A member may be gone while a fault ends it, and at no other time.
func TestMembersThatEndByThemselvesAreFound(t *testing.T) {
	gone := []history.State{{At: time.Second, Member: "m1", Alive: true}, {At: 5 * time.Second, Member: "m1"}}
	for name, c := range map[string]struct {
		faults []history.Fault
		may    []string
		found  int
	}{
		"no fault":                   {nil, nil, 1},
		"it was killed":              {[]history.Fault{fault("kill", 4*time.Second, 8*time.Second, "m1")}, nil, 0},
		"another one was killed":     {[]history.Fault{fault("kill", 4*time.Second, 8*time.Second, "m2")}, nil, 1},
		"it was killed long ago":     {[]history.Fault{fault("kill", time.Second, 2*time.Second, "m1")}, nil, 1},
		"it was only cut off":        {[]history.Fault{fault("isolate", 4*time.Second, 8*time.Second, "m1")}, nil, 1},
		"its disk allows it":         {[]history.Fault{fault("fsync-error", 4*time.Second, 0, "m1")}, []string{"fsync-error"}, 0},
		"its disk does not allow it": {[]history.Fault{fault("fsync-error", 4*time.Second, 0, "m1")}, nil, 1},
	} {
		r := &history.Record{Loaded: time.Minute, Duration: time.Minute, States: gone, Faults: c.faults}
		if v := judge(t, "logs", r, check.Options{MayExit: c.may}); len(v.Findings) != c.found {
			t.Errorf("%s: found %q", name, texts(v))
		}
	}
}
