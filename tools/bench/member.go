package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"quoin.dev/quoin/tools/bench/load"
	"quoin.dev/quoin/tools/bench/proc"
)

const (
	startTimeout = 2 * time.Minute // until the first answer
	stopTimeout  = time.Minute     // from SIGTERM to the end; then the process is killed
	probeTimeout = 5 * time.Second
	probePause   = 2 * time.Millisecond
	logTailBytes = 2000
)

// member is a running server.
type member struct {
	name    string
	args    []string // command line, kept for a restart
	dir     string   // data directory, log
	address string   // of clients
	access  load.Access
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process has ended
	err     error         // how; read after exited
	began   proc.Memory   // once it answered
}

// startMember starts a server with an empty data directory and waits until it answers.
func startMember(ctx context.Context, o *options, c contender, dir string, guarded, secured bool) (*member, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	m := &member{name: c.Name, dir: dir, address: ports[0]}
	if c.Name == echoContender {
		m.args = []string{c.Path, echoCommand, ports[0]}
	} else {
		m.args = serverArgs(o, c, seat{name: "bench", dir: dir, client: ports[0], peer: "http://" + ports[1]}, "--initial-cluster=bench=http://"+ports[1])
	}
	if secured {
		if err := m.secure(); err != nil {
			return nil, err
		}
	}
	if _, err := m.start(ctx); err != nil {
		return nil, err
	}
	if guarded {
		if err := m.guard(ctx); err != nil {
			return nil, errors.Join(err, m.stop())
		}
	}
	return m, nil
}

// seat is what is a member's own: its name, its folder, and where it listens.
type seat struct{ name, dir, client, peer string }

// serverArgs is a command line of quoin or etcd; more are the flags that say which cluster it belongs to.
func serverArgs(o *options, c contender, s seat, more ...string) []string {
	client := "http://" + s.client
	args := []string{
		c.Path, "--name=" + s.name, "--data-dir=" + filepath.Join(s.dir, "data"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + s.peer, "--initial-advertise-peer-urls=" + s.peer,
		"--quota-backend-bytes=8589934592",
	}
	args = append(append(args, more...), o.extra...)
	if o.cpuProfile != "" {
		args = append(args, "--enable-pprof")
	}
	return args
}

// freePorts finds addresses on which nobody listens. Another process may take one before the server does; the start then
// fails with a clear message of the server.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// start runs the process and returns the time from its start to its first answer to a linearizable get.
func (m *member) start(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if err := m.launch(); err != nil {
		return 0, err
	}
	err := m.awaitReady(ctx, began)
	took := time.Since(began)
	if err == nil {
		m.began, err = proc.ReadMemory(m.pid())
	}
	if err != nil {
		return 0, errors.Join(err, m.stop())
	}
	return took, nil
}

// launch runs the process and returns at once.
func (m *member) launch() error {
	log, err := os.OpenFile(filepath.Join(m.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(m.args[0], m.args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	// Its own group: Ctrl-C reaches only this program, which then stops the server itself.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	m.cmd, m.exited = cmd, exited
	go func() {
		m.err = cmd.Wait()
		close(exited)
	}()
	return nil
}

func (m *member) awaitReady(ctx context.Context, began time.Time) error {
	var last error
	for time.Since(began) < startTimeout {
		if last = load.Probe(m.address, m.access, probeTimeout); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.exited:
			return fmt.Errorf("%s ended while it started: %v; its last log lines:\n%s", m.name, m.err, m.logTail())
		case <-time.After(probePause):
		}
	}
	return fmt.Errorf("%s does not answer after %v: %w; its last log lines:\n%s", m.name, startTimeout, last, m.logTail())
}

// ended tells whether the process is gone without having been asked to.
func (m *member) ended() bool {
	select {
	case <-m.exited:
		return true
	default:
		return false
	}
}

// signal tells the process something without waiting for what comes of it. It may be gone already, which the next wait for it
// finds out.
func (m *member) signal(s syscall.Signal) { _ = m.cmd.Process.Signal(s) }

func (m *member) pid() int { return m.cmd.Process.Pid }

// stop ends the process: SIGTERM first, SIGKILL when that takes too long, which is an error.
func (m *member) stop() error {
	m.signal(syscall.SIGTERM)
	select {
	case <-m.exited:
		return nil
	case <-time.After(stopTimeout):
	}
	_ = m.cmd.Process.Kill()
	<-m.exited
	return fmt.Errorf("%s did not end within %v of SIGTERM", m.name, stopTimeout)
}

func (m *member) logTail() []byte {
	data, err := os.ReadFile(filepath.Join(m.dir, "log"))
	if err != nil {
		return []byte(err.Error())
	}
	if len(data) > logTailBytes {
		data = data[len(data)-logTailBytes:]
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			data = data[i+1:]
		}
	}
	return data
}

// databaseBytes is the size of the store's file.
func (m *member) databaseBytes() (int64, error) {
	info, err := os.Stat(filepath.Join(m.dir, "data", "member", "snap", "db"))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
