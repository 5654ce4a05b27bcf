package embed

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/pkg/tlsfiles/certtest"
)

// speaking is a client that speaks one version of HTTP only.
func speaking(t *testing.T, major int, secure *tls.Config) *http.Client {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(major == 1)
	protocols.SetHTTP2(major == 2)
	protocols.SetUnencryptedHTTP2(major == 2)
	transport := &http.Transport{
		Protocols: &protocols, TLSClientConfig: secure.Clone(),
		HTTP2: &http.HTTP2Config{StrictMaxConcurrentRequests: true}, // and no second connection
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask sends a request and returns the status and the beginning of the answer.
func ask(c *http.Client, method, url, body string, headers ...string) (string, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s", response.StatusCode, text), err
}

const rangeX = `{"key":"eA=="}`

// One member, one port with TLS and one without, or ports for each purpose.
func TestPortsSpeakWhatTheyShould(t *testing.T) {
	const none = "http://127.0.0.1:0"
	ca := certtest.New(t, "ca")
	leaf := ca.Issue("server")
	trust := trusting(t, ca)
	for _, apart := range []bool{false, true} {
		t.Run(fmt.Sprint("HTTP apart: ", apart), func(t *testing.T) {
			w := NewWithT(t)
			cfg := settings(t)
			cfg.ListenClientURLs, cfg.ListenMetricsURLs = urls(none, "https://127.0.0.1:0"), urls(none, "https://127.0.0.1:0")
			if apart {
				cfg.ListenClientHTTPURLs = cfg.ListenClientURLs
			}
			cfg.Security.ClientTLS.CertFile, cfg.Security.ClientTLS.KeyFile = leaf.Cert, leaf.Key
			s := startServing(t, cfg)
			web := s.ClientAddrs()
			if apart {
				web = s.HTTPAddrs()
			}
			w.Expect(web).To(HaveLen(2))
			for i, scheme := range []string{"http", "https"} {
				for _, major := range []int{1, 2} {
					c := speaking(t, major, trust)
					base := fmt.Sprintf("%s://%s", scheme, web[i])
					w.Expect(ask(c, http.MethodGet, base+"/health", "")).To(Equal(`200 {"health":"true","reason":""}`), "%s, HTTP/%d", scheme, major)
					w.Expect(ask(c, http.MethodPost, base+"/v3/kv/range", rangeX)).To(HavePrefix("200 {"))
					metrics := fmt.Sprintf("%s://%s", scheme, s.MetricsAddrs()[i])
					w.Expect(ask(c, http.MethodGet, metrics+"/readyz", "")).To(Equal("200 ok\n"))
					w.Expect(ask(c, http.MethodGet, metrics+"/version", "")).To(HavePrefix("404 "))
					if apart {
						alien, err := ask(c, http.MethodGet, fmt.Sprintf("%s://%s/health", scheme, s.ClientAddrs()[i]), "")
						w.Expect(err != nil || strings.HasPrefix(alien, "415 ")).To(BeTrue(), "only gRPC is spoken there: %s", alien)
					}
				}
			}
			kv := pb.NewKVClient(connect(t, s.ClientAddrs()[0].String()))
			_, err := kv.Put(t.Context(), &pb.PutRequest{Key: []byte("x")})
			w.Expect(err).NotTo(HaveOccurred())
			conn, err := grpc.NewClient(s.ClientAddrs()[1].String(), grpc.WithTransportCredentials(credentials.NewTLS(trust)))
			w.Expect(err).NotTo(HaveOccurred())
			defer conn.Close()
			_, err = pb.NewKVClient(conn).Put(t.Context(), &pb.PutRequest{Key: []byte("x")})
			w.Expect(err).NotTo(HaveOccurred())
			if apart {
				_, err = pb.NewKVClient(connect(t, s.HTTPAddrs()[0].String())).Put(t.Context(), &pb.PutRequest{Key: []byte("x")})
				w.Expect(status.Code(err)).To(Equal(codes.Unimplemented))
			}
		})
	}
}

// A proxy may send requests of all kinds over one connection.
func TestGRPCOverAConnectionOfHTTP(t *testing.T) {
	w := NewWithT(t)
	s := startServing(t, settings(t))
	c := speaking(t, 2, nil)
	base := "http://" + s.ClientAddrs()[0].String()
	w.Expect(ask(c, http.MethodGet, base+"/health", "")).To(HavePrefix("200 "))
	message, err := proto.Marshal(&pb.PutRequest{Key: []byte("x")})
	w.Expect(err).NotTo(HaveOccurred())
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	for range 2 {
		request, err := http.NewRequest(http.MethodPost, base+"/etcdserverpb.KV/Put", bytes.NewReader(body))
		w.Expect(err).NotTo(HaveOccurred())
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("TE", "trailers")
		response, err := c.Do(request)
		w.Expect(err).NotTo(HaveOccurred())
		_, err = io.ReadAll(response.Body)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(response.Body.Close()).To(Succeed())
		w.Expect(response.Trailer.Get("Grpc-Status")).To(Equal("0"))
		w.Expect(ask(c, http.MethodPost, base+"/v3/kv/range", rangeX)).To(ContainSubstring(`"count":"1"`))
	}
}

// watchUntil opens a watch with a client of HTTP. It returns once it is confirmed.
func watchUntil(ctx context.Context, c *http.Client, base string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v3/watch", strings.NewReader(`{"create_request":{"key":"eA=="}}`))
	if err != nil {
		return nil, err
	}
	response, err := c.Do(request)
	if err == nil {
		_, err = readLines(response.Body, 1)
	}
	return response, err
}

// --max-concurrent-streams=2 serves two streams of a connection, and the third when one of them ends; of HTTP as of gRPC.
func TestStreamsOfAConnectionAreBounded(t *testing.T) {
	w := NewWithT(t)
	cfg := settings(t)
	cfg.Limits.MaxConcurrentStreams = 2
	s := startServing(t, cfg)
	base := "http://" + s.ClientAddrs()[0].String()
	c := speaking(t, 2, nil)
	w.Expect(ask(c, http.MethodGet, base+"/health", "")).To(HavePrefix("200 "))
	first, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, ctx := range []context.Context{first, t.Context()} {
		response, err := watchUntil(ctx, c, base)
		w.Expect(err).NotTo(HaveOccurred())
		defer response.Body.Close()
	}
	third := make(chan error, 1)
	go func() {
		_, err := ask(c, http.MethodGet, base+"/health", "")
		third <- err
	}()
	w.Consistently(third, "200ms").ShouldNot(Receive(), "it waits")
	cancel()
	w.Eventually(third, "30s").Should(Receive(BeNil()))

	conn := connect(t, s.ClientAddrs()[0].String())
	_, err := pb.NewKVClient(conn).Put(t.Context(), &pb.PutRequest{Key: []byte("x")})
	w.Expect(err).NotTo(HaveOccurred())
	for range 2 {
		_, err := pb.NewWatchClient(conn).Watch(t.Context())
		w.Expect(err).NotTo(HaveOccurred())
	}
	ctx, end := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer end()
	_, err = pb.NewKVClient(conn).Put(ctx, &pb.PutRequest{Key: []byte("x")})
	w.Expect(status.Code(err)).To(Equal(codes.DeadlineExceeded))
}

func TestEndlessHeadersAreRefused(t *testing.T) {
	w := NewWithT(t)
	s := startServing(t, settings(t))
	base := "http://" + s.ClientAddrs()[0].String()
	for _, major := range []int{1, 2} {
		text, err := ask(speaking(t, major, nil), http.MethodGet, base+"/health", "", "X", strings.Repeat("x", 256<<10))
		w.Expect(err != nil || strings.HasPrefix(text, "431 ") || strings.HasPrefix(text, "415 ")).To(BeTrue(), text)
	}
	w.Expect(ask(speaking(t, 1, nil), http.MethodGet, base+"/health", "")).To(HavePrefix("200 "))
}

// The gateway is there unless it is not wanted; /debug/pprof/ and /debug/requests are there only if they are.
func TestWhatIsServedOnDemand(t *testing.T) {
	w := NewWithT(t)
	for _, more := range []bool{false, true} {
		cfg := settings(t)
		cfg.HTTP.EnableGateway, cfg.HTTP.EnablePprof = !more, false
		if more {
			cfg.Logging.Level = "debug"
		}
		s := startServing(t, cfg)
		base := "http://" + s.ClientAddrs()[0].String()
		c := speaking(t, 1, nil)
		for path, there := range map[string]bool{"/v3/kv/range": !more, "/v3beta/kv/range": !more, "/debug/pprof/cmdline": more, "/debug/requests": more, "/debug/events": more} {
			text, err := ask(c, http.MethodPost, base+path, rangeX)
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(strings.HasPrefix(text, "200 ")).To(Equal(there), "%s: %s", path, text)
			w.Expect(strings.HasPrefix(text, "404 ")).To(Equal(!there), "%s: %s", path, text)
		}
	}
}
