package oneport

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// splitUp is a port, whose connections are read until their client is done.
type splitUp struct {
	*Port
	grpcSaw, httpSaw chan string
	readers          sync.WaitGroup
}

func portWithin(l net.Listener, timeout time.Duration) *Port {
	return New(l, Options{Logger: zap.NewNop(), timeout: timeout})
}

func newSplitUp(t *testing.T, l net.Listener, timeout time.Duration) *splitUp {
	t.Helper()
	s := &splitUp{Port: portWithin(l, timeout), grpcSaw: make(chan string, 100), httpSaw: make(chan string, 100)}
	for side, saw := range map[net.Listener]chan string{s.GRPC: s.grpcSaw, s.HTTP: s.httpSaw} {
		s.readers.Go(func() {
			for {
				conn, err := side.Accept()
				if err != nil {
					return
				}
				s.readers.Go(func() {
					all, _ := io.ReadAll(conn)
					_ = conn.Close()
					saw <- string(all)
				})
			}
		})
	}
	t.Cleanup(func() {
		_ = s.Close()
		s.readers.Wait()
	})
	return s
}

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return l
}

func dial(t *testing.T, addr net.Addr) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

func TestPortTellsTheProtocolsApart(t *testing.T) {
	w := NewWithT(t)
	s := newSplitUp(t, listenLoopback(t), time.Minute)
	for sent, grpc := range map[string]bool{
		preface:                             true,
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n": false,
		"POST /v3/kv/range HTTP/1.1\r\n":    false, // like the preface it begins with a P
		"PUT / HTTP/1.1\r\n":                false,
		"PRO":                               false,
		"PRI":                               false, // its client leaves before it is clear
		"\x16\x03\x01\x02":                  false, // TLS where there is none
		"\x00":                              false,
	} {
		conn := dial(t, s.Addr())
		_, err := conn.Write([]byte(sent))
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(conn.CloseWrite()).To(Succeed())
		saw := s.httpSaw
		if grpc {
			saw = s.grpcSaw
		}
		if sent == "PRI" {
			w.Consistently(saw, "50ms").ShouldNot(Receive(), "nobody is told")
			continue
		}
		w.Eventually(saw, "30s").Should(Receive(Equal(sent)), "every byte, from the first on")
	}
	w.Expect(s.grpcSaw).To(BeEmpty())
	w.Expect(s.httpSaw).To(BeEmpty())
}

func TestPortWaitsForSlowFirstBytes(t *testing.T) {
	w := NewWithT(t)
	s := newSplitUp(t, listenLoopback(t), time.Minute)
	conn := dial(t, s.Addr())
	for i := range preface {
		_, err := conn.Write([]byte{preface[i]})
		w.Expect(err).NotTo(HaveOccurred())
		if i < len(http2Preface)-1 {
			w.Consistently(func() int { return len(s.grpcSaw) + len(s.httpSaw) }, "2ms", "1ms").Should(BeZero())
		}
	}
	w.Expect(conn.CloseWrite()).To(Succeed())
	w.Eventually(s.grpcSaw, "30s").Should(Receive(Equal(preface)))
}

// gone reports whether the other side has ended a connection.
func gone(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, syscall.EAGAIN) && !isTimeout(err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestPortCutsWhoDoesNotSpeak(t *testing.T) {
	w := NewWithT(t)
	s := newSplitUp(t, listenLoopback(t), 3*time.Second) // time enough for those who speak
	silent, hesitant, decided := dial(t, s.Addr()), dial(t, s.Addr()), dial(t, s.Addr())
	_, err := hesitant.Write([]byte("PR"))
	w.Expect(err).NotTo(HaveOccurred())
	_, err = decided.Write([]byte("GE"))
	w.Expect(err).NotTo(HaveOccurred())
	w.Eventually(func() bool { return gone(silent) }, "30s").Should(BeTrue())
	w.Eventually(func() bool { return gone(hesitant) }, "30s").Should(BeTrue())
	w.Consistently(func() bool { return gone(decided) }, "200ms").Should(BeFalse(), "its pace is for its server to judge")
}

func TestClosedPortLeavesNobodyWaiting(t *testing.T) {
	w := NewWithT(t)
	l := listenLoopback(t)
	s := portWithin(l, time.Minute) // nobody accepts
	silent, decided := dial(t, s.Addr()), dial(t, s.Addr())
	_, err := decided.Write([]byte("GET /"))
	w.Expect(err).NotTo(HaveOccurred())
	w.Eventually(s.undecided.Len, "30s").Should(Equal(2))
	start := time.Now()
	w.Expect(s.Close()).To(Succeed())
	w.Expect(time.Since(start)).To(BeNumerically("<", 30*time.Second))
	w.Eventually(func() bool { return gone(silent) && gone(decided) }, "30s").Should(BeTrue())
	_, err = s.GRPC.Accept()
	w.Expect(err).To(MatchError(net.ErrClosed))
	_, err = s.HTTP.Accept()
	w.Expect(err).To(MatchError(net.ErrClosed))
}

// CVE-2026-73500: a connection that says nothing behind its TLS handshake makes room for others, too.
func TestFullPortServesOthers(t *testing.T) {
	w := NewWithT(t)
	s := &splitUp{Port: New(listenLoopback(t), Options{Logger: zap.NewNop(), timeout: time.Minute, max: 2})}
	served := make(chan net.Conn, 1)
	go func() {
		if conn, err := s.HTTP.Accept(); err == nil {
			served <- conn
		}
	}()
	first, second, third := dial(t, s.Addr()), dial(t, s.Addr()), dial(t, s.Addr())
	w.Eventually(func() bool { return gone(first) }, "30s").Should(BeTrue())
	_, err := io.WriteString(dial(t, s.Addr()), "GET /")
	w.Expect(err).NotTo(HaveOccurred())
	var conn net.Conn
	w.Eventually(served, "30s").Should(Receive(&conn))
	defer conn.Close()
	w.Eventually(func() bool { return gone(second) }, "30s").Should(BeTrue())
	w.Expect(gone(third)).To(BeFalse())
	w.Expect(s.Close()).To(Succeed())
	w.Eventually(func() bool { return gone(third) }, "30s").Should(BeTrue())
}

func TestPortServesHTTP(t *testing.T) {
	w := NewWithT(t)
	s := portWithin(listenLoopback(t), time.Minute)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(s.HTTP) }()
	conn := dial(t, s.Addr())
	for range 2 { // one connection, two requests
		_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
		w.Expect(err).NotTo(HaveOccurred())
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		w.Expect(err).NotTo(HaveOccurred())
		body, err := io.ReadAll(response.Body)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(string(body)).To(Equal("hello"))
	}
	w.Expect(server.Close()).To(Succeed())
	w.Expect(s.Close()).To(Succeed())
	w.Expect(<-ended).To(MatchError(http.ErrServerClosed))
}
