package lab

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// commandTimeout bounds one run of a command-line program.
const commandTimeout = 2 * time.Minute

// Output is what a program left behind.
type Output struct {
	Stdout, Stderr string
	Exit           int
}

// Run runs a program with the given standard input. ETCDCTL_* variables of the caller are not passed on.
func Run(t testing.TB, program, stdin string, args ...string) Output {
	t.Helper()
	path := Binary(t, program) // built first: that is not part of the run
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "ETCDCTL_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("%s %q did not end within %v\n%s%s", program, args, commandTimeout, &stdout, &stderr)
	case err != nil && !errors.As(err, &exit):
		t.Fatalf("%s %q: %v", program, args, err)
	}
	return Output{Stdout: stdout.String(), Stderr: stderr.String(), Exit: cmd.ProcessState.ExitCode()}
}
