package peer

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"go.etcd.io/raft/v3/raftpb"
)

// counter is an Observer that adds up.
type counter struct {
	noObserver
	mu             sync.Mutex
	sent, received int
	rtts           []time.Duration
	active         []bool
	snapshots      []bool
}

func (c *counter) Sent(_ uint64, n int)     { c.add(func() { c.sent += n }) }
func (c *counter) Received(_ uint64, n int) { c.add(func() { c.received += n }) }
func (c *counter) Active(_ uint64, up bool) { c.add(func() { c.active = append(c.active, up) }) }
func (c *counter) RoundTrip(_ uint64, d time.Duration) {
	c.add(func() { c.rtts = append(c.rtts, d) })
}

func (c *counter) SnapshotSend(uint64) func(bool) {
	return func(ok bool) { c.add(func() { c.snapshots = append(c.snapshots, ok) }) }
}

func (c *counter) add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func TestObserverSeesTrafficAndRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := []*counter{{}, {}}
		members, network := simulated(t, 2, func(c *Config) { c.Observer = seen[c.LocalID-1] })
		network.Delay(15 * time.Millisecond)
		members[0].Send([]*raftpb.Message{appTo(1, 2, 5, 10)})
		members[0].SendSnapshot(snapshotTo(2, 5), &database{left: 100000}, 100000)
		pass(10 * time.Second)
		a, b := seen[0], seen[1]
		a.mu.Lock()
		defer a.mu.Unlock()
		b.mu.Lock()
		defer b.mu.Unlock()
		if a.sent < 100000+10*700*4 || b.received < 100000 || a.sent-b.received > 1000 {
			t.Errorf("sent %d, received %d", a.sent, b.received)
		}
		if len(a.rtts) < 2 || a.rtts[1] != 30*time.Millisecond {
			t.Errorf("round trips %v", a.rtts)
		}
		if len(a.active) != 1 || !a.active[0] || len(a.snapshots) != 1 || !a.snapshots[0] {
			t.Errorf("active %v, snapshots %v", a.active, a.snapshots)
		}
	})
}

func TestClockDriftAndSilenceAreWrittenAboutSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.WarnLevel)
		members, network := simulated(t, 2, func(c *Config) { c.Logger = zap.New(core) })
		// Under the URL of "member 3" there is only a clock that runs three seconds ahead.
		l, err := network.Host("m3").Listen("m3:2380")
		if err != nil {
			t.Fatal(err)
		}
		clock := NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(w).Encode(probeReply{OK: true, Now: time.Now().Add(3 * time.Second)})
		}))
		go clock.Serve(l)
		defer clock.Close()
		members[0].AddPeer(3, []string{"http://m3:2380"})
		pass(65 * time.Second)
		about := logs.FilterMessageSnippet("clocks").FilterField(zap.String("remote-peer-id", "3"))
		if n := about.Len(); n != 2 && n != 3 || n != logs.FilterMessageSnippet("clocks").Len() {
			t.Errorf("%d lines about the clock in 65 s", n)
		}
		network.Cut("m1", "m2")
		pass(time.Minute)
		if n := logs.FilterMessageSnippet("probes").Len(); n < 4 || n > 2*13 {
			t.Errorf("%d lines about silence in a minute", n)
		}
	})
}

func TestTLSAndUnixSockets(t *testing.T) {
	noLeaks(t)
	for _, scheme := range []string{"https", "unix", "unixs"} {
		// A relative path keeps the socket's name a valid host.
		t.Chdir(t.TempDir())
		raft := newFakeRaft()
		b := New(testConfig(2, raft, newSink(), nil))
		server := httptest.NewUnstartedServer(b.Handler())
		url := scheme + "://127.0.0.1:7000"
		if strings.HasPrefix(scheme, "unix") {
			server.Listener.Close()
			l, err := net.Listen("unix", filepath.Base("127.0.0.1:7000"))
			if err != nil {
				t.Fatal(err)
			}
			server.Listener = l
		} else {
			url = "https://" + server.Listener.Addr().String()
		}
		if strings.HasSuffix(scheme, "s") {
			server.EnableHTTP2 = true // the transport must not speak it
			server.StartTLS()
		} else {
			server.Start()
		}
		c := testConfig(1, newFakeRaft(), newSink(), nil)
		if cert := server.Certificate(); cert != nil {
			roots := x509.NewCertPool()
			roots.AddCert(cert)
			c.TLS = func() *tls.Config { return &tls.Config{RootCAs: roots} }
		}
		a := New(c)
		a.AddPeer(2, []string{url})
		b.AddPeer(1, []string{"http://127.0.0.1:1"})
		eventually(t, scheme+" connects", func() bool { return !a.ActiveSince(2).IsZero() })
		eventually(t, scheme+" brings a message", func() bool {
			b.Send([]*raftpb.Message{heartbeat(2, 1, 1)})
			a.Send([]*raftpb.Message{heartbeat(1, 2, 1)})
			return a.cfg.Raft.(*fakeRaft).count(raftpb.MsgHeartbeat) > 0 && raft.count(raftpb.MsgHeartbeat) > 0
		})
		a.Stop()
		b.Stop()
		server.Close()
	}
}
