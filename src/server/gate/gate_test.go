package gate

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"quoin.dev/pkg/tlsfiles"
	"quoin.dev/pkg/tlsfiles/certtest"
)

// post is a gate whose connections are answered with what they said.
type post struct {
	*Gate
	logs *observer.ObservedLogs
}

func newPost(t *testing.T, l net.Listener, o Options) *post {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	o.Logger, o.Endpoint = zap.New(core), "client"
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	p := &post{New(l, o), logs}
	var echoes sync.WaitGroup
	echoes.Go(func() {
		for {
			conn, err := p.Accept()
			if err != nil {
				return
			}
			echoes.Go(func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = p.Close()
		echoes.Wait()
	})
	return p
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return l
}

func (p *post) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr().String())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// echo says something and returns the answer.
func echo(conn net.Conn) (string, error) {
	answer := make([]byte, 5)
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return "", err
	}
	n, err := io.ReadFull(conn, answer)
	return string(answer[:n]), err
}

// gone reports whether the other side has ended a connection.
func gone(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// sides are the settings of a server and of a client that trust each other.
func sides(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	ca := certtest.New(t, "ca")
	leaf := ca.Issue("leaf")
	store, err := tlsfiles.Open(tlsfiles.Options{
		Files: tlsfiles.Files{Cert: leaf.Cert, Key: leaf.Key, CA: ca.CA()},
		Base:  &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert},
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	client = store.Client()
	client.ServerName = "localhost"
	return store.Server(), client
}

func TestPlainAndSecureOnOnePort(t *testing.T) {
	server, client := sides(t)
	for name, c := range map[string]struct {
		o             Options
		plain, secure bool
	}{
		"plain":  {Options{}, true, false},
		"secure": {Options{TLS: server}, false, true},
		"both":   {Options{TLS: server, Plain: true}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			p := newPost(t, loopback(t), c.o)
			answer, err := echo(p.dial(t))
			w.Expect(answer == "hello").To(Equal(c.plain), "%v", err)
			if !c.plain {
				w.Eventually(func() int { return p.logs.FilterMessage("rejected connection on client endpoint").Len() }, "30s").Should(Equal(1))
				w.Expect(p.logs.All()[0].ContextMap()).To(HaveKeyWithValue("error", "tls: first record does not look like a TLS handshake"))
			}
			if c.secure {
				w.Expect(echo(tls.Client(p.dial(t), client))).To(Equal("hello"))
			}
		})
	}
}

func TestServersSeeWhoConnected(t *testing.T) {
	w := NewWithT(t)
	server, client := sides(t)
	g := New(loopback(t), Options{TLS: server, Plain: true})
	defer g.Close()
	go func() {
		if conn, err := tls.Dial("tcp", g.Addr().String(), client); err == nil {
			defer conn.Close()
			_, _ = conn.Read(make([]byte, 1))
		}
	}()
	conn, err := g.Accept()
	w.Expect(err).NotTo(HaveOccurred())
	defer conn.Close()
	w.Expect(conn.(*tls.Conn).ConnectionState().VerifiedChains[0][0].Subject.CommonName).To(Equal("leaf"))
}

func TestRefusalsAreLogged(t *testing.T) {
	w := NewWithT(t)
	server, client := sides(t)
	p := newPost(t, loopback(t), Options{TLS: server})
	nameless := client.Clone()
	nameless.GetClientCertificate = nil
	_, err := echo(tls.Client(p.dial(t), nameless))
	w.Expect(err).To(MatchError(ContainSubstring("tls: certificate required")))
	stranger := client.Clone()
	stranger.RootCAs = nil
	w.Expect(tls.Client(p.dial(t), stranger).Handshake()).To(MatchError(ContainSubstring("unknown authority")))
	w.Eventually(func() (all []string) {
		for _, line := range p.logs.FilterMessage("rejected connection on client endpoint").All() {
			all = append(all, line.ContextMap()["error"].(string))
		}
		return all
	}, "30s").Should(ConsistOf("tls: client didn't provide a certificate", "remote error: tls: bad certificate"))
}

// CVE-2026-73500: silent connections end in time, and never keep those away that speak.
func TestSilentConnections(t *testing.T) {
	server, client := sides(t)
	for name, o := range map[string]Options{"plain": {}, "secure": {TLS: server}, "both": {TLS: server, Plain: true}} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			o.MaxWaiting = 8
			p := newPost(t, loopback(t), o)
			var silent []net.Conn
			for range 100 {
				silent = append(silent, p.dial(t))
			}
			w.Eventually(func() int {
				ended := 0
				for _, conn := range silent {
					if gone(conn) {
						ended++
					}
				}
				return ended
			}, "30s").Should(Equal(100 - o.MaxWaiting))
			w.Eventually(p.room.Len, "30s").Should(Equal(o.MaxWaiting))
			conn := p.dial(t)
			if o.TLS != nil {
				conn = tls.Client(conn, client)
			}
			w.Expect(echo(conn)).To(Equal("hello"))
			w.Expect(p.logs.FilterMessageSnippet("to make room for others").Len()).To(Equal(1), "it is said once")
			w.Expect(p.logs.FilterMessageSnippet("rejected connection").All()).To(BeEmpty())
		})
		t.Run(name+", later", func(t *testing.T) {
			w := NewWithT(t)
			o.Timeout = 100 * time.Millisecond
			p := newPost(t, loopback(t), o)
			conn := p.dial(t)
			w.Eventually(func() bool { return gone(conn) }, "30s").Should(BeTrue())
			w.Eventually(p.room.Len, "30s").Should(BeZero())
			if o.TLS != nil && !o.Plain {
				w.Eventually(p.logs.Len, "30s").ShouldNot(BeZero())
				w.Expect(p.logs.All()[0].ContextMap()["error"]).To(ContainSubstring("i/o timeout"))
			}
		})
	}
}

// The deadline is for the way in: a connection that is through may be as quiet as it likes.
func TestNoDeadlineBehindTheGate(t *testing.T) {
	server, client := sides(t)
	for name, o := range map[string]Options{"plain": {}, "secure": {TLS: server}} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			o.Timeout = 2 * time.Second
			p := newPost(t, loopback(t), o)
			raw := p.dial(t)
			conn := raw
			if o.TLS != nil {
				conn = tls.Client(raw, client)
			}
			w.Expect(echo(conn)).To(Equal("hello"))
			w.Consistently(func() bool { return gone(raw) }, "2500ms").Should(BeFalse())
		})
	}
}

func TestCloseLeavesNobodyWaiting(t *testing.T) {
	w := NewWithT(t)
	g := New(loopback(t), Options{}) // nobody accepts
	p := &post{Gate: g}
	silent, through := p.dial(t), p.dial(t)
	_, err := io.WriteString(through, "x")
	w.Expect(err).NotTo(HaveOccurred())
	w.Eventually(g.room.Len, "30s").Should(Equal(2))
	w.Expect(g.Close()).To(Succeed())
	w.Eventually(func() bool { return gone(silent) && gone(through) }, "30s").Should(BeTrue())
	_, err = g.Accept()
	w.Expect(err).To(MatchError(net.ErrClosed))
	_ = g.Close() // once more is nothing
}

// exhausted is a listener that fails a few times, as one does while a process has no file descriptor left.
type exhausted struct {
	net.Listener
	mu    sync.Mutex
	fails int
}

func (e *exhausted) Accept() (net.Conn, error) {
	e.mu.Lock()
	fail := e.fails > 0
	e.fails--
	e.mu.Unlock()
	if fail {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return e.Listener.Accept()
}

func TestGateOutlivesAFailedAccept(t *testing.T) {
	w := NewWithT(t)
	p := newPost(t, &exhausted{Listener: loopback(t), fails: 4}, Options{})
	w.Expect(echo(p.dial(t))).To(Equal("hello"))
	w.Expect(p.logs.FilterMessageSnippet("trying again").Len()).To(Equal(4))
}

// A client that sends its request at once, as it may with TLS 1.3, learns why it is refused all the same.
func TestRefusedClientsHearWhy(t *testing.T) {
	w := NewWithT(t)
	server, client := sides(t)
	p := newPost(t, loopback(t), Options{TLS: server})
	client.GetClientCertificate = nil
	for range 20 {
		conn := tls.Client(p.dial(t), client)
		w.Expect(conn.Handshake()).To(Succeed())
		for range 3 {
			_, err := conn.Write(make([]byte, 4096))
			w.Expect(err).NotTo(HaveOccurred())
		}
		_, err := conn.Read(make([]byte, 1))
		w.Expect(err).To(MatchError(ContainSubstring("tls: certificate required")))
		_ = conn.Close()
	}
}
