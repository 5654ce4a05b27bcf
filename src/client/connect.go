package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"quoin.dev/client/internal/balance"
	"quoin.dev/client/internal/endpoint"
	"quoin.dev/pkg/vtcodec"
)

func parse(texts []string) ([]endpoint.Endpoint, error) {
	list := make([]endpoint.Endpoint, len(texts))
	for i, text := range texts {
		var err error
		if list[i], err = endpoint.Parse(text); err != nil {
			return nil, fmt.Errorf("etcdclient: %w", err)
		}
	}
	return list, nil
}

func (c *Client) connect(to *balance.Endpoints) (*grpc.ClientConn, error) {
	byDefault, secure := c.transportSecurity()
	opts := []grpc.DialOption{
		grpc.WithResolvers(to),
		grpc.WithContextDialer(dial),
		grpc.WithTransportCredentials(balance.NewCredentials(secure, byDefault)),
		grpc.WithPerRPCCredentials(c.access),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodecV2(vtcodec.Codec{}),
			grpc.WaitForReady(true),
			grpc.MaxCallSendMsgSize(or(c.cfg.MaxCallSendMsgSize, defaultMaxSendBytes)),
			grpc.MaxCallRecvMsgSize(or(c.cfg.MaxCallRecvMsgSize, defaultMaxRecvBytes)),
		),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: connectBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: connectBackoffMost},
			MinConnectTimeout: or(c.cfg.DialTimeout, defaultConnectTimeout),
		}),
		grpc.WithChainUnaryInterceptor(c.repeatUnary),
	}
	if c.cfg.DialKeepAliveTime >= 0 {
		opts = append(opts, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:                or(c.cfg.DialKeepAliveTime, defaultKeepAliveTime),
			Timeout:             or(c.cfg.DialKeepAliveTimeout, defaultKeepAliveTimeout),
			PermitWithoutStream: c.cfg.PermitWithoutStream,
		}))
	}
	return grpc.NewClient(to.Target(), append(opts, c.cfg.DialOptions...)...)
}

// transportSecurity returns what endpoints without a scheme use, and TLS for those who use that.
func (c *Client) transportSecurity() (byDefault endpoint.Security, secure credentials.TransportCredentials) {
	switch {
	case c.cfg.GetTLS != nil:
		return endpoint.TLS, freshTLS{credentials.NewTLS(c.cfg.GetTLS()), c.cfg.GetTLS}
	case c.cfg.TLS != nil:
		return endpoint.TLS, credentials.NewTLS(c.cfg.TLS)
	}
	return endpoint.Plain, credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
}

// freshTLS makes each handshake with the settings of that moment.
type freshTLS struct {
	credentials.TransportCredentials // with the settings of the beginning
	settings                         func() *tls.Config
}

// ClientHandshake implements credentials.TransportCredentials.
func (f freshTLS) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(f.settings()).ClientHandshake(ctx, authority, conn)
}

// Clone implements credentials.TransportCredentials.
func (f freshTLS) Clone() credentials.TransportCredentials {
	return freshTLS{f.TransportCredentials.Clone(), f.settings}
}

// dial opens the connection for an address in the form of endpoint.Endpoint.DialTarget.
func dial(ctx context.Context, address string) (net.Conn, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func newLogger(cfg *zap.Config) (*zap.Logger, error) {
	if cfg != nil {
		return cfg.Build()
	}
	level := zapcore.InfoLevel
	if text := os.Getenv("ETCD_CLIENT_DEBUG"); text != "" && text != "true" {
		if err := level.Set(text); err != nil {
			return nil, fmt.Errorf("etcdclient: ETCD_CLIENT_DEBUG=%q: %w", text, err)
		}
	}
	std := zap.NewProductionConfig()
	std.Level = zap.NewAtomicLevelAt(level)
	std.Sampling = nil
	std.DisableStacktrace = true
	std.EncoderConfig.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.999999Z0700")
	return std.Build()
}
