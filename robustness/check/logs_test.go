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

// What ends by itself is found, however near to a kill, unless a fault accounts for it: the exit code and the log tell.
func TestMembersThatEndByThemselvesAreFound(t *testing.T) {
	kill, errs := fault("kill", 4*time.Second, 8*time.Second, "m1"), fault("fsync-error", 4*time.Second, 8*time.Second, "m1")
	killed := process(-time.Second, 4*time.Second, -1)
	killed.Killed = true
	stopped := process(-time.Second, 4*time.Second, 0)
	stopped.Stopped = true
	contained := killed
	contained.ExitCode = 128 + 9
	deaf := stopped
	deaf.Ended = 0
	back, talked := stopped, stopped
	back.Started, back.Ended, talked.LogFrom = 5*time.Second, 0, 100
	back.Stopped = false
	with := func(p history.Process, code int) history.Process {
		p.ExitCode = code
		return p
	}
	for name, c := range map[string]struct {
		fault     history.Fault
		processes []history.Process
		says      string
	}{
		"no fault":                                         {history.Fault{}, []history.Process{process(-1, 5*time.Second, 1)}, "found that it ended at 5.000 s, before any fault, with exit code 1"},
		"it was killed":                                    {kill, []history.Process{killed, process(8*time.Second, time.Minute, 0)}, "ended at 60.000 s"},
		"it was killed in a container":                     {kill, []history.Process{contained}, ""},
		"it was stopped":                                   {kill, []history.Process{stopped}, ""},
		"it was stopped and failed":                        {kill, []history.Process{with(stopped, 1)}, "with exit code 1"},
		"it was stopped before it was ready":               {kill, []history.Process{with(stopped, 2), back}, ""},
		"it was stopped later, and failed":                 {kill, []history.Process{with(stopped, 2), talked}, "with exit code 2"},
		"it was gone before it was killed":                 {kill, []history.Process{with(killed, 2)}, "with exit code 2"},
		"it did not come back":                             {kill, []history.Process{killed, process(8*time.Second, 8100*ms, 1)}, "0.100 s after kill of m1 was healed, with exit code 1"},
		"it ended while it came back":                      {kill, []history.Process{killed, process(7900*ms, 7950*ms, 1)}, "with exit code 1"},
		"another one killed it":                            {kill, []history.Process{process(-1, 5*time.Second, -1)}, "by a signal that the lab did not send"},
		"it does not end":                                  {kill, []history.Process{deaf}, "expected m1 to end when it is told to"},
		"its disk allows it":                               {errs, []history.Process{process(-1, 5*time.Second, 1)}, ""},
		"its disk allowed it, and it is back to end again": {errs, []history.Process{process(-1, 5*time.Second, 1), process(7900*ms, 8*time.Second, 1)}, "ended at 8.000 s"},
		"its disk allowed it long ago":                     {errs, []history.Process{process(-1, 15*time.Second, 1)}, "7.000 s after fsync-error"},
		"the disk of another one":                          {fault("fsync-error", 4*time.Second, 0, "m2"), []history.Process{process(-1, 5*time.Second, 1)}, "with exit code 1"},
		"it was removed":                                   {fault("membership", time.Second, 30*time.Second, "m1"), []history.Process{process(5*time.Second, 20*time.Second, 0)}, ""},
		"it was removed, and that was hard":                {fault("membership", time.Second, 30*time.Second, "m1"), []history.Process{process(5*time.Second, 20*time.Second, 1)}, "with exit code 1"},
	} {
		r := &history.Record{Loaded: time.Minute, Duration: time.Minute, Processes: c.processes, Faults: []history.Fault{c.fault}}
		if c.fault.Kind == "" {
			r.Faults = nil
		}
		v := judge(t, "logs", r, check.Options{MayExit: []string{"fsync-error", "membership"}})
		if got := texts(v); c.says == "" && got != "" || !strings.Contains(got, c.says) || len(v.Findings) > 1 {
			t.Errorf("%s: found %q", name, got)
		}
	}
}

// process is one of m1, which nobody has asked to end.
func process(started, ended time.Duration, code int) history.Process {
	return history.Process{Member: "m1", Started: started, Ended: ended, ExitCode: code}
}

// A member that says that it ends is believed, also when a kill came first.
func TestWhatAMemberSaysAsItEndsIsFound(t *testing.T) {
	const (
		starts = `{"level":"info","msg":"starting a member"}` + "\n"
		short  = `{"level":"error","ts":"2026-01-01T00:00:08.500000Z","msg":"the member can not go on","error":"the log is shorter than what it has acknowledged"}` + "\n"
		failed = `{"level":"error","ts":"2026-01-01T00:00:08.500000Z","msg":"failed to start","error":"no room"}` + "\n"
		lived  = `{"level":"error","ts":"2026-01-01T00:00:08.500000Z","msg":"failed to send a snapshot"}` + "\n"
	)
	first, second := process(-1, 4*time.Second, -1), process(8*time.Second, 9*time.Second, -1)
	first.Killed, second.Killed, second.LogFrom = true, true, int64(len(starts))
	own := second
	own.Killed, own.ExitCode = false, 1
	kill := fault("kill", 4*time.Second, 10*time.Second, "m1")
	for name, c := range map[string]struct {
		log       string
		processes []history.Process
		fault     history.Fault
		says      string
	}{
		"its exit code says so, too":      {starts + short, []history.Process{first, own}, kill, "exit code 1, and said in line 2 of its log: error: the member can not go on the log is shorter"},
		"it was killed at once":           {starts + failed, []history.Process{first, second}, kill, "as it was killed, and said in line 2 of its log: error: failed to start no room"},
		"the record knows no processes":   {starts + short, nil, kill, "expected m1 to go on, found in line 2 of its log: error: the member can not go on"},
		"it was an error like others":     {starts + lived, []history.Process{first, second}, kill, ""},
		"its disk allows it":              {starts + short, []history.Process{own}, fault("fsync-error", 8*time.Second, 0, "m1"), ""},
		"its disk allowed the one before": {starts + short, []history.Process{first, own}, fault("fsync-error", 3*time.Second, 8500*ms, "m1"), "exit code 1"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "m1.log"), []byte(c.log), 0o600); err != nil {
			t.Fatal(err)
		}
		r := &history.Record{
			Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Loaded: time.Minute, Duration: time.Minute,
			Members: []history.Member{{Name: "m1", LogFile: "m1.log"}}, Processes: c.processes, Faults: []history.Fault{c.fault},
		}
		v := judge(t, "logs", r, check.Options{Dir: dir, MayExit: []string{"fsync-error"}})
		if got := texts(v); c.says == "" && got != "" || !strings.Contains(got, c.says) || len(v.Findings) > 1 {
			t.Errorf("%s: found %q", name, got)
		}
	}
}
