package proc

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const line = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 12345 1000 200 0 0"
	got, err := parseStat([]byte(line))
	if err != nil || got != 3*time.Second {
		t.Fatalf("parseStat = %v, %v, want 3s", got, err)
	}
	for _, bad := range []string{"", "42 (x) S 1", "42 (x) S 1 2 3 4 5 6 7 8 9 10 a b"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat(%q) has no error", bad)
		}
	}
}

func TestParseStatus(t *testing.T) {
	got, err := parseStatus("Name:\tx\nVmPeak:\t 900 kB\nVmHWM:\t 300 kB\nVmRSS:\t 200 kB\nRssAnon:\t 100 kB\n")
	if want := (Memory{RSS: 200 << 10, Anon: 100 << 10, Peak: 300 << 10}); err != nil || got != want {
		t.Fatalf("parseStatus = %+v, %v, want %+v", got, err, want)
	}
	if _, err := parseStatus("Name:\tx\n"); err == nil {
		t.Error("a status without memory lines has no error")
	}
}

func TestOwnProcess(t *testing.T) {
	m, err := ReadMemory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if m.RSS <= 0 || m.Anon <= 0 || m.Peak <= 0 {
		t.Errorf("memory of this process = %+v", m)
	}
	if _, err := CPU(os.Getpid()); err != nil {
		t.Error(err)
	}
	if _, err := CPU(1 << 30); err == nil {
		t.Error("a process that does not exist has CPU time")
	}
}
