// Package gateway serves the gRPC API of a member as JSON, over HTTP and WebSocket.
//
// Its requests reach the gRPC server of the same process through memory, as those of one more client: limits, checks and errors are
// the same on both ways. That connection has no certificate, so nobody becomes a user here by one (CVE-2018-16886); a token goes
// along in the headers Authorization or Grpc-Metadata-Token.
package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"quoin.dev/api/rpctypes"
	"quoin.dev/pkg/vtcodec"

	"quoin.dev/server/gateway/internal/etcdserverpb"
	"quoin.dev/server/gateway/internal/v3electionpb"
	"quoin.dev/server/gateway/internal/v3lockpb"
)

const (
	// Path is where the API is served, and BetaPath where clients of etcd 3.3 look for it.
	Path     = "/v3/"
	BetaPath = "/v3beta/"

	// pipeBytes is how much waits in memory between the gateway and the gRPC server, each way.
	pipeBytes = 256 << 10
	// bodyTimeout bounds how long a request that is one message may take to arrive.
	bodyTimeout = time.Minute
	// bodyLinger is how long the end of a response waits for a client in the middle of its body.
	bodyLinger = time.Second
	// writeTimeout bounds how long a client may take nothing of a response before it is given up.
	writeTimeout = time.Minute
	// responseMaxBytes bounds one message of a response: as large as gRPC itself allows.
	responseMaxBytes = 1<<31 - 1
)

// Options are how a gateway treats its clients.
type Options struct {
	// MaxMessageBytes bounds one message of a request as JSON. It should leave room: JSON is larger than what gRPC sends, and what
	// is too large for the server shall get the server's answer.
	MaxMessageBytes int
	// AuthEnabled reports whether requests need a user; nil for never.
	AuthEnabled func() bool
}

// Gateway is an http.Handler for Path and BetaPath.
type Gateway struct {
	options   Options
	mux       *runtime.ServeMux
	streaming map[string]bool // paths whose requests are many messages
	pipe      *bufconn.Listener
	conn      *grpc.ClientConn
	serving   sync.WaitGroup

	// open ends with Close. The HTTP server does not know of WebSockets any more.
	open  context.Context
	close context.CancelFunc
}

// asMetadata names the metadata that a header of a request becomes. It is what services read from clients and nothing else, so that
// no header passes for something that the gateway says.
func asMetadata(header string) (name string, ok bool) {
	name, ok = strings.CutPrefix(strings.ToLower(header), "grpc-metadata-")
	return name, ok && slices.Contains([]string{"token", "authorization", rpctypes.MetadataRequireLeaderKey}, name)
}

// plainCodec has no name, so that clients see the content type that they always saw.
type plainCodec struct{ vtcodec.Codec }

// Name implements encoding.CodecV2.
func (plainCodec) Name() string { return "" }

// New returns the gateway to a server, which has all its services already. It has to be closed, before the server is stopped.
func New(server *grpc.Server, o Options) (*Gateway, error) {
	g := &Gateway{options: o, streaming: streamingPaths(), pipe: bufconn.Listen(pipeBytes)}
	g.mux = runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newCodec(o.MaxMessageBytes)),
		runtime.WithIncomingHeaderMatcher(asMetadata),
	)
	g.open, g.close = context.WithCancel(context.Background())
	conn, err := grpc.NewClient("passthrough:///member",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return g.pipe.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodecV2(plainCodec{}),
			grpc.MaxCallRecvMsgSize(responseMaxBytes),
			grpc.MaxCallSendMsgSize(responseMaxBytes),
		),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	g.conn = conn
	for _, register := range []func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
		etcdserverpb.RegisterKVHandler, etcdserverpb.RegisterWatchHandler, etcdserverpb.RegisterLeaseHandler,
		etcdserverpb.RegisterClusterHandler, etcdserverpb.RegisterMaintenanceHandler, etcdserverpb.RegisterAuthHandler,
		v3electionpb.RegisterElectionHandler, v3lockpb.RegisterLockHandler,
	} {
		if err := register(g.open, g.mux, conn); err != nil {
			g.Close()
			return nil, fmt.Errorf("gateway: %w", err)
		}
	}
	g.serving.Go(func() { _ = server.Serve(g.pipe) }) // ends with the pipe, or with the server
	return g, nil
}

// Close ends every request. It returns when nothing of the gateway runs any more but what serves HTTP.
func (g *Gateway) Close() {
	g.close()
	_ = g.conn.Close()
	_ = g.pipe.Close()
	g.serving.Wait()
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.ignoresCertificate(r) {
		// A client that shows who it is, and is then served as nobody, shall learn it.
		http.Error(w, "CommonName of client sending a request against gateway will be ignored and not used as expected", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(g.open, cancel)()
	r = r.Clone(ctx)
	if rest, beta := strings.CutPrefix(r.URL.Path, BetaPath); beta {
		r.URL.Path, r.URL.RawPath = Path+rest, ""
	}
	if wantsSocket(r) {
		g.serveSocket(w, r)
		return
	}
	control := http.NewResponseController(w)
	if whole := r.ContentLength >= 0 && r.ContentLength <= int64(g.options.MaxMessageBytes); g.streaming[r.URL.Path] && !whole {
		_ = control.EnableFullDuplex() // what HTTP/1 does not do by itself: to read on after the answer has begun
		body := r.Body
		if r.ProtoMajor == 1 {
			// Where the response is over before the body is, the rest of the body must not be taken for the next request.
			w.Header().Set("Connection", "close")
			duplex := newDuplexBody(body)
			defer func() {
				_ = control.Flush()
				duplex.end(ctx)
			}()
			body = duplex
		}
		r.Body = &streamBody{body, cancel}
	} else {
		r.Body = g.readAhead(w, r, control)
	}
	g.mux.ServeHTTP(&pacedWriter{ResponseWriter: w, control: control}, r)
}

// ignoresCertificate reports whether a request brings the name of a user in its certificate, and needs a user.
func (g *Gateway) ignoresCertificate(r *http.Request) bool {
	return r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && r.TLS.PeerCertificates[0].Subject.CommonName != "" &&
		g.options.AuthEnabled != nil && g.options.AuthEnabled()
}

// pacedWriter gives a client a time for each part of a response, however long the whole takes.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (w *pacedWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (w *pacedWriter) Flush() {
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	_ = w.control.Flush()
}

// Unwrap is for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
