package member

import (
	"net"
	"net/url"
	"os"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"

	"quoin.dev/server/config"
	"quoin.dev/server/discovery/dnstest"
)

// TestFoundersInDNS lets three members find each other by SRV records, with nothing but the address of each in its flags.
func TestFoundersInDNS(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	var records []net.SRV
	for _, cfg := range c.cfgs {
		own := &cfg.Cluster.InitialAdvertisePeerURLs[0]
		port, err := strconv.ParseUint(own.Port(), 10, 16)
		w.Expect(err).NotTo(HaveOccurred())
		own.Host = net.JoinHostPort("localhost", own.Port())
		records = append(records, net.SRV{Target: "localhost", Port: uint16(port)})
		cfg.Cluster.InitialCluster, cfg.Discovery.SRV = "ignored", "quoin.test"
	}
	dns, err := dnstest.Listen("127.0.0.1:0", dnstest.Zone{
		SRV: map[string][]net.SRV{"_etcd-server._tcp.quoin.test": records}, Host: map[string]string{"localhost": "127.0.0.1"},
	})
	w.Expect(err).NotTo(HaveOccurred())
	defer dns.Close()
	options := func(cfg *config.Config) Options {
		return Options{Config: cfg, Logger: zap.NewNop(), Fatal: func(err error) { t.Error(err) }, Resolver: dns.Resolver()}
	}
	for i, cfg := range c.cfgs {
		m, err := Start(options(cfg))
		w.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(m.Stop)
		handler := m.PeerHandler()
		c.members[i] = m
		c.handlers[i].Store(&handler)
	}
	for _, m := range c.members {
		w.Eventually(m.Ready(), "30s").Should(BeClosed())
		w.Expect(m.ClusterID()).To(Equal(c.members[0].ClusterID()))
		w.Expect(m.Members()).To(HaveLen(3))
		m.put(t, "from", m.cfg.Name)
	}
	// DNS is for a member without data: another start needs it no more.
	c.stop(0)
	c.cfgs[0].Discovery.SRV = "gone.test"
	c.start(t, 0)

	stranger := alone(t)
	stranger.Discovery.SRV = "quoin.test"
	stranger.Cluster.InitialAdvertisePeerURLs = []url.URL{{Scheme: "http", Host: "localhost:1"}}
	_, err = Start(options(stranger))
	w.Expect(err).To(MatchError(HavePrefix(`error setting up initial cluster: cannot find local etcd member "m0" in SRV records`)))
	w.Expect(os.ReadDir(stranger.DataDir)).To(BeEmpty())
}
