package client

import (
	"context"
	"crypto/tls"
	"math"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// Config says how a Client reaches the cluster. Only Endpoints is required.
type Config struct {
	// Endpoints lists members as host:port, http://host:port, https://host:port, unix:path or unixs:path.
	Endpoints []string `json:"endpoints"`

	// AutoSyncInterval is how often the endpoints are replaced by the client URLs that the members advertise; 0 = never.
	AutoSyncInterval time.Duration `json:"auto-sync-interval"`

	// DialTimeout bounds one attempt to connect to a member, and in New the call that obtains a token. 0 = 5 s for
	// an attempt, no bound for the token.
	DialTimeout time.Duration `json:"dial-timeout"`

	// DialKeepAliveTime is the silence after which the client asks a member for a sign of life. 0 = 30 s, negative =
	// never. Below 10 s it has no effect, since members take frequent pings for an attack.
	DialKeepAliveTime time.Duration `json:"dial-keep-alive-time"`

	// DialKeepAliveTimeout is how long the client waits for that sign before it drops the connection. 0 = 10 s.
	DialKeepAliveTimeout time.Duration `json:"dial-keep-alive-timeout"`

	// MaxCallSendMsgSize bounds a request, in bytes. 0 = 2 MiB, just above what a member accepts by default.
	MaxCallSendMsgSize int

	// MaxCallRecvMsgSize bounds a response, in bytes. 0 = no bound but that of gRPC, 2 GiB.
	MaxCallRecvMsgSize int

	// TLS is used for https and unixs endpoints and for those without a scheme. nil = those without a scheme go without
	// TLS, the others with the roots of the system.
	TLS *tls.Config

	// GetTLS, if set, is asked for the settings of each new connection, and TLS is not used. A program whose certificates are
	// replaced while it runs gives the method Client of a tlsfiles.Store (quoin.dev/pkg/tlsfiles).
	GetTLS func() *tls.Config

	// Username and Password, when both are set, are exchanged for a token that goes with every request.
	Username string `json:"username"`
	Password string `json:"password"`

	// Token goes with every request instead of one that is obtained with a password.
	Token string `json:"token"`

	// RejectOldCluster makes New fail with ErrOldCluster when a member is older than 3.4.
	RejectOldCluster bool `json:"reject-old-cluster"`

	// DialOptions are applied after the client's own and so override them.
	DialOptions []grpc.DialOption

	// Context is the parent of all that the client does in the background; its end closes the client's calls.
	Context context.Context

	// Logger receives a line for each failed request, at level warn. nil = a logger as LogConfig says.
	Logger *zap.Logger

	// LogConfig builds the logger when Logger is nil. nil = JSON lines on stderr from level info, or from the level
	// that the environment variable ETCD_CLIENT_DEBUG names.
	LogConfig *zap.Config

	// PermitWithoutStream asks for signs of life also while no request is in flight.
	PermitWithoutStream bool `json:"permit-without-stream"`

	// MaxUnaryRetries bounds how often one reading call is repeated. 0 = 100.
	MaxUnaryRetries uint `json:"max-unary-retries"`

	// BackoffWaitBetween is the pause before a read is repeated for the second time round the members; it doubles with
	// each round, up to 40 times the first. 0 = 25 ms.
	BackoffWaitBetween time.Duration `json:"backoff-wait-between"`

	// BackoffJitterFraction randomises each pause by up to this part of it, both ways. 0 = 0.1.
	BackoffJitterFraction float64 `json:"backoff-jitter-fraction"`
}

const (
	defaultConnectTimeout   = 5 * time.Second
	defaultKeepAliveTime    = 30 * time.Second
	defaultKeepAliveTimeout = 10 * time.Second
	defaultMaxSendBytes     = 2 << 20
	defaultMaxRecvBytes     = math.MaxInt32
	defaultMaxUnaryRetries  = 100
	defaultBackoff          = 25 * time.Millisecond
	defaultJitter           = 0.1

	// A member that restarts is back within seconds, so attempts to connect stay frequent.
	connectBackoff     = 100 * time.Millisecond
	connectBackoffMost = 3 * time.Second

	// backoffGrowth bounds the pause between two rounds as a multiple of the first one.
	backoffGrowth = 40
)

// or returns value, or fallback when value is zero.
func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
