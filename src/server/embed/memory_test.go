package embed

import (
	"context"
	"net"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/server/config"
)

func inProcess(t *testing.T, s *Server) *client.Client {
	t.Helper()
	c, err := s.Client()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestPrivateStoreKeepsItsDataAndListensNowhere(t *testing.T) {
	w := NewWithT(t)
	dir := t.TempDir()
	for n := range 2 {
		s := start(t, Private(dir))
		w.Expect(s.Wait(t.Context())).To(Succeed())
		w.Expect(s.ClientAddrs()).To(BeEmpty())
		w.Expect(s.PeerAddrs()).To(BeEmpty())
		c := inProcess(t, s)
		got, err := c.Get(t.Context(), "k")
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(got.Count).To(BeEquivalentTo(n))
		_, err = c.Put(t.Context(), "k", "v")
		w.Expect(err).NotTo(HaveOccurred())
		s.Stop()
	}
	w.Eventually(running, "30s").Should(BeEmpty())
}

// Three members of one cluster in one process, each with a client of its own; one of them stops and comes back.
func TestClusterInOneProcess(t *testing.T) {
	w := NewWithT(t)
	var cfgs [3]*config.Config
	initial := ""
	for i := range cfgs {
		l := listenLoopback(t)
		url := "http://" + l.Addr().String()
		w.Expect(l.Close()).To(Succeed())
		cfgs[i] = Private(t.TempDir())
		cfgs[i].Name = string(rune('a' + i))
		cfgs[i].ListenPeerURLs, cfgs[i].Cluster.InitialAdvertisePeerURLs = urls(url), urls(url)
		initial += "," + cfgs[i].Name + "=" + url
	}
	for _, cfg := range cfgs {
		cfg.Cluster.InitialCluster = initial[1:]
	}
	started := make(chan *Server, len(cfgs))
	for _, cfg := range cfgs {
		go func() {
			s, err := Start(cfg, nil)
			if err != nil {
				t.Error(err)
			}
			started <- s
		}()
	}
	var servers []*Server
	for range cfgs {
		s := <-started
		w.Expect(s).NotTo(BeNil())
		t.Cleanup(s.Stop)
		servers = append(servers, s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	watching := inProcess(t, servers[2]).Watch(ctx, "from", client.WithPrefix())
	for _, s := range servers {
		w.Expect(s.Wait(ctx)).To(Succeed())
	}
	for i, s := range servers {
		_, err := inProcess(t, s).Put(ctx, "from", string(rune('0'+i)))
		w.Expect(err).NotTo(HaveOccurred())
		for _, reader := range servers {
			got, err := inProcess(t, reader).Get(ctx, "from")
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(string(got.Kvs[0].Value)).To(Equal(string(rune('0' + i))))
		}
	}
	for events := 0; events < len(servers); {
		r := <-watching
		w.Expect(r.Err()).NotTo(HaveOccurred())
		events += len(r.Events)
	}
	servers[0].Stop()
	left := inProcess(t, servers[1])
	w.Eventually(func() error { // one that is on its way to a leader which stops may be lost
		_, err := left.Put(ctx, "without", "a")
		return err
	}, "30s").Should(Succeed())
	again := start(t, servers[0].cfg)
	w.Expect(again.Wait(ctx)).To(Succeed())
	got, err := inProcess(t, again).Get(ctx, "without")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(got.Kvs).To(HaveLen(1))
}

func TestWaitEnds(t *testing.T) {
	w := NewWithT(t)
	cfg := settings(t)
	cfg.Cluster.InitialCluster += ",other=http://127.0.0.1:2" // there is no quorum
	s := start(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.Expect(s.Wait(ctx)).To(MatchError(context.Canceled))
	s.fail(net.ErrClosed)
	w.Expect(s.Wait(t.Context())).To(MatchError(net.ErrClosed))
	w.Expect(s.Failed()).To(Receive(MatchError(net.ErrClosed)), "who asks for failures is told as well")
	s.Stop()
	w.Expect(s.Wait(t.Context())).To(MatchError(ErrStopped))
	c := inProcess(t, s)
	late, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Get(late, "k")
	w.Expect(err).To(HaveOccurred())
}

// Sockets of a service manager are used instead of new ones, and none may be left without a use.
func TestGivenSockets(t *testing.T) {
	w := NewWithT(t)
	address, path := socket(t)
	peer, client := listenLoopback(t), listenLoopback(t)
	local, err := net.Listen("unix", path)
	w.Expect(err).NotTo(HaveOccurred())
	cfg := settings(t)
	_, port, err := net.SplitHostPort(client.Addr().String())
	w.Expect(err).NotTo(HaveOccurred())
	cfg.ListenPeerURLs = urls("http://" + peer.Addr().String())
	cfg.ListenClientURLs = urls("http://localhost:"+port, address)
	s, err := StartWith(cfg, Options{Sockets: []net.Listener{client, local, peer}})
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Stop)
	w.Expect(s.Wait(t.Context())).To(Succeed())
	w.Expect(s.ClientAddrs()).To(HaveExactElements(client.Addr(), local.Addr()))
	w.Expect(s.PeerAddrs()).To(HaveExactElements(peer.Addr()))
	for _, target := range []string{client.Addr().String(), "unix:" + path} {
		_, err := pb.NewKVClient(connect(t, target)).Put(t.Context(), &pb.PutRequest{Key: []byte("a")})
		w.Expect(err).NotTo(HaveOccurred())
	}
	s.Stop()

	stranger := listenLoopback(t)
	_, err = StartWith(settings(t), Options{Sockets: []net.Listener{stranger}})
	w.Expect(err).To(MatchError(ContainSubstring("a socket on " + stranger.Addr().String() + " was given")))
	_, err = stranger.Accept()
	w.Expect(err).To(MatchError(net.ErrClosed))
	everywhere, err := net.ResolveTCPAddr("tcp", "[::]:99")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(sameAddress(everywhere, "0.0.0.0:99")).To(BeTrue())
	w.Expect(sameAddress(everywhere, "127.0.0.1:99")).To(BeFalse())
	w.Expect(sameAddress(everywhere, "0.0.0.0:98")).To(BeFalse())
}
