package embed

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/pkg/tlsfiles"
	"quoin.dev/pkg/tlsfiles/certtest"

	"quoin.dev/server/config"
)

// secured are settings whose ports want certificates of the authority.
func secured(t *testing.T, ca *certtest.Authority) *config.Config {
	t.Helper()
	server := ca.Issue("server")
	cfg := settings(t)
	files := config.TLSFiles{CertFile: server.Cert, KeyFile: server.Key, TrustedCAFile: ca.CA(), ClientCertAuth: true}
	cfg.Security.ClientTLS, cfg.Security.PeerTLS = files, files
	cfg.ListenPeerURLs, cfg.ListenClientURLs = urls("https://127.0.0.1:0"), urls("https://127.0.0.1:0")
	return cfg
}

// showing are the settings of a client with a certificate.
func showing(t *testing.T, ca *certtest.Authority, leaf certtest.Leaf) *tls.Config {
	t.Helper()
	store, err := tlsfiles.Open(tlsfiles.Options{Files: tlsfiles.Files{Cert: leaf.Cert, Key: leaf.Key, CA: ca.CA()}})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return store.Client()
}

// trusting are the settings of a client without one.
func trusting(t *testing.T, ca *certtest.Authority) *tls.Config {
	t.Helper()
	store, err := tlsfiles.Open(tlsfiles.Options{Files: tlsfiles.Files{CA: ca.CA()}})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return store.Client()
}

// putOver puts a key over a connection of its own.
func putOver(t *testing.T, target string, settings *tls.Config) error {
	t.Helper()
	creds := credentials.NewTLS(settings)
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = pb.NewKVClient(conn).Put(ctx, &pb.PutRequest{Key: []byte("a")})
	return err
}

// getOver asks for the version over a connection of its own.
func getOver(t *testing.T, address string, settings *tls.Config) error {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	scheme := "https"
	if settings == nil {
		scheme = "http"
	}
	response, err := client.Get(scheme + "://" + address + "/version")
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}

// GHSA-3wh4-j44w-pg92: one that was served is refused from the moment on in which the list names it, on every port.
func TestRevokedClientsAreRefusedOnEveryPort(t *testing.T) {
	for name, spread := range map[string]func(*config.Config){
		"one port": func(*config.Config) {},
		"HTTP apart": func(cfg *config.Config) {
			cfg.ListenClientHTTPURLs, cfg.ListenMetricsURLs = urls("https://127.0.0.1:0"), urls("https://127.0.0.1:0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			ca := certtest.New(t, "ca")
			alice, bob := ca.Issue("alice"), ca.Issue("bob")
			cfg := secured(t, ca)
			cfg.Security.ClientTLS.CRLFile, cfg.Security.PeerTLS.CRLFile = ca.Revoke(), ca.Revoke()
			spread(cfg)
			s := startServing(t, cfg)
			ports := s.HTTPAddrs()
			if len(ports) == 0 {
				ports = s.ClientAddrs()
			}
			ports = append(append(ports, s.MetricsAddrs()...), s.PeerAddrs()...)
			try := func(leaf certtest.Leaf) []error {
				errs := []error{putOver(t, s.ClientAddrs()[0].String(), showing(t, ca, leaf))}
				for _, port := range ports {
					errs = append(errs, getOver(t, port.String(), showing(t, ca, leaf)))
				}
				return errs
			}
			w.Expect(try(alice)).To(HaveEach(BeNil()))
			ca.Revoke(alice)
			w.Expect(try(alice)).To(HaveEach(MatchError(ContainSubstring("tls: bad certificate"))), "and they hear why")
			w.Expect(try(bob)).To(HaveEach(BeNil()))
		})
	}
}

func TestPlainAndSecureClientsOnOneAddress(t *testing.T) {
	w := NewWithT(t)
	ca := certtest.New(t, "ca")
	cfg := secured(t, ca)
	free := listenLoopback(t)
	address := free.Addr().String()
	w.Expect(free.Close()).To(Succeed())
	cfg.ListenClientURLs = urls("http://"+address, "https://"+address)
	s := startServing(t, cfg)
	w.Expect(s.ClientAddrs()).To(HaveLen(1))
	alice := showing(t, ca, ca.Issue("alice"))
	w.Expect(putOver(t, address, alice.Clone())).To(Succeed())
	w.Expect(getOver(t, address, alice)).To(Succeed())
	_, err := pb.NewKVClient(connect(t, address)).Put(t.Context(), &pb.PutRequest{Key: []byte("b")})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(getOver(t, address, nil)).To(Succeed())
}

func TestClientsOverASecureUnixSocket(t *testing.T) {
	w := NewWithT(t)
	ca := certtest.New(t, "ca")
	address, path := socket(t)
	cfg := secured(t, ca)
	cfg.ListenClientURLs = urls(strings.Replace(address, "unix:", "unixs:", 1))
	startServing(t, cfg)
	alice := showing(t, ca, ca.Issue("alice"))
	alice.ServerName = "localhost"
	w.Expect(putOver(t, "unix:"+path, alice)).To(Succeed())
}

func TestPortsOfTheSystemsChoice(t *testing.T) {
	w := NewWithT(t)
	cfg := settings(t)
	cfg.ListenClientURLs = urls("http://localhost:0", "http://localhost:0", "http://0.0.0.0:0")
	cfg.ListenPeerURLs = urls("http://localhost:0", "http://0.0.0.0:0")
	s := startServing(t, cfg)
	w.Expect(s.ClientAddrs()).To(HaveLen(3), "every one is a port of its own")
	w.Expect(s.PeerAddrs()).To(HaveLen(2))
	for _, address := range append(s.ClientAddrs(), s.PeerAddrs()...) {
		_, port, err := net.SplitHostPort(address.String())
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(getOver(t, "127.0.0.1:"+port, nil)).To(Succeed())
	}
}

func TestMemberWithCertificatesOfItsOwn(t *testing.T) {
	w := NewWithT(t)
	cfg := settings(t)
	cfg.Security.ClientTLS.Auto, cfg.Security.PeerTLS.Auto = true, true
	cfg.ListenClientURLs, cfg.ListenPeerURLs = urls("https://127.0.0.1:0"), urls("https://127.0.0.1:0")
	s := startServing(t, cfg)
	trust, err := tlsfiles.Open(tlsfiles.Options{Files: tlsfiles.Files{CA: cfg.DataDir + "/fixtures/client/cert.pem"}})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(putOver(t, s.ClientAddrs()[0].String(), trust.Client())).To(Succeed())
	w.Expect(s.certs.Expiries()).To(HaveLen(2))
}

// CVE-2026-73500: thousands of connections that say nothing cost a bounded number of goroutines and descriptors, and others are
// served beside them.
func TestManySilentConnections(t *testing.T) {
	w := NewWithT(t)
	ca := certtest.New(t, "ca")
	s := startServing(t, secured(t, ca))
	before := runtime.NumGoroutine()
	const perPort = 3000
	ports := append(s.ClientAddrs(), s.PeerAddrs()...)
	var dialing sync.WaitGroup
	for _, port := range ports {
		for range 4 {
			dialing.Go(func() {
				for range perPort / 4 {
					conn, err := net.Dial("tcp", port.String())
					if err != nil {
						t.Error(err)
						return
					}
					t.Cleanup(func() { _ = conn.Close() })
				}
			})
		}
	}
	alice := ca.Issue("alice")
	for range 10 {
		w.Expect(putOver(t, s.ClientAddrs()[0].String(), showing(t, ca, alice))).To(Succeed())
		w.Expect(getOver(t, s.PeerAddrs()[0].String(), showing(t, ca, alice))).To(Succeed())
	}
	dialing.Wait()
	w.Eventually(runtime.NumGoroutine, "30s").Should(BeNumerically("<", before+len(ports)*1024+300))
	w.Expect(putOver(t, s.ClientAddrs()[0].String(), showing(t, ca, alice))).To(Succeed())
}
