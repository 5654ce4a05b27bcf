package namespaces

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"quoin.dev/quoin/robustness/node"
)

// process is a node.
type process struct {
	name  string
	addr  netip.Addr
	space *space

	starting sync.Mutex // held while a process is started, guards closed, and is taken before mu
	closed   bool

	mu       sync.Mutex // guards what follows
	hooks    []func(*os.File) error
	cmd      *exec.Cmd // the last process
	ended    chan struct{}
	exitCode int
}

// endTimeout bounds how long a killed process may take to end. One that hangs in a file system can take for ever.
const endTimeout = 30 * time.Second

var _ node.Node = (*process)(nil)

func newProcess(name string, addr netip.Addr, s *space) *process {
	p := &process{name: name, addr: addr, space: s, ended: make(chan struct{})}
	close(p.ended)
	return p
}

func (p *process) Name() string     { return p.name }
func (p *process) Addr() netip.Addr { return p.addr }

// Start starts a process that ends when the node is closed, or the lab ends.
func (p *process) Start(ctx context.Context, c node.Command) error {
	p.starting.Lock()
	defer p.starting.Unlock()
	if err := p.start(ctx, c); err != nil {
		return fmt.Errorf("start %s on node %s: %w", c.Binary, p.name, err)
	}
	return nil
}

func (p *process) start(ctx context.Context, c node.Command) error {
	if p.closed {
		return errors.New("the node is closed")
	}
	if p.PID() != 0 {
		return errors.New("a process runs there")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.prepare(); err != nil {
		return err
	}
	log, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := &exec.Cmd{
		Path: c.Binary, Args: append([]string{c.Binary}, c.Args...), Dir: "/", Stdout: log, Stderr: log,
		Env: append([]string{}, c.Env...), // not nil, which would mean that of the lab
		// Pdeathsig comes when the thread ends that started the process, so with the node or with the lab. In a group of its own, the
		// process does not get the signals that a terminal sends to the lab.
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true},
	}
	if err := p.space.do(cmd.Start); err != nil {
		return err
	}
	ended := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.ended = cmd, ended
	p.mu.Unlock()
	go func() {
		_ = cmd.Wait()
		p.mu.Lock()
		p.exitCode = cmd.ProcessState.ExitCode()
		p.mu.Unlock()
		close(ended)
	}()
	return nil
}

// prepare calls the hooks.
func (p *process) prepare() error {
	p.mu.Lock()
	hooks := slices.Clone(p.hooks)
	p.mu.Unlock()
	for _, hook := range hooks {
		if err := hook(p.space.netns); err != nil {
			return fmt.Errorf("prepare its network: %w", err)
		}
	}
	return nil
}

// Signal fails with os.ErrProcessDone when nothing runs.
func (p *process) Signal(s syscall.Signal) error {
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	err := os.ErrProcessDone
	if cmd != nil {
		err = cmd.Process.Signal(s)
	}
	if err != nil {
		return fmt.Errorf("signal %q to node %s: %w", s, p.name, err)
	}
	return nil
}

func (p *process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return 0
	default:
		return p.cmd.Process.Pid
	}
}

func (p *process) Ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

func (p *process) ExitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exitCode
}

func (p *process) NetNS() (*os.File, error) { return p.space.open() }

func (p *process) OnStart(f func(netns *os.File) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hooks = append(p.hooks, f)
}

// close ends the process and the network namespace.
func (p *process) close() error {
	p.starting.Lock()
	defer p.starting.Unlock()
	p.closed = true
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.Ended():
	case <-time.After(endTimeout):
		return fmt.Errorf("the process %d of node %s did not end %s after SIGKILL", p.PID(), p.name, endTimeout)
	}
	return p.space.close()
}
