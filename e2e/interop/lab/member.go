package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

const (
	startTimeout = time.Minute
	stopTimeout  = time.Minute
	probeTimeout = 3 * time.Second
	probePause   = 20 * time.Millisecond
	logTailBytes = 4000
)

// Member is one server process and its data directory. Its methods fail the test they were given when something is not as
// it should be.
type Member struct {
	Name      string
	Kind      Kind   // of the process that runs or ran last
	Dir       string // data directory
	Endpoint  string // host:port for clients
	ClientURL string
	PeerURL   string
	As        Identity // who the lab is to the member
	authority *Authority
	flags     []string
	log       string
	cmd       *exec.Cmd
	exited    chan struct{}
	exitError error
}

// start runs the process without waiting for it to be ready.
func (m *Member) start(t testing.TB, kind Kind) {
	t.Helper()
	if m.cmd != nil {
		t.Fatalf("%s is running already", m.Name)
	}
	log, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(Binary(t, string(kind)), m.flags...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	m.Kind, m.cmd, m.exited = kind, cmd, exited
	go func() {
		m.exitError = cmd.Wait()
		close(exited)
	}()
}

// awaitReady waits for the answer to a linearizable read, which needs a leader.
func (m *Member) awaitReady(t testing.TB) {
	t.Helper()
	kv := etcdserverpb.NewKVClient(m.Conn(t))
	deadline := time.Now().Add(startTimeout)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), probeTimeout)
		_, err := kv.Range(ctx, &etcdserverpb.RangeRequest{Key: []byte("ready?")}, grpc.WaitForReady(true))
		cancel()
		if err == nil {
			return
		}
		select {
		case <-m.exited:
			t.Fatalf("%s (%s) ended while it started: %v\n%s", m.Name, m.Kind, m.exitError, m.logTail())
		case <-time.After(probePause):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s (%s) is not ready after %v: %v\n%s", m.Name, m.Kind, startTimeout, err, m.logTail())
		}
	}
}

// Start runs the member again, as the given kind, on the directory and the ports that it has, and waits until it answers.
func (m *Member) Start(t testing.TB, kind Kind) {
	t.Helper()
	m.start(t, kind)
	m.awaitReady(t)
}

// Refuses runs the member, which must end by itself and not well.
func (m *Member) Refuses(t testing.TB, kind Kind) {
	t.Helper()
	m.start(t, kind)
	select {
	case <-m.exited:
		m.cmd = nil
	case <-time.After(startTimeout):
		t.Fatalf("%s (%s) did not end", m.Name, m.Kind)
	}
	if m.exitError == nil {
		t.Errorf("%s (%s) ended well", m.Name, m.Kind)
	}
}

// Stop ends the process as an operator does, and expects that it obeys.
func (m *Member) Stop(t testing.TB) {
	t.Helper()
	if err := m.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the process at once (kill -9).
func (m *Member) Kill(t testing.TB) {
	t.Helper()
	if err := m.end(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func (m *Member) end(sig syscall.Signal) error {
	if m.cmd == nil {
		return errors.New(m.Name + " is not running")
	}
	select {
	case <-m.exited:
		return errors.New(m.Name + " had ended by itself\n" + m.logTail())
	default:
	}
	if err := m.cmd.Process.Signal(sig); err != nil {
		return err
	}
	defer func() { m.cmd = nil }()
	select {
	case <-m.exited:
		return nil
	case <-time.After(stopTimeout):
		_ = m.cmd.Process.Kill()
		<-m.exited
		return errors.New(m.Name + " did not end in time\n" + m.logTail())
	}
}

// cleanUp kills what still runs and shows the log of a member whose test failed.
func (m *Member) cleanUp(t testing.TB) {
	if t.Failed() {
		t.Logf("last log lines of %s (%s):\n%s", m.Name, m.Kind, m.logTail())
	}
	if m.cmd != nil {
		_ = m.cmd.Process.Kill()
		<-m.exited
	}
}

// DB is the path of the store's file.
func (m *Member) DB() string { return filepath.Join(m.Dir, "member", "snap", "db") }

// Conn is a plain gRPC connection to this member, closed when the test ends.
func (m *Member) Conn(t testing.TB) *grpc.ClientConn {
	t.Helper()
	return m.ConnAs(t, m.As)
}

// TLSAs is what somebody needs to connect to this member; nil for a member without TLS.
func (m *Member) TLSAs(id Identity) *tls.Config { return id.tls(m.authority) }

// ConnAs is Conn as somebody.
func (m *Member) ConnAs(t testing.TB, id Identity) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+m.Endpoint, append(id.dialOptions(m.authority),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Client is etcd's published client, connected to the given members.
func Client(t testing.TB, members ...*Member) *clientv3.Client {
	t.Helper()
	return ClientAs(t, members[0].As, members...)
}

// ClientAs is Client as somebody.
func ClientAs(t testing.TB, id Identity, members ...*Member) *clientv3.Client {
	t.Helper()
	cfg := clientv3.Config{
		DialTimeout: 30 * time.Second, Username: id.User, Password: id.Password, Token: id.Token, TLS: id.tls(members[0].authority),
	}
	for _, m := range members {
		cfg.Endpoints = append(cfg.Endpoints, m.ClientURL)
	}
	c, err := clientv3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// AwaitLog waits until the log of the member, from all its runs, has a text.
func (m *Member) AwaitLog(t testing.TB, text string) {
	t.Helper()
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(probePause) {
		data, err := os.ReadFile(m.log)
		switch {
		case err != nil:
			t.Fatal(err)
		case bytes.Contains(data, []byte(text)):
			return
		case time.Now().After(deadline):
			t.Fatalf("%s (%s) did not log %q within %v", m.Name, m.Kind, text, startTimeout)
		}
	}
}

// Log is what the member has logged so far, in all of its processes.
func (m *Member) Log(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(m.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (m *Member) logTail() string {
	data, err := os.ReadFile(m.log)
	if err != nil {
		return err.Error()
	}
	if len(data) > logTailBytes {
		data = data[len(data)-logTailBytes:]
		data = data[bytes.IndexByte(data, '\n')+1:]
	}
	return string(data)
}

// firstPort and lastPort bound the ports of members: below those that systems give to outgoing connections, so that none of
// these has the port of a member that is down for a moment.
const firstPort, lastPort = 20_000, 32_000

// freeAddresses finds addresses on which nobody listens, and keeps them until the end of the test: another test, of this process
// or of one beside it, must not get that of a member that is down.
func freeAddresses(t testing.TB, n int) []string {
	t.Helper()
	var out []string
	for tries := 0; len(out) < n; tries++ {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))
		held, err := hold(address)
		if err != nil && tries > 100 {
			t.Fatal(err)
		}
		if err == nil {
			t.Cleanup(func() { held.Close() })
			out = append(out, address)
		}
	}
	return out
}

// hold takes an address, unless somebody holds it or listens on it. What is held is the UDP port with the same number, which
// members have no use for.
func hold(address string) (io.Closer, error) {
	held, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		held.Close()
		return nil, err
	}
	return held, l.Close()
}
