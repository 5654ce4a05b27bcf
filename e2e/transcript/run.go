package transcript

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// runTimeout bounds one run; the longest captured ones wait 10 s for a lock of which the holder went away.
	runTimeout = 30 * time.Second
	// silence is how long a program that has to be ended may keep what it was captured to say.
	silence = 15 * time.Second
)

// said is what a program has written so far.
type said struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// run is a program that runs.
type run struct {
	cmd            *exec.Cmd
	stdin          io.WriteCloser // open for a record that is ended by this side
	stdout, stderr said
	ended          chan struct{}
	err            error // valid when ended is closed
}

// start gives the program the captured arguments, stdin and variables, and of the variables of this process only those
// without which no program runs. The context kills it.
func (r Record) start(ctx context.Context, program string, from, to ids) (*run, error) {
	var args []string
	for _, arg := range r.Argv[1:] {
		args = append(args, from.translate(arg, to))
	}
	p := &run{cmd: exec.CommandContext(ctx, program, args...), ended: make(chan struct{})}
	p.cmd.Args[0] = r.Argv[0]
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for name, value := range r.Env {
		p.cmd.Env = append(p.cmd.Env, name+"="+from.translate(value, to))
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.WaitDelay = runTimeout // a child that the program leaves behind may hold its output
	if err := p.begin(r); err != nil {
		return nil, fmt.Errorf("run %s: %w", program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// begin leaves stdin open where an open stdin keeps the program alive.
func (p *run) begin(r Record) error {
	if !r.endless() || r.Stdin == "" {
		p.cmd.Stdin = strings.NewReader(r.stdin())
		return p.cmd.Start()
	}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	_, err = io.WriteString(p.stdin, r.stdin())
	return err
}

// end ends a program in the way of the record: by a signal, or by the end of its stdin if it was given one.
func (p *run) end(r Record) error {
	if p.stdin != nil {
		return p.stdin.Close()
	}
	signal := syscall.SIGINT
	if r.Exit < 0 {
		signal = syscall.Signal(-r.Exit)
	}
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

func (p *run) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// outcome waits for the end of the program.
func (p *run) outcome(ctx context.Context) (outcome, error) {
	<-p.ended
	var failed *exec.ExitError
	if p.err != nil && !errors.As(p.err, &failed) {
		return outcome{}, p.err
	}
	if ctx.Err() != nil {
		return outcome{}, fmt.Errorf("%q did not end in time", p.cmd.Args)
	}
	code := p.cmd.ProcessState.ExitCode()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = -int(status.Signal())
	}
	return outcome{code, p.stdout.String(), p.stderr.String()}, nil
}
