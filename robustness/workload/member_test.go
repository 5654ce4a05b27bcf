package workload

import (
	"net"
	"net/url"
	"testing"
	"time"

	"go.uber.org/zap"

	"quoin.dev/server/config"
	"quoin.dev/server/embed"
)

// testMember is a member in this process, the only one of its cluster. It can be stopped and started again.
type testMember struct {
	Target
	dir    string
	server *embed.Server
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
	case <-time.After(20 * time.Second):
		t.Fatal("the member does not serve")
	}
	m.Endpoint = server.ClientAddrs()[0].String()
}

func (m *testMember) stop() {
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
	deadline := time.Now().Add(15 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
