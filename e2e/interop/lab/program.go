package lab

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Program is a command that runs and is talked to, line by line.
type Program struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // what it says; closed when it has ended

	stderr bytes.Buffer
	once   sync.Once
	err    error // of its end
}

// programLines bounds what a program says and nobody has read.
const programLines = 1000

// StartProgram runs a program until it ends, or the test does.
func StartProgram(t testing.TB, program string, args ...string) *Program {
	t.Helper()
	p := &Program{name: program, cmd: exec.Command(Binary(t, program), args...), lines: make(chan string, programLines)}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin, p.cmd.Stderr = stdin, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.wait()
	})
	return p
}

// Say writes a line to the program.
func (p *Program) Say(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		t.Fatalf("%s: %v\n%s", p.name, err, p.complaint())
	}
}

// Hear returns the next line that the program says, false when it has ended.
func (p *Program) Hear(t testing.TB, within time.Duration) (string, bool) {
	t.Helper()
	select {
	case line, ok := <-p.lines:
		return line, ok
	case <-time.After(within):
		t.Fatalf("%s said nothing for %v", p.name, within)
		return "", false
	}
}

// Lines is what the program says, until it has ended.
func (p *Program) Lines() <-chan string { return p.lines }

// Kill ends the program at once (kill -9).
func (p *Program) Kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// End closes the input of the program and expects that it ends well.
func (p *Program) End(t testing.TB) {
	t.Helper()
	if err := p.stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := p.wait(); err != nil {
		t.Fatalf("%s: %v\n%s", p.name, err, p.complaint())
	}
}

func (p *Program) wait() error {
	p.once.Do(func() {
		for range p.lines { // Wait closes the pipe, so everything has to be read before
		}
		p.err = p.cmd.Wait()
	})
	return p.err
}

// complaint is what the program wrote to stderr; it has ended or is about to.
func (p *Program) complaint() string {
	if err := p.wait(); err != nil && !errors.Is(err, io.EOF) {
		return p.stderr.String()
	}
	return ""
}
