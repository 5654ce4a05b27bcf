package workload

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
)

const (
	maxResponseBytes = 64 << 20
	// windowBytes is what a member may send before it is read: little, so that a slow reader is felt.
	windowBytes = 64 << 10
)

// connect makes a connection, which is opened by the first call.
func connect(endpoint string, settings func() *tls.Config) *grpc.ClientConn {
	secure := insecure.NewCredentials()
	if settings != nil {
		secure = credentials.NewTLS(settings())
	}
	conn, err := grpc.NewClient("passthrough:///"+endpoint,
		grpc.WithTransportCredentials(secure),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithStatsHandler(sentHandler{}),
		grpc.WithInitialWindowSize(windowBytes),
		grpc.WithInitialConnWindowSize(windowBytes),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxResponseBytes)),
		// Members that come back are to be found soon, and 10 s is what gRPC allows at least.
		grpc.WithConnectParams(grpc.ConnectParams{
			MinConnectTimeout: 3 * time.Second,
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}),
	)
	if err != nil {
		panic(fmt.Sprintf("workload: the endpoint %q: %v", endpoint, err)) // nothing is dialed yet: it is a mistake of the caller
	}
	return conn
}

// sentKey is that of a context whose value, an *atomic.Bool, is set when something of the call may have left this process.
type sentKey struct{}

// sentHandler notices calls that get onto a connection. Those that never do have had no effect, whatever their error says; and there
// is no other sign of it that can be relied on.
type sentHandler struct{}

func (sentHandler) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); !ok {
		return
	}
	if sent, ok := ctx.Value(sentKey{}).(*atomic.Bool); ok {
		sent.Store(true)
	}
}

func (sentHandler) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (sentHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (sentHandler) HandleConn(context.Context, stats.ConnStats)                       {}
