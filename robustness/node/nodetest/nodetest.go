// Package nodetest holds what every kind of host has to do, as one test.
package nodetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"quoin.dev/quoin/robustness/build"
	"quoin.dev/quoin/robustness/node"
)

const (
	// timeout bounds every wait.
	timeout = 30 * time.Second
	// askTimeout bounds one question to a probe.
	askTimeout = 10 * time.Second
)

// Probe is the package of the program that the test runs.
const Probe = "quoin.dev/quoin/robustness/node/nodetest/probe"

// lab is what the parts of the test share.
type lab struct {
	*testing.T
	ctx    context.Context
	host   node.Host
	binary string
	dir    string
	client *http.Client
}

// Test holds a kind of host to the contract of package node.
func Test(t *testing.T, newHost func() node.Host) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*timeout)
	defer cancel()
	root, err := build.Root(ctx)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := build.Static(ctx, build.Spec{Package: Probe, Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	host := newHost()
	l := &lab{T: t, ctx: ctx, host: host, binary: binary, dir: t.TempDir(), client: &http.Client{
		Timeout: askTimeout, Transport: &http.Transport{DisableKeepAlives: true},
	}}
	defer l.close()
	first, second := l.node("first"), l.node("second")
	if first.Addr() == second.Addr() || first.Name() != "first" {
		t.Fatalf("nodes %s and %s have the addresses %s and %s", first.Name(), second.Name(), first.Addr(), second.Addr())
	}
	for name, part := range map[string]func(l *lab, first, second node.Node){
		"traffic": traffic, "signals": signals, "early": early, "pause": pause, "exit codes": exitCodes, "log": log, "hooks": hooks, "namespace": namespace,
		"mistakes": mistakes,
	} {
		t.Run(name, func(t *testing.T) {
			l := *l
			l.T = t
			part(&l, first, second)
			l.kill(first)
			l.kill(second)
		})
	}
}

// close closes the host while a process runs, and looks for what is left.
func (l *lab) close() {
	n := l.node("last")
	l.start(n)
	pid := n.PID()
	if err := l.host.Close(); err != nil {
		l.Error(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		l.Errorf("process %d is there after Close: %v", pid, err)
	}
	if n.PID() != 0 {
		l.Errorf("node says after Close that process %d runs", n.PID())
	}
	if err := n.Start(l.ctx, l.command(n)); err == nil {
		l.Error("a process could be started after Close")
	}
	if _, err := l.host.New(l.ctx, "late"); err == nil {
		l.Error("a node could be made after Close")
	}
	if err := l.host.Close(); err != nil {
		l.Errorf("second Close: %v", err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		l.Fatal(err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Contains(n.Addr()) {
			l.Errorf("the address %s is there after Close", p)
		}
	}
}

func (l *lab) node(name string) node.Node {
	l.Helper()
	n, err := l.host.New(l.ctx, name)
	if err != nil {
		l.Fatal(err)
	}
	select {
	case <-n.Ended():
	default:
		l.Errorf("%s: Ended is open before the first process", name)
	}
	if n.PID() != 0 {
		l.Errorf("%s: PID %d before the first process", name, n.PID())
	}
	return n
}

// port is that of the probes.
const port = 8080

func (l *lab) command(n node.Node, args ...string) node.Command {
	return node.Command{
		Binary: l.binary, Args: append([]string{fmt.Sprintf("%s:%d", n.Addr(), port)}, args...), Env: []string{"COLOUR=green"},
		Dirs: []string{l.dir}, LogFile: l.log(n),
	}
}

func (l *lab) log(n node.Node) string { return filepath.Join(l.dir, n.Name()+".log") }

// start starts a probe and waits until it answers.
func (l *lab) start(n node.Node, args ...string) {
	l.Helper()
	begin := time.Now()
	if err := n.Start(l.ctx, l.command(n, args...)); err != nil {
		l.Fatal(err)
	}
	started := time.Since(begin)
	l.until("the probe answers", func() error {
		_, err := l.get(n, "/from")
		return err
	})
	l.Logf("%s: started within %s, answered after %s", n.Name(), started.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
}

// get asks the probe of a node. The parameters are pairs of a name and a value.
func (l *lab) get(n node.Node, path string, parameters ...string) (string, error) {
	response, err := l.client.Get(at(n, path, parameters...))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(string(body))
	}
	return string(body), err
}

// at is a URL of the probe of a node.
func at(n node.Node, path string, parameters ...string) string {
	query := url.Values{}
	for pair := range slices.Chunk(parameters, 2) {
		query.Set(pair[0], pair[1])
	}
	return fmt.Sprintf("http://%s:%d%s?%s", n.Addr(), port, path, query.Encode())
}

func (l *lab) until(what string, f func() error) {
	l.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("after %s, not so: %s: %v", timeout, what, err)
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}

func (l *lab) signal(n node.Node, s syscall.Signal) {
	l.Helper()
	if err := n.Signal(s); err != nil {
		l.Fatal(err)
	}
}

// ended waits for the end of the process and returns its exit code.
func (l *lab) ended(n node.Node) int {
	l.Helper()
	select {
	case <-n.Ended():
	case <-time.After(timeout):
		l.Fatalf("the process of %s did not end within %s", n.Name(), timeout)
	}
	if n.PID() != 0 {
		l.Errorf("%s: PID %d after the end", n.Name(), n.PID())
	}
	return n.ExitCode()
}

// kill ends what runs, if anything does.
func (l *lab) kill(n node.Node) {
	l.Helper()
	if err := n.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		l.Fatal(err)
	}
	l.ended(n)
}

// said are the lines of the log.
func (l *lab) said(n node.Node) []string {
	l.Helper()
	data, err := os.ReadFile(l.log(n))
	if err != nil {
		l.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}
