package embed

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/config"
	"quoin.dev/server/member"
	"quoin.dev/storage/backend"
)

// settings are those of a cluster of one on ports that the system picks.
func settings(t testing.TB) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Name, cfg.DataDir = "m0", t.TempDir()
	cfg.ListenPeerURLs, cfg.ListenClientURLs = urls("http://127.0.0.1:0"), urls("http://127.0.0.1:0")
	cfg.Cluster.InitialAdvertisePeerURLs = urls("http://127.0.0.1:1")
	cfg.Cluster.InitialCluster = "m0=http://127.0.0.1:1"
	return cfg
}

func urls(list ...string) (out []url.URL) {
	for _, s := range list {
		u, err := url.Parse(s)
		if err != nil {
			panic(err)
		}
		out = append(out, *u)
	}
	return out
}

// socket is the URL and the path of a unix socket; a directory of its own keeps the path short enough for the system.
func socket(t *testing.T) (address, path string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "quoin")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	return "unix://" + path, path
}

func start(t testing.TB, cfg *config.Config) *Server {
	t.Helper()
	s, err := Start(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return l
}

func dial(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func startServing(t testing.TB, cfg *config.Config) *Server {
	t.Helper()
	s := start(t, cfg)
	NewWithT(t).Eventually(s.Serving(), "30s").Should(BeClosed())
	return s
}

func connect(t *testing.T, target string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestOnePortServesBothProtocols(t *testing.T) {
	w := NewWithT(t)
	s := startServing(t, settings(t))
	address := s.ClientAddrs()[0].String()
	conn := connect(t, address)
	kv := pb.NewKVClient(conn)
	_, err := kv.Put(t.Context(), &pb.PutRequest{Key: []byte("a"), Value: []byte("1")})
	w.Expect(err).NotTo(HaveOccurred())
	r, err := kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("a")})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(r.Kvs).To(HaveExactElements(HaveField("Value", BeEquivalentTo("1"))))
	h, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(h.Status).To(Equal(healthpb.HealthCheckResponse_SERVING))

	w.Eventually(s.Member.Versions, "30s").Should(HaveField("Storage", "3.7.0"), "they change no more")
	for _, side := range []net.Addr{s.ClientAddrs()[0], s.PeerAddrs()[0]} {
		response, err := http.Get("http://" + side.String() + "/version")
		w.Expect(err).NotTo(HaveOccurred())
		var v member.Versions
		w.Expect(json.NewDecoder(response.Body).Decode(&v)).To(Succeed())
		w.Expect(response.Body.Close()).To(Succeed())
		w.Expect(v).To(Equal(s.Member.Versions()))
	}
	// Profiles are for who asked for them.
	response, err := http.Get("http://" + address + "/debug/pprof/")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(response.Body.Close()).To(Succeed())
	w.Expect(response.StatusCode).To(Equal(http.StatusNotFound))
}

func TestClientsOverAUnixSocket(t *testing.T) {
	w := NewWithT(t)
	address, path := socket(t)
	cfg := settings(t)
	cfg.ListenClientURLs = urls(address)
	for range 2 { // the second start finds what the first left
		s := startServing(t, cfg)
		_, err := pb.NewKVClient(connect(t, "unix:"+path)).Put(t.Context(), &pb.PutRequest{Key: []byte("a")})
		w.Expect(err).NotTo(HaveOccurred())
		s.Stop()
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	w := NewWithT(t)
	address, path := socket(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	w.Expect(err).NotTo(HaveOccurred())
	stale.SetUnlinkOnClose(false)
	w.Expect(stale.Close()).To(Succeed())
	w.Expect(path).To(BeAnExistingFile())
	listeners, err := listen(urls(address), listening{})
	w.Expect(err).NotTo(HaveOccurred())
	defer closeAll(listeners)
	conn, err := net.Dial("unix", path)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(conn.Close()).To(Succeed())
}

func TestListenIsAllOrNothing(t *testing.T) {
	w := NewWithT(t)
	taken := listenLoopback(t)
	defer taken.Close()
	free := listenLoopback(t)
	first := "http://" + free.Addr().String()
	w.Expect(free.Close()).To(Succeed())
	for want, second := range map[string]string{
		"address already in use":        "http://" + taken.Addr().String(),
		"needs a certificate and a key": "https://127.0.0.1:0",
		"no such file or directory":     "unix:///nowhere/at/all",
	} {
		_, err := listen(urls(first, second), listening{})
		w.Expect(err).To(MatchError(ContainSubstring(want)))
		again, err := listen(urls(first), listening{})
		w.Expect(err).NotTo(HaveOccurred(), "its port was given back")
		closeAll(again)
	}
}

// running are the goroutines of this package and what it uses, those of tests aside.
func running() string {
	stacks := make([]byte, 4<<20)
	var left []string
	for _, stack := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		for _, owner := range []string{"quoin.dev/", "grpc.(*Server)", "http.(*Server)", "http.(*conn)", "bbolt"} {
			if strings.Contains(stack, owner) && !strings.Contains(stack, "testing.tRunner") {
				left = append(left, stack)
				break
			}
		}
	}
	return strings.Join(left, "\n\n")
}

func TestStopLeavesNothing(t *testing.T) {
	w := NewWithT(t)
	cfg := settings(t)
	s := startServing(t, cfg)
	client, peer := s.ClientAddrs()[0].String(), s.PeerAddrs()[0].String()
	// Connections in every state: asked, silent, undecided, half a request, and one to the peer port.
	_, err := pb.NewKVClient(connect(t, client)).Put(t.Context(), &pb.PutRequest{Key: []byte("a")})
	w.Expect(err).NotTo(HaveOccurred())
	dial(t, s.ClientAddrs()[0])
	for _, begin := range []string{"P", "PRI * HTTP/2.0\r\n", "GET /ver"} {
		_, err := io.WriteString(dial(t, s.ClientAddrs()[0]), begin)
		w.Expect(err).NotTo(HaveOccurred())
	}
	dial(t, s.PeerAddrs()[0])
	// And watches over HTTP, which have no end.
	for _, major := range []int{1, 2} {
		response, err := watchUntil(t.Context(), speaking(t, major, nil), "http://"+client)
		w.Expect(err).NotTo(HaveOccurred())
		defer response.Body.Close()
	}
	socket, _, err := websocket.Dial(t.Context(), "http://"+client+"/v3/watch", nil)
	w.Expect(err).NotTo(HaveOccurred())
	defer socket.CloseNow()

	start := time.Now()
	s.Stop()
	w.Expect(time.Since(start)).To(BeNumerically("<", 20*time.Second))
	s.Stop() // once more is nothing
	for _, address := range []string{client, peer} {
		l, err := net.Listen("tcp", address)
		w.Expect(err).NotTo(HaveOccurred(), "its port is free")
		w.Expect(l.Close()).To(Succeed())
	}
	w.Eventually(running, "30s").Should(BeEmpty())
	w.Expect(s.Failed()).NotTo(Receive(), "a stop is no failure")
}

// TestStopAtAnyMoment stops while clients are about to be served.
func TestStopAtAnyMoment(t *testing.T) {
	w := NewWithT(t)
	cfg := settings(t)
	for n := range 12 {
		s, err := Start(cfg, zap.NewNop())
		w.Expect(err).NotTo(HaveOccurred())
		if n%3 > 0 {
			<-s.Member.Ready()
		}
		if n%3 == 2 {
			<-s.Serving()
		}
		s.Stop()
	}
	w.Eventually(running, "30s").Should(BeEmpty())
}

// Requests that are under way when the member stops get their answer, or a word that it stops.
func TestRequestsUnderWayEndWithTheServer(t *testing.T) {
	w := NewWithT(t)
	s := startServing(t, settings(t))
	kv := pb.NewKVClient(connect(t, s.ClientAddrs()[0].String()))
	ended := make(chan error, 8)
	for range cap(ended) {
		go func() {
			for {
				if _, err := kv.Put(context.Background(), &pb.PutRequest{Key: []byte("a")}); err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	_, err := kv.Put(t.Context(), &pb.PutRequest{Key: []byte("b")})
	w.Expect(err).NotTo(HaveOccurred())
	s.Stop()
	for range cap(ended) {
		var err error
		w.Eventually(ended, "30s").Should(Receive(&err))
		w.Expect(status.Code(err)).To(BeElementOf(codes.Unavailable, codes.Canceled), "%v", err)
	}
}

func TestFailedStartLeavesNothing(t *testing.T) {
	w := NewWithT(t)
	holder := startServing(t, settings(t))
	for name, c := range map[string]struct {
		spoil func(*config.Config)
		want  string
	}{
		"client port in use": {func(cfg *config.Config) { cfg.ListenClientURLs = urls("http://" + holder.ClientAddrs()[0].String()) }, "address already in use"},
		"peer port in use":   {func(cfg *config.Config) { cfg.ListenPeerURLs = urls("http://" + holder.PeerAddrs()[0].String()) }, "address already in use"},
		"no certificate":     {func(cfg *config.Config) { cfg.ListenClientURLs = urls("https://127.0.0.1:0") }, "needs a certificate"},
		"directory in use":   {func(cfg *config.Config) { cfg.DataDir = holder.cfg.DataDir }, backend.ErrLocked.Error()},
		"unknown name":       {func(cfg *config.Config) { cfg.Name = "somebody" }, "somebody"},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			cfg := settings(t)
			cfg.ListenPeerURLs = urls("http://127.0.0.1:0")
			c.spoil(cfg)
			_, err := Start(cfg, zap.NewNop())
			w.Expect(err).To(MatchError(ContainSubstring(c.want)))
			if name != "directory in use" {
				cfg := *cfg
				cfg.Name = "m0"
				cfg.ListenClientURLs, cfg.ListenPeerURLs = urls("http://127.0.0.1:0"), urls("http://127.0.0.1:0")
				startServing(t, &cfg).Stop() // the directory can be used
			}
		})
	}
	holder.Stop()
	w.Eventually(running, "30s").Should(BeEmpty())
}

// A member that starts answers its peers at once, with an error: founders that ask each other must not wait for it.
func TestPeersHearThatAMemberStarts(t *testing.T) {
	w := NewWithT(t)
	asked, answer := make(chan struct{}, 100), make(chan struct{})
	running := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer running.Close()
	address, path := socket(t)
	cfg := settings(t)
	cfg.ListenPeerURLs = urls(address)
	cfg.Cluster.InitialClusterState = config.ClusterStateExisting
	cfg.Cluster.InitialCluster += ",other=" + running.URL
	started := make(chan error, 1)
	go func() {
		_, err := Start(cfg, zap.NewNop())
		started <- err
	}()
	w.Eventually(asked, "30s").Should(Receive(), "the member joins, and asks who is there")
	peer := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	defer peer.CloseIdleConnections()
	for _, asks := range []string{"/members", "/raft/probing", "/version"} {
		response, err := peer.Get("http://member" + asks)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(response.Body.Close()).To(Succeed())
		w.Expect(response.StatusCode).To(Equal(http.StatusServiceUnavailable))
	}
	close(answer)
	w.Eventually(started, "30s").Should(Receive(HaveOccurred()))
	_, err := net.Dial("unix", path)
	w.Expect(err).To(HaveOccurred(), "the port is closed again")
}
