package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/gomega"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3electionpb"
	"quoin.dev/api/v3lockpb"
)

const maxMessage = 1000

func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) // clients that leave are no news
	os.Exit(m.Run())
}

// store answers what it needs to for these tests; what it has not heard of is unimplemented.
type store struct {
	pb.UnimplementedKVServer
	pb.UnimplementedWatchServer
	pb.UnimplementedLeaseServer
	seen  chan context.Context // of every request
	ended chan error           // why each watch ended
}

func (s *store) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	s.seen <- ctx
	return &pb.RangeResponse{Count: int64(len(r.Key))}, nil
}

// Watch confirms every watch.
func (s *store) Watch(stream pb.Watch_WatchServer) error {
	s.seen <- stream.Context()
	defer func() { s.ended <- stream.Context().Err() }()
	for id := int64(1); ; id++ {
		if _, err := stream.Recv(); err == io.EOF {
			<-stream.Context().Done()
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.Send(&pb.WatchResponse{WatchId: id, Created: true}); err != nil {
			return err
		}
	}
}

type served struct {
	*store
	*Gateway
	http        *httptest.Server
	connections atomic.Int32
}

func serve(t testing.TB, o Options) *served {
	t.Helper()
	s := &served{store: &store{seen: make(chan context.Context, 100), ended: make(chan error, 100)}}
	server := grpc.NewServer()
	pb.RegisterKVServer(server, s.store)
	pb.RegisterWatchServer(server, s.store)
	pb.RegisterLeaseServer(server, s.store)
	pb.RegisterClusterServer(server, pb.UnimplementedClusterServer{})
	pb.RegisterMaintenanceServer(server, pb.UnimplementedMaintenanceServer{})
	pb.RegisterAuthServer(server, pb.UnimplementedAuthServer{})
	v3electionpb.RegisterElectionServer(server, v3electionpb.UnimplementedElectionServer{})
	v3lockpb.RegisterLockServer(server, v3lockpb.UnimplementedLockServer{})
	o.MaxMessageBytes = maxMessage
	var err error
	s.Gateway, err = New(server, o)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	s.http = httptest.NewUnstartedServer(s.Gateway)
	s.http.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.http.Start()
	t.Cleanup(func() {
		s.Gateway.Close()
		server.Stop()
		s.http.Close()
	})
	return s
}

func (s *served) post(t *testing.T, path, body string) (int, string) {
	t.Helper()
	w := NewWithT(t)
	response, err := http.Post(s.http.URL+path, "application/json", strings.NewReader(body))
	w.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	w.Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(text)
}

// TestEveryAnnotatedMethodIsServed asks for each path that the API names.
func TestEveryAnnotatedMethodIsServed(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, Options{})
	asked := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("etcdserverpb", eachPath(func(method, path string) {
		asked++
		if strings.HasSuffix(path, "/range") || strings.HasSuffix(path, "/watch") {
			return
		}
		_, body := s.post(t, path, "{}")
		w.Expect(body).To(ContainSubstring("method "+method+" not implemented"), path)
	}))
	w.Expect(asked).To(Equal(44))
	w.Expect(s.streaming).To(Equal(map[string]bool{"/v3/watch": true, "/v3/lease/keepalive": true}))
}

// TestConnectionsServeOneStreamAfterTheOther asks on one connection for streams that end at once, over and over: with nothing left of the
// stream before, the connection serves the next, and where its end can not be known, it says so.
func TestConnectionsServeOneStreamAfterTheOther(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, Options{})
	for n := range 200 {
		status, body := s.post(t, "/v3/lease/keepalive", "{}")
		w.Expect(body).To(ContainSubstring("not implemented"), "the %dth", n)
		w.Expect(status).To(Equal(http.StatusNotImplemented))
	}
	w.Expect(s.connections.Load()).To(BeEquivalentTo(1))
	for range 200 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http.URL+"/v3/lease/keepalive", io.MultiReader(strings.NewReader("{}")))
		w.Expect(err).NotTo(HaveOccurred())
		response, err := http.DefaultClient.Do(request)
		w.Expect(err).NotTo(HaveOccurred())
		text, err := io.ReadAll(response.Body)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(response.Body.Close()).To(Succeed())
		w.Expect(string(text)).To(ContainSubstring("not implemented"))
		w.Expect(response.Close).To(BeTrue())
	}
}

// TestStreamAnswersWhatComesBeforeNonsense, as etcd does.
func TestStreamAnswersWhatComesBeforeNonsense(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, Options{})
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.http.URL+"/v3/watch", strings.NewReader(`{"create_request":{}}nonsense`))
	w.Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	w.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(line).To(MatchJSON(`{"result":{"watch_id":"1","created":true}}`))
	leave()
	w.Eventually(s.ended, "20s").Should(Receive(), "the client's leaving is noticed")
}

func eachPath(do func(method, path string)) func(protoreflect.FileDescriptor) bool {
	return func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				m := f.Services().Get(i).Methods().Get(j)
				rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
				if rule.GetPost() != "" {
					do(string(m.Name()), rule.GetPost())
				}
				for _, more := range rule.GetAdditionalBindings() {
					do(string(m.Name()), more.GetPost())
				}
			}
		}
		return true
	}
}

func TestMessagesAreBounded(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, Options{})
	key := func(n int) string {
		return `{"key":"` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `"}`
	}
	status, body := s.post(t, "/v3/kv/range", key(maxMessage/2))
	w.Expect(body).To(MatchJSON(fmt.Sprintf(`{"count":"%d"}`, maxMessage/2)))
	w.Expect(status).To(Equal(http.StatusOK))
	for _, large := range []string{key(maxMessage), strings.Repeat(" ", maxMessage) + key(1)} {
		status, body = s.post(t, "/v3/kv/range", large)
		w.Expect(body).To(ContainSubstring("too large"))
		w.Expect(status).To(Equal(http.StatusBadRequest))
	}

	// A stream may be longer, as long as its messages are not: then it ends, while its client has more to say.
	create := `{"create_request":` + key(100) + "}\n"
	reader, writer := io.Pipe()
	count := 3 * maxMessage / len(create)
	go func() {
		for range count {
			_, _ = io.WriteString(writer, create)
		}
		_, _ = io.WriteString(writer, `{"create_request":`+key(3*maxMessage)+"}\n"+create)
		// The body stays open.
	}()
	defer reader.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http.URL+"/v3/watch", reader)
	w.Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	w.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	answers := bufio.NewScanner(response.Body)
	for n := 0; answers.Scan() && !strings.Contains(answers.Text(), "error"); n++ {
		w.Expect(answers.Text()).To(MatchJSON(fmt.Sprintf(`{"result":{"watch_id":"%d","created":true}}`, n+1)))
		w.Expect(n).To(BeNumerically("<", count))
	}
	w.Eventually(s.ended, "20s").Should(Receive())
}

// A certificate makes nobody a user on this way, and who shows one is told so (CVE-2018-16886).
func TestCertificateIsNoUser(t *testing.T) {
	w := NewWithT(t)
	enabled := false
	s := serve(t, Options{AuthEnabled: func() bool { return enabled }})
	ask := func(name string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "https://x/v3/kv/range", strings.NewReader(`{"key":"eA=="}`))
		leaf := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, r)
		return answer
	}
	for _, enabled = range []bool{false, true} {
		for _, name := range []string{"", "root"} {
			answer := ask(name, "Authorization", "Bearer token", "Grpc-Metadata-Token", "other")
			if enabled && name != "" {
				w.Expect(answer.Code).To(Equal(http.StatusBadRequest))
				w.Expect(answer.Body.String()).To(Equal("CommonName of client sending a request against gateway will be ignored and not used as expected\n"))
				w.Expect(s.seen).NotTo(Receive())
				continue
			}
			w.Expect(answer.Code).To(Equal(http.StatusOK))
			var ctx context.Context
			w.Expect(s.seen).To(Receive(&ctx))
			from, _ := peer.FromContext(ctx)
			w.Expect(from.AuthInfo).NotTo(BeAssignableToTypeOf(credentials.TLSInfo{}))
			md, _ := metadata.FromIncomingContext(ctx)
			w.Expect(md.Get("authorization")).To(Equal([]string{"Bearer token"}))
			w.Expect(md.Get("token")).To(Equal([]string{"other"}))
		}
	}
}

func (s *served) dial(t *testing.T, path string, o *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), s.http.URL+path, o)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func TestWebSocketCarriesAStream(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, Options{})
	for _, path := range []string{"/v3/watch", "/v3beta/watch", "/v3/watch?method=POST"} {
		conn := s.dial(t, path, &websocket.DialOptions{Subprotocols: []string{"Bearer", "token"}})
		w.Expect(conn.Subprotocol()).To(Equal("Bearer"))
		for n, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary, websocket.MessageText} {
			w.Expect(conn.Write(t.Context(), kind, []byte(`{"create_request":{"key":"eA=="}}`))).To(Succeed())
			kind, message, err := conn.Read(t.Context())
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(kind).To(Equal(websocket.MessageText))
			w.Expect(message).To(MatchJSON(fmt.Sprintf(`{"result":{"watch_id":"%d","created":true}}`, n+1)))
		}
		md, _ := metadata.FromIncomingContext(<-s.seen)
		w.Expect(md.Get("authorization")).To(ContainElement("Bearer token"))
		w.Expect(s.ended).NotTo(Receive())
		w.Expect(conn.Close(websocket.StatusNormalClosure, "")).To(Succeed())
		w.Eventually(s.ended, "20s").Should(Receive(), "the stream ends with the socket")
	}
}

func TestWebSocketEnds(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, Options{})
	t.Run("with an error", func(t *testing.T) {
		conn := s.dial(t, "/v3/nope", nil)
		_, message, err := conn.Read(t.Context())
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(message).To(MatchJSON(`{"code":5,"message":"Not Found"}`))
		_, _, err = conn.Read(t.Context())
		w.Expect(websocket.CloseStatus(err)).To(Equal(websocket.StatusNormalClosure))
	})
	t.Run("when a message is too large", func(t *testing.T) {
		conn := s.dial(t, "/v3/watch", nil)
		_ = conn.Write(t.Context(), websocket.MessageText, make([]byte, maxMessage+1))
		_, _, err := conn.Read(t.Context())
		w.Expect(websocket.CloseStatus(err)).To(Equal(websocket.StatusMessageTooBig))
	})
	t.Run("when its client is gone", func(t *testing.T) {
		conn := s.dial(t, "/v3/watch", nil)
		w.Expect(conn.Write(t.Context(), websocket.MessageText, []byte(`{"create_request":{}}`))).To(Succeed())
		_, _, err := conn.Read(t.Context())
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(conn.CloseNow()).To(Succeed())
		w.Eventually(s.ended, "20s").Should(Receive())
	})
	t.Run("with the gateway", func(t *testing.T) {
		conn := s.dial(t, "/v3/watch", nil)
		w.Expect(conn.Write(t.Context(), websocket.MessageText, []byte(`{"create_request":{}}`))).To(Succeed())
		_, _, err := conn.Read(t.Context())
		w.Expect(err).NotTo(HaveOccurred())
		closed := make(chan struct{})
		go func() {
			s.Gateway.Close()
			close(closed)
		}()
		w.Eventually(closed, "20s").Should(BeClosed())
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for err == nil {
			_, _, err = conn.Read(ctx)
		}
		w.Expect(ctx.Err()).NotTo(HaveOccurred(), "the server ended it")
	})
}

// A client that goes away in the middle of its own messages is noticed.
func TestLeavingClientEndsItsStream(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, Options{})
	for _, rest := range []string{"", `{"create_request":`, "nonsense", `{"create_request":{}}`} {
		conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
		w.Expect(err).NotTo(HaveOccurred())
		body := `{"create_request":{}}`
		_, err = fmt.Fprintf(conn, "POST /v3/watch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s", len(body), body, len(rest)+1, rest)
		w.Expect(err).NotTo(HaveOccurred())
		w.Eventually(s.seen, "20s").Should(Receive())
		w.Expect(conn.Close()).To(Succeed())
		w.Eventually(s.ended, "20s").Should(Receive(), rest)
	}
}
