package e2e

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/zap"

	"quoin.dev/client"
	"quoin.dev/pkg/tlsfiles"
	"quoin.dev/pkg/tlsfiles/certtest"
	"quoin.dev/quoin/e2e/cluster"
)

// mutual is a cluster in which everybody shows a certificate, out of one directory.
type mutual struct {
	*cluster.Cluster
	dir    string
	client *tlsfiles.Store
}

func startMutual(ca *certtest.Authority) *mutual {
	GinkgoHelper()
	alice := ca.Issue("alice")
	store, err := tlsfiles.Open(tlsfiles.Options{Files: tlsfiles.Files{Cert: alice.Cert, Key: alice.Key, CA: ca.CA()}})
	Expect(err).NotTo(HaveOccurred())
	c, err := cluster.New(cluster.Options{Members: 3, Flags: patientFlags, Secure: store.Client})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(c.Close)
	revoked := ca.Revoke()
	for _, m := range c.Members {
		leaf := ca.Issue(m.Name)
		for _, port := range []string{"", "peer-"} {
			m.Extra = append(m.Extra, "--"+port+"cert-file="+leaf.Cert, "--"+port+"key-file="+leaf.Key,
				"--"+port+"trusted-ca-file="+ca.CA(), "--"+port+"client-cert-auth")
		}
		m.Extra = append(m.Extra, "--client-crl-file="+revoked, "--peer-crl-file="+revoked)
	}
	Expect(c.Start()).To(Succeed())
	return &mutual{c, ca.Dir, store}
}

// reissue puts a certificate and a key of another authority over those of name, one after the other.
func (m *mutual) reissue(ca *certtest.Authority, name string) {
	GinkgoHelper()
	leaf := ca.Issue(name)
	for _, file := range []string{leaf.Cert, leaf.Key} {
		content, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		certtest.Replace(GinkgoTB(), filepath.Join(m.dir, filepath.Base(file)), content)
	}
}

// newcomers connect again and again while they write, each time over a connection of its own.
type newcomers struct {
	cancel  context.CancelFunc
	workers sync.WaitGroup
	served  atomic.Int64
	failed  chan error
}

func startNewcomers(c *cluster.Cluster, members ...*cluster.Member) *newcomers {
	ctx, cancel := context.WithCancel(context.Background())
	n := &newcomers{cancel: cancel, failed: make(chan error, 1)}
	for range 3 {
		n.workers.Go(func() {
			for ctx.Err() == nil {
				if err := writeOnce(c, members); err != nil {
					select {
					case n.failed <- err:
					default: // there is one already
					}
					return
				}
				n.served.Add(1)
			}
		})
	}
	return n
}

func writeOnce(c *cluster.Cluster, members []*cluster.Member) error {
	cl, err := c.Client(members...)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err = cl.Put(ctx, "newcomer", "v")
	return err
}

// reached waits until more of them were served, and nobody was refused.
func (n *newcomers) reached(more int64) {
	GinkgoHelper()
	goal := n.served.Load() + more
	Eventually(func() int64 {
		Expect(n.failed).NotTo(Receive())
		return n.served.Load()
	}, "60s", "10ms").Should(BeNumerically(">=", goal))
}

func (n *newcomers) stop() {
	n.cancel()
	n.workers.Wait()
}

var _ = Describe("a cluster with TLS everywhere", func() {
	// GHSA-3wh4-j44w-pg92: so does who is revoked afterwards, without a restart.
	It("changes its authority under load, without a failed request", func() {
		ca, next := certtest.New(GinkgoTB(), "old"), certtest.New(GinkgoTB(), "new")
		c := startMutual(ca)
		leader := leaderOf(within(time.Minute), c.Cluster)
		follower := others(c.Cluster, leader)[0]
		rest := others(c.Cluster, follower)
		oldAlice := c.client.Client()
		bob := filesOf(ca.Issue("bob"), ca)

		steady := startLoad(connect(c.Cluster), 4)
		DeferCleanup(steady.stop)
		fresh := startNewcomers(c.Cluster, rest...)
		DeferCleanup(fresh.stop)
		fresh.reached(5)
		certtest.Bundle(GinkgoTB(), ca.CA(), ca, next)
		fresh.reached(10)
		for _, name := range []string{"m0", "m1", "m2", "alice"} {
			c.reissue(next, name)
			fresh.reached(5)
		}
		certtest.Bundle(GinkgoTB(), ca.CA(), next)
		fresh.reached(10)
		steady.reached(100)
		steady.stop()
		Expect(steady.unknown).To(BeNumerically("<=", 4), "only those that were under way in the end")

		By("letting members connect to each other anew")
		Expect(follower.Kill()).To(Succeed())
		Expect(follower.Start()).To(Succeed())
		for _, line := range []string{"rejected connection", "can not be used"} {
			Expect(follower.Log()).NotTo(ContainSubstring(line))
		}
		fresh.reached(5)

		By("refusing who shows what the old authority signed, and who is revoked")
		refused := func(settings *tls.Config) error {
			return writeWith(settings, leader.ClientURL, time.Second)
		}
		for _, former := range []*tls.Config{oldAlice, bob} {
			former.InsecureSkipVerify = true // it is the member that refuses
			Expect(refused(former)).NotTo(Succeed())
		}
		carol := filesOf(next.Issue("carol"), next)
		Expect(writeWith(carol.Clone(), leader.ClientURL, 20*time.Second)).To(Succeed())
		content, err := os.ReadFile(next.Revoke(next.Issue("dave"), leafOf(carol)))
		Expect(err).NotTo(HaveOccurred())
		certtest.Replace(GinkgoTB(), filepath.Join(c.dir, "crl.pem"), content)
		Expect(refused(carol.Clone())).NotTo(Succeed())
		Eventually(func() string { // within a second a handshake may not come to its end
			Expect(refused(carol.Clone())).NotTo(Succeed())
			return leader.Log()
		}, "60s").Should(And(ContainSubstring("rejected connection on client endpoint"), ContainSubstring("revoked")))
		fresh.reached(5)
	})

	It("makes its certificates itself, and shows the same ones after a restart", func() {
		c, err := cluster.New(cluster.Options{
			Members: 3, Flags: []string{"--auto-tls", "--peer-auto-tls"},
			Secure: func() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} },
		})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(c.Close)
		Expect(c.Start()).To(Succeed())
		Expect(writeOnce(c, nil)).To(Succeed())
		m := c.Members[0]
		trust, err := tlsfiles.Open(tlsfiles.Options{Files: tlsfiles.Files{CA: filepath.Join(m.Dir, "fixtures", "client", "cert.pem")}})
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Stop()).To(Succeed())
		Expect(m.Start()).To(Succeed())
		Expect(writeWith(trust.Client(), m.ClientURL, 20*time.Second)).To(Succeed())
	})
})

// filesOf are the settings of a client with a certificate.
func filesOf(leaf certtest.Leaf, ca *certtest.Authority) *tls.Config {
	GinkgoHelper()
	store, err := tlsfiles.Open(tlsfiles.Options{Files: tlsfiles.Files{Cert: leaf.Cert, Key: leaf.Key, CA: ca.CA()}})
	Expect(err).NotTo(HaveOccurred())
	return store.Client()
}

// leafOf is the certificate that a client shows.
func leafOf(settings *tls.Config) certtest.Leaf {
	GinkgoHelper()
	shown, err := settings.GetClientCertificate(nil)
	Expect(err).NotTo(HaveOccurred())
	return certtest.Leaf{Certificate: shown.Leaf}
}

// writeWith writes once over a connection of its own.
func writeWith(settings *tls.Config, endpoint string, timeout time.Duration) error {
	GinkgoHelper()
	cl, err := client.New(client.Config{Endpoints: []string{endpoint}, TLS: settings, Logger: zap.NewNop()})
	Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, err = cl.Put(ctx, "k", "v")
	return err
}
