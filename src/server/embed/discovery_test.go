package embed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"quoin.dev/client"
	"quoin.dev/pkg/tlsfiles/certtest"

	"quoin.dev/server/config"
	"quoin.dev/server/discovery"
	"quoin.dev/server/membership"
)

// registry is a cluster of one at which others report, and a client of it.
func registry(t *testing.T) (endpoint string, c *client.Client) {
	t.Helper()
	endpoint = startServing(t, settings(t)).ClientAddrs()[0].String()
	c, err := client.New(client.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = c.Close() })
	return endpoint, c
}

func write(t *testing.T, c *client.Client, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		_, err := c.Put(t.Context(), "/_etcd/registry/"+pairs[i], pairs[i+1])
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}
}

// discovered are the settings of a member that finds the others through a registry.
func discovered(t *testing.T, name, endpoint, token string) *config.Config {
	t.Helper()
	cfg := settings(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	cfg.Name, cfg.ListenPeerURLs = name, urls("http://"+l.Addr().String())
	cfg.Cluster.InitialAdvertisePeerURLs = cfg.ListenPeerURLs
	cfg.Cluster.InitialCluster = "ignored"
	cfg.Discovery.Endpoints, cfg.Discovery.Token = []string{endpoint}, token
	return cfg
}

func TestThreeMembersFindEachOther(t *testing.T) {
	w := NewWithT(t)
	endpoint, c := registry(t)
	write(t, c, "t/_config/size", "3")
	var cfgs []*config.Config
	var others []<-chan *Server
	for i := range 3 {
		cfg := discovered(t, fmt.Sprint("m", i), endpoint, "t")
		cfgs = append(cfgs, cfg)
		started := make(chan *Server, 1)
		others = append(others, started)
		go func() {
			s, err := Start(cfg, zap.NewNop())
			if err != nil {
				t.Error(err)
				close(started)
				return
			}
			started <- s
		}()
	}
	var servers []*Server
	for _, started := range others {
		var s *Server
		w.Eventually(started, "30s").Should(Receive(&s))
		t.Cleanup(s.Stop)
		servers = append(servers, s)
	}
	var urls []string
	for i, s := range servers {
		w.Eventually(s.Serving(), "30s").Should(BeClosed())
		w.Expect(s.Member.ClusterID()).To(Equal(servers[0].Member.ClusterID()))
		w.Expect(s.Member.Members()).To(HaveLen(3))
		urls = append(urls, cfgs[i].ListenPeerURLs[0].String())
	}
	// The ids are those that etcd gives: they come from the URLs and the token of the registry.
	w.Expect(servers[0].Member.ID()).To(Equal(membership.FoundingID(urls[:1], "t")))

	// A fourth one is too late, and leaves nothing behind.
	late := discovered(t, "late", endpoint, "t")
	_, err := Start(late, zap.NewNop())
	w.Expect(err).To(MatchError(discovery.ErrFull))
	w.Expect(err).To(MatchError(HavePrefix("failed to join discovery cluster (discovery: cluster is full")))
	w.Expect(os.ReadDir(late.DataDir)).To(BeEmpty())
	// So is one of the three that has lost its data, since it must not found what runs already.
	servers[0].Stop()
	cfgs[0].DataDir = t.TempDir()
	_, err = Start(cfgs[0], zap.NewNop())
	w.Expect(err).To(MatchError(ContainSubstring("has already been bootstrapped")))
	w.Expect(os.ReadDir(cfgs[0].DataDir)).To(BeEmpty())
}

func TestRefusalsOfARegistry(t *testing.T) {
	endpoint, c := registry(t)
	write(t, c, "letters/_config/size", "x", "zero/_config/size", "0", "negative/_config/size", "-1",
		"full/_config/size", "1", "full/members/1", "x=http://127.0.0.1:1",
		"same/_config/size", "2", "same/members/1", "m=http://127.0.0.1:1")
	for token, want := range map[string]error{
		"none": discovery.ErrSizeNotFound, "letters": discovery.ErrBadSize, "zero": discovery.ErrBadSize, "negative": discovery.ErrBadSize,
		"full": discovery.ErrFull, "same": discovery.ErrTaken,
	} {
		t.Run(token, func(t *testing.T) {
			w := NewWithT(t)
			cfg := discovered(t, "m", endpoint, token)
			_, err := Start(cfg, zap.NewNop())
			w.Expect(err).To(MatchError(want))
			w.Expect(os.ReadDir(cfg.DataDir)).To(BeEmpty())
		})
	}
	t.Run("another one has these URLs", func(t *testing.T) {
		w := NewWithT(t)
		cfg := discovered(t, "m", endpoint, "taken")
		url := cfg.ListenPeerURLs[0].String()
		id := membership.FormatID(membership.FoundingID([]string{url}, "taken"))
		write(t, c, "taken/_config/size", "2", "taken/members/"+id, "other="+url)
		_, err := Start(cfg, zap.NewNop())
		w.Expect(err).To(MatchError(discovery.ErrTaken))
		kept, err := c.Get(t.Context(), "/_etcd/registry/taken/members/"+id)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(string(kept.Kvs[0].Value)).To(Equal("other=" + url))
	})
	t.Run("to join a running cluster", func(t *testing.T) {
		cfg := discovered(t, "m", endpoint, "full")
		cfg.Cluster.InitialClusterState = config.ClusterStateExisting
		_, err := Start(cfg, zap.NewNop())
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("discovery URL should not be set when joining existing initial cluster")))
	})
}

func TestRegistryWithTLS(t *testing.T) {
	w := NewWithT(t)
	authority := certtest.New(t, "registry")
	leaf := authority.Issue("registry")
	cfg := settings(t)
	cfg.ListenClientURLs, cfg.Cluster.AdvertiseClientURLs = urls("https://127.0.0.1:0"), urls("https://127.0.0.1:1")
	cfg.Security.ClientTLS.CertFile, cfg.Security.ClientTLS.KeyFile = leaf.Cert, leaf.Key
	endpoint := "https://" + startServing(t, cfg).ClientAddrs()[0].String()
	c, err := client.New(client.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop(), TLS: &tls.Config{InsecureSkipVerify: true}})
	w.Expect(err).NotTo(HaveOccurred())
	defer c.Close()
	write(t, c, "trusting/_config/size", "1", "careless/_config/size", "1", "strict/_config/size", "1")

	trusting := discovered(t, "m0", endpoint, "trusting")
	trusting.Discovery.CAFile, trusting.Discovery.InsecureTransport = authority.CA(), false
	startServing(t, trusting)
	careless := discovered(t, "m0", endpoint, "careless")
	careless.Discovery.InsecureSkipTLSVerify = true
	startServing(t, careless)

	// One that trusts the roots of the system alone does not even report.
	strict := discovery.Registry{Token: "strict", RequestTimeout: time.Second, RetryPause: time.Hour}
	strict.Client, err = client.New(client.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	w.Expect(err).NotTo(HaveOccurred())
	defer strict.Client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err = strict.Founders(ctx, discovery.Self{Name: "m", PeerURLs: []string{"http://127.0.0.1:1"}})
	w.Expect(err).To(MatchError(context.DeadlineExceeded))
	reports, err := c.Get(t.Context(), "/_etcd/registry/strict/members/", client.WithPrefix())
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(reports.Kvs).To(BeEmpty())
}

// What is no member does not count, and who came first does.
func TestFirstMembersFound(t *testing.T) {
	w := NewWithT(t)
	_, c := registry(t)
	write(t, c, "t/_config/size", "2", "t/members/9", "garbage", "t/members/8", "a=http://127.0.0.1:1,b=http://127.0.0.1:2", "t/members/7", "first=http://127.0.0.1:3")
	r := discovery.Registry{Token: "t", RequestTimeout: time.Minute, Client: c}
	self := discovery.Self{Name: "me", PeerURLs: []string{"http://127.0.0.1:4", "http://127.0.0.1:5"}}
	const founders = "first=http://127.0.0.1:3,me=http://127.0.0.1:4,me=http://127.0.0.1:5"
	w.Expect(r.Founders(t.Context(), self)).To(Equal(founders))
	write(t, c, "t/members/1", "late=http://127.0.0.1:6")
	w.Expect(r.Founders(t.Context(), self)).To(Equal(founders), "those who came first stay")
}

func TestRegistryIsAskedAgain(t *testing.T) {
	w := NewWithT(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	w.Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	c, err := client.New(client.Config{Endpoints: []string{l.Addr().String()}, Logger: zap.NewNop()})
	w.Expect(err).NotTo(HaveOccurred())
	defer c.Close()
	attempts := make(chan struct{}, 100)
	discard := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(io.Discard), zap.DebugLevel)
	logger := zap.New(discard, zap.Hooks(func(e zapcore.Entry) error {
		if strings.Contains(e.Message, "retry connecting") {
			attempts <- struct{}{}
		}
		return nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	r := discovery.Registry{Token: "t", RequestTimeout: 10 * time.Millisecond, RetryPause: time.Millisecond, Client: c, Logger: logger}
	ended := make(chan error, 1)
	go func() {
		_, err := r.Founders(ctx, discovery.Self{Name: "m", PeerURLs: []string{"http://127.0.0.1:1"}})
		ended <- err
	}()
	for range 3 {
		w.Eventually(attempts, "30s").Should(Receive())
	}
	cancel()
	w.Eventually(ended, "30s").Should(Receive(Satisfy(func(err error) bool { return errors.Is(err, context.Canceled) })))
}
