package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"quoin.dev/client"
)

// Member is one process.
type Member struct {
	Name, Dir, ClientURL, PeerURL, LogFile string
	// Env, if set, replaces all flags: the member is configured by variables alone.
	Env []string
	// Discovery, if set, are the flags by which the members find each other, instead of the list of them.
	Discovery []string
	// Wrapper, if set, is a command that gets the program and its flags as arguments, and becomes it.
	Wrapper []string
	// Token, if set, is the token of the initial cluster.
	Token string
	// State, if set, is that of the initial cluster: new or existing.
	State string
	// Extra are more flags, behind all others; the last of two with one name counts.
	Extra []string
	// Files are open files that the process gets, from number 3 on.
	Files []*os.File
	// UserID, if not 0, is the user that the process runs as.
	UserID uint32
	// Output, if set, takes what the process says instead of LogFile.
	Output *os.File

	binary, initial string
	flags           []string
	secure          func() *tls.Config
	cmd             *exec.Cmd
	exited          chan struct{}
	logStart        int64 // where the log of the present process begins
}

// Args are the flags that the member is started with.
func (m *Member) Args() []string {
	args := []string{
		"--name=" + m.Name, "--data-dir=" + m.Dir,
		"--listen-client-urls=" + m.ClientURL, "--advertise-client-urls=" + m.ClientURL,
		"--listen-peer-urls=" + m.PeerURL, "--initial-advertise-peer-urls=" + m.PeerURL,
	}
	if m.Discovery == nil {
		args = append(args, "--initial-cluster="+m.initial)
	}
	args = append(args, m.Discovery...)
	if m.Token != "" {
		args = append(args, "--initial-cluster-token="+m.Token)
	}
	if m.State != "" {
		args = append(args, "--initial-cluster-state="+m.State)
	}
	return append(append(args, m.flags...), m.Extra...)
}

// Launch starts the process and returns at once.
func (m *Member) Launch() error {
	if m.Running() {
		return fmt.Errorf("%s runs already", m.Name)
	}
	log, err := os.OpenFile(m.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	if info, err := log.Stat(); err == nil {
		m.logStart = info.Size()
	}
	command := slices.Concat(m.Wrapper, []string{m.binary}, m.Args())
	m.cmd = exec.Command(command[0], command[1:]...)
	if m.Env != nil {
		m.cmd = exec.Command(m.binary)
		m.cmd.Env = append(os.Environ(), m.Env...)
	}
	if m.UserID != 0 {
		m.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: m.UserID, Gid: m.UserID}}
	}
	m.cmd.Stdout, m.cmd.Stderr = log, log
	m.cmd.ExtraFiles = m.Files
	if m.Output != nil {
		m.cmd.Stdout, m.cmd.Stderr = m.Output, m.Output
	}
	if err := m.cmd.Start(); err != nil {
		return err
	}
	m.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(m.cmd, m.exited)
	return nil
}

// Start starts the process and waits until the member is ready.
func (m *Member) Start() error {
	if err := m.Launch(); err != nil {
		return err
	}
	return m.WaitReady(readyTimeout)
}

// Running reports whether the process is there.
func (m *Member) Running() bool {
	if m.exited == nil {
		return false
	}
	select {
	case <-m.exited:
		return false
	default:
		return true
	}
}

// WaitReady waits for the line that scripts wait for, too.
func (m *Member) WaitReady(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for !strings.Contains(m.Log(), "ready to serve client requests") {
		if !m.Running() {
			return fmt.Errorf("%s ended before it was ready:\n%s", m.Name, tail(m.Log()))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s:\n%s", m.Name, timeout, tail(m.Log()))
		}
		time.Sleep(pollInterval)
	}
	return nil
}

// Log is what the present process, or the last one, has logged.
func (m *Member) Log() string {
	data, err := os.ReadFile(m.LogFile)
	if err != nil || int64(len(data)) < m.logStart {
		return ""
	}
	return string(data[m.logStart:])
}

func tail(log string) string {
	const lines = 20
	all := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Kill ends the process without warning (SIGKILL) and waits for it.
func (m *Member) Kill() error { return m.end(syscall.SIGKILL) }

// Stop asks the process to end (SIGTERM) and waits for it.
func (m *Member) Stop() error { return m.end(syscall.SIGTERM) }

// Pause stops the process where it is (SIGSTOP): to the others it looks like one that hangs. Resume lets it go on.
func (m *Member) Pause() error { return m.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (m *Member) Resume() error { return m.cmd.Process.Signal(syscall.SIGCONT) }

// Signal sends a signal and does not wait for anything.
func (m *Member) Signal(s syscall.Signal) error { return m.cmd.Process.Signal(s) }

// Ended is closed when the process has ended.
func (m *Member) Ended() <-chan struct{} { return m.exited }

func (m *Member) end(s syscall.Signal) error {
	if !m.Running() {
		return nil
	}
	if err := m.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-m.exited:
		return nil
	case <-time.After(readyTimeout):
		return fmt.Errorf("%s did not end after %s", m.Name, s)
	}
}

// ExitCode is that of the last process.
func (m *Member) ExitCode() int { return m.cmd.ProcessState.ExitCode() }

// leads reports whether the member says that it leads.
func (m *Member) leads(ctx context.Context) (bool, error) {
	c, err := client.New(client.Config{Endpoints: []string{m.ClientURL}, GetTLS: m.secure})
	if err != nil {
		return false, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	status, err := c.Status(ctx, m.ClientURL)
	if err != nil {
		return false, err
	}
	return status.Leader == status.Header.MemberId, nil
}
