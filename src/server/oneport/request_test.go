package oneport

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
)

// served is a port with both servers behind it.
type served struct {
	*Port
	// secured has one entry per request of gRPC: whether it knew of a TLS connection.
	secured chan bool
}

// certificate is one for 127.0.0.1 that httptest keeps, and who trusts it.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	server = &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}
	client = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "example.com"
	return server, client
}

// serveBoth echoes bodies to HTTP, with a header that says what it came over, and answers grpc.health.v1.
func serveBoth(t *testing.T, l net.Listener) *served {
	t.Helper()
	s := &served{Port: New(l, Options{Logger: zap.NewNop()}), secured: make(chan bool, 100)}
	g := grpc.NewServer(grpc.Creds(Credentials()), grpc.UnaryInterceptor(
		func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			from, _ := peer.FromContext(ctx)
			_, secured := from.AuthInfo.(credentials.TLSInfo)
			s.secured <- secured
			return handler(ctx, request)
		}))
	healthpb.RegisterHealthServer(g, health.NewServer())
	h := NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Over", map[bool]string{true: "TLS", false: "plain"}[r.TLS != nil]+" "+r.Proto)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
	}), 100)
	go func() { _ = g.Serve(s.GRPC) }()
	go func() { _ = h.Serve(s.HTTP) }()
	t.Cleanup(func() {
		_ = s.Close()
		g.Stop()
		_ = h.Close()
	})
	return s
}

// TestOnePortServesEveryKindOfClient: bodies are larger than what may be under way at first, so that each side needs to know how much
// the other one takes.
func TestOnePortServesEveryKindOfClient(t *testing.T) {
	w := NewWithT(t)
	server, client := certificate(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	for _, secure := range []bool{false, true} {
		l, scheme, over := listenLoopback(t), "http", "plain"
		creds := insecure.NewCredentials()
		if secure {
			l, scheme, over = tls.NewListener(l, server), "https", "TLS"
			creds = credentials.NewTLS(client)
		}
		s := serveBoth(t, l)

		conn, err := grpc.NewClient(s.Addr().String(), grpc.WithTransportCredentials(creds))
		w.Expect(err).NotTo(HaveOccurred())
		defer conn.Close()
		for range 3 {
			r, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(r.Status).To(Equal(healthpb.HealthCheckResponse_SERVING))
			w.Expect(s.secured).To(Receive(Equal(secure)))
		}

		for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
			var protocols http.Protocols
			protocols.SetHTTP1(version == "HTTP/1.1")
			protocols.SetHTTP2(version == "HTTP/2.0")
			protocols.SetUnencryptedHTTP2(version == "HTTP/2.0")
			transport := &http.Transport{Protocols: &protocols, TLSClientConfig: client.Clone()}
			defer transport.CloseIdleConnections()
			for range 3 {
				response, err := (&http.Client{Transport: transport}).Post(scheme+"://"+s.Addr().String(), "text/plain", bytes.NewReader(big))
				w.Expect(err).NotTo(HaveOccurred(), "%s %s", over, version)
				body, err := io.ReadAll(response.Body)
				w.Expect(err).NotTo(HaveOccurred(), "%s %s", over, version)
				w.Expect(response.Body.Close()).To(Succeed())
				w.Expect(bytes.Equal(body, big)).To(BeTrue())
				w.Expect(response.Header.Get("Over")).To(Equal(over + " " + version))
			}
		}
		w.Expect(s.GRPC.open).To(HaveLen(1), "what was given away is forgotten")
	}
}

// speaker is a client of HTTP/2 that says what a test wants.
type speaker struct {
	t      *testing.T
	conn   net.Conn
	frames *http2.Framer
	// What the server has sent so far.
	settings, acks, pongs int
}

func speakTo(t *testing.T, addr net.Addr) *speaker {
	t.Helper()
	conn := dial(t, addr)
	NewWithT(t).Expect(conn.SetDeadline(time.Now().Add(20 * time.Second))).To(Succeed())
	s := &speaker{t: t, conn: conn, frames: http2.NewFramer(conn, conn)}
	s.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.must(io.WriteString(conn, http2.ClientPreface))
	return s
}

func (s *speaker) must(_ int, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// headers are those of a request, in one block.
func headers(path string, more ...string) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i, list := 0, append([]string{":method", "GET", ":scheme", "http", ":authority", "x", ":path", path}, more...); i < len(list); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: list[i], Value: list[i+1]})
	}
	return block.Bytes()
}

// next reads until a frame comes that is neither SETTINGS nor an answer to a ping.
func (s *speaker) next() http2.Frame {
	s.t.Helper()
	for {
		frame, err := s.frames.ReadFrame()
		if err != nil {
			s.t.Fatal(err)
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if f.IsAck() {
				s.acks++
				continue
			}
			s.settings++
			if err := s.frames.WriteSettingsAck(); err != nil {
				s.t.Fatal(err)
			}
		case *http2.PingFrame:
			s.pongs++
		case *http2.WindowUpdateFrame:
		default:
			return frame
		}
	}
}

// expectAnswers sends requests on streams from first on, and wants an answer to each, and one acknowledgement of SETTINGS in all.
func (s *speaker) expectAnswers(first uint32) {
	s.t.Helper()
	w := NewWithT(s.t)
	for id := first; id < first+6; id += 2 {
		if id > first || first > 1 {
			w.Expect(s.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: headers("/"), EndStream: true, EndHeaders: true})).To(Succeed())
		}
		f, ok := s.next().(*http2.MetaHeadersFrame)
		w.Expect(ok).To(BeTrue())
		w.Expect(f.PseudoValue("status")).To(Equal("200"))
		if !f.StreamEnded() {
			w.Expect(s.next()).To(HaveField("FrameHeader.StreamID", id))
		}
	}
	w.Expect(s.acks).To(Equal(1), "the client has sent SETTINGS once")
	w.Expect(s.settings).To(BeNumerically("<=", 2))
}

func TestHTTP2TakesOverAtAnyMoment(t *testing.T) {
	w := NewWithT(t)
	l := listenLoopback(t)
	s := serveBoth(t, l)
	request := func(path string) http2.HeadersFrameParam {
		return http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers(path), EndStream: true, EndHeaders: true}
	}
	t.Run("everything at once", func(t *testing.T) {
		c := speakTo(t, s.Addr())
		w.Expect(c.frames.WriteSettings()).To(Succeed())
		w.Expect(c.frames.WriteWindowUpdate(0, 1<<20)).To(Succeed())
		w.Expect(c.frames.WriteHeaders(request("/"))).To(Succeed())
		c.expectAnswers(1)
	})
	t.Run("after the greeting of gRPC, and pings", func(t *testing.T) {
		c := speakTo(t, s.Addr())
		w.Expect(c.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})).To(Succeed())
		for c.settings == 0 || c.acks == 0 {
			frame, err := c.frames.ReadFrame()
			w.Expect(err).NotTo(HaveOccurred())
			if f, ok := frame.(*http2.SettingsFrame); ok && f.IsAck() {
				c.acks++
			} else if ok {
				c.settings++
				w.Expect(c.frames.WriteSettingsAck()).To(Succeed())
			}
		}
		w.Expect(c.frames.WritePing(false, [8]byte{1})).To(Succeed())
		w.Expect(c.frames.WriteHeaders(request("/"))).To(Succeed())
		c.expectAnswers(1)
		w.Expect(c.pongs).To(Equal(1), "one of the two has answered")
	})
	t.Run("headers in pieces", func(t *testing.T) {
		c := speakTo(t, s.Addr())
		w.Expect(c.frames.WriteSettings()).To(Succeed())
		block := headers("/")
		w.Expect(c.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:3], EndStream: true})).To(Succeed())
		w.Expect(c.frames.WriteContinuation(1, false, block[3:4])).To(Succeed())
		w.Expect(c.frames.WriteContinuation(1, true, block[4:])).To(Succeed())
		c.expectAnswers(1)
	})
	t.Run("one byte at a time", func(t *testing.T) {
		c := speakTo(t, s.Addr())
		var said bytes.Buffer
		frames := http2.NewFramer(&said, nil)
		w.Expect(frames.WriteSettings()).To(Succeed())
		w.Expect(frames.WriteHeaders(request("/"))).To(Succeed())
		for _, b := range said.Bytes() {
			c.must(c.conn.Write([]byte{b}))
		}
		c.expectAnswers(1)
	})
}

// A client of gRPC may connect long before it asks anything, and wants answers to its pings meanwhile.
func TestSilentGRPCConnectionIsServed(t *testing.T) {
	w := NewWithT(t)
	s := serveBoth(t, listenLoopback(t))
	c := speakTo(t, s.Addr())
	w.Expect(c.frames.WriteSettings()).To(Succeed())
	w.Expect(c.frames.WritePing(false, [8]byte{1})).To(Succeed())
	for c.pongs == 0 || c.acks == 0 {
		frame, err := c.frames.ReadFrame()
		w.Expect(err).NotTo(HaveOccurred())
		switch f := frame.(type) {
		case *http2.PingFrame:
			c.pongs++
		case *http2.SettingsFrame:
			if f.IsAck() {
				c.acks++
			}
		}
	}
	w.Eventually(s.undecided.Len, "30s").Should(BeZero(), "it takes no place of those who have not spoken yet")
}

// Who says much and asks nothing is left to gRPC, whose server knows what to do about it.
func TestEndlessGreetingIsNotKept(t *testing.T) {
	w := NewWithT(t)
	var said bytes.Buffer
	said.WriteString(http2.ClientPreface)
	frames := http2.NewFramer(&said, nil)
	for said.Len() < 2*greetingMaxBytes {
		w.Expect(frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})).To(Succeed())
	}
	want := said.String()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		_, _ = io.Copy(far, &said)
		_ = far.Close()
	}()
	c := newUndecidedConn(near, newListener(near.LocalAddr()))
	got, err := io.ReadAll(iotest.OneByteReader(c))
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(string(got)).To(Equal(want))
	w.Expect(c.replay).To(BeNil())
}

// What is no HTTP/2 is passed on as it came: gRPC refuses it.
func TestNoiseBehindThePrefaceIsPassedOn(t *testing.T) {
	w := NewWithT(t)
	for _, noise := range []string{"", "x", "\xff\xff\xff\x04\x00\x00\x00\x00\x00", "\x00\x00\x01\x01\x04\x00\x00\x00\x01\xff", "\x00\x00\x08\x00\x00\x00\x00\x00\x01"} {
		for cut := range len(http2.ClientPreface) {
			said := http2.ClientPreface + noise
			if cut > 0 {
				said = said[:cut]
			}
			near, far := net.Pipe()
			go func() {
				_, _ = io.WriteString(far, said)
				_ = far.Close()
			}()
			got, err := io.ReadAll(newUndecidedConn(near, newListener(near.LocalAddr())))
			w.Expect(err).To(Or(BeNil(), MatchError(io.ErrUnexpectedEOF)))
			w.Expect(string(got)).To(Equal(said))
		}
	}
}

// The sieve has a slow twin: frames that are cut out of the whole stream.
func TestSieveDropsAcknowledgements(t *testing.T) {
	w := NewWithT(t)
	ack, ping, data := "\x00\x00\x00\x04\x01\x00\x00\x00\x00", "\x00\x00\x08\x06\x01\x00\x00\x00\x0012345678", "\x00\x00\x03\x00\x01\x00\x00\x00\x01abc"
	stream := ping + ack + data + ack + ack + ping
	for drop, want := range []string{stream, ping + data + ack + ack + ping, ping + data + ack + ping, ping + data + ping} {
		for size := 1; size <= len(stream); size++ {
			s := sieve{drop: drop}
			var got []byte
			for rest := []byte(stream); len(rest) > 0; {
				n := min(size, len(rest))
				got = s.pass(got, rest[:n])
				rest = rest[n:]
			}
			w.Expect(string(got)).To(Equal(want))
			w.Expect(s.open()).To(BeTrue())
		}
	}
}
