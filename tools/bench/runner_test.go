package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain plays the roles of the child processes, which start the running program, here the test binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		signal.Reset(syscall.SIGTERM) // which the test runner of Bazel catches: a child ends by it
		switch os.Args[1] {
		case generatorCommand:
			os.Exit(generatorMain(os.Stdin, os.Stdout))
		case echoCommand:
			os.Exit(echoMain(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

func benchOptions(t *testing.T, rows string) *options {
	t.Helper()
	o, err := parseOptions([]string{"-rows", rows, "-rounds", "2", "-ops", "300", "-dir", t.TempDir()}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestEchoRowsWithRealProcesses(t *testing.T) {
	o := benchOptions(t, "echo-1,echo-100")
	o.json = filepath.Join(t.TempDir(), "out.json")
	var out strings.Builder
	if err := bench(t.Context(), o, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "echo-100") {
		t.Errorf("table:\n%s", out.String())
	}
	if left, err := os.ReadDir(o.dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestServerThatDoesNotStart(t *testing.T) {
	script := filepath.Join(t.TempDir(), "server")
	const text = "#!/bin/sh\n[ \"$1\" = --version ] && { echo 1; exit 0; }\necho 'no such flag' >&2\nexit 3\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	o := benchOptions(t, "put-1")
	o.a, o.b = script, script
	err := bench(t.Context(), o, new(strings.Builder))
	if err == nil || !strings.Contains(err.Error(), "no such flag") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error = %v", err)
	}
	if left, err := os.ReadDir(o.dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestInterruptEndsTheRun(t *testing.T) {
	o := benchOptions(t, "echo-1")
	o.ops, o.duration = 0, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := bench(ctx, o, new(strings.Builder)); err == nil {
		t.Error("no error")
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("ended after %v", took)
	}
}
