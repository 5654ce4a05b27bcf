package workload

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/zap"

	"quoin.dev/api/rpctypes"
	"quoin.dev/server/config"
	"quoin.dev/server/embed"
)

// otherServer names the binary of a server that takes the flags of etcd: with it, members are processes of it instead of members in
// this process, and a stop is a kill.
const otherServer = "QUOIN_WORKLOAD_SERVER"

// testMember is a member in this process, the only one of its cluster. It can be stopped and started again.
type testMember struct {
	Target
	dir     string
	server  *embed.Server
	process *exec.Cmd
}

func startMember(t *testing.T) *testMember {
	t.Helper()
	m := &testMember{Target: Target{Name: "m0", Endpoint: "127.0.0.1:0"}, dir: t.TempDir()}
	m.start(t)
	t.Cleanup(m.stop)
	return m
}

func (m *testMember) start(t *testing.T) {
	t.Helper()
	if binary := os.Getenv(otherServer); binary != "" {
		m.startProcess(t, binary)
		return
	}
	cfg := config.Default()
	cfg.Name, cfg.DataDir = m.Name, m.dir
	cfg.ListenPeerURLs, cfg.ListenClientURLs = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}, []url.URL{{Scheme: "http", Host: m.Endpoint}}
	cfg.Cluster.InitialAdvertisePeerURLs = []url.URL{{Scheme: "http", Host: "127.0.0.1:1"}}
	cfg.Cluster.InitialCluster = m.Name + "=http://127.0.0.1:1"
	cfg.Security.BcryptCost, cfg.Storage.UnsafeNoFsync = 4, true
	server, err := embed.Start(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	m.server = server
	select {
	case <-server.Serving():
	case <-time.After(time.Minute):
		t.Fatal("the member does not serve")
	}
	m.Endpoint = server.ClientAddrs()[0].String()
}

func (m *testMember) startProcess(t *testing.T, binary string) {
	t.Helper()
	if m.Endpoint == "127.0.0.1:0" {
		m.Endpoint = nobody(t).Endpoint
	}
	peer := "http://" + nobody(t).Endpoint
	m.process = exec.Command(binary, "--name", m.Name, "--data-dir", m.dir, "--bcrypt-cost=4", "--unsafe-no-fsync", "--log-level=error",
		"--listen-client-urls=http://"+m.Endpoint, "--advertise-client-urls=http://"+m.Endpoint, "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster="+m.Name+"="+peer)
	m.process.Stderr = os.Stderr
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	c, _ := oneClient(t, m.Target)
	eventually(t, "the server answers", func() bool {
		_, err := c.read(getRequest("k"))
		return err == nil || says(err, rpctypes.ErrGRPCUserEmpty)
	})
}

func (m *testMember) stop() {
	if m.process != nil {
		_ = m.process.Process.Kill()
		_ = m.process.Wait()
		m.process = nil
	}
	if m.server != nil {
		m.server.Stop()
		m.server = nil
	}
}

// nobody is a target that nobody listens at.
func nobody(t *testing.T) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return Target{Name: "nobody", Endpoint: l.Addr().String()}
}

// eventually waits for something to become true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
