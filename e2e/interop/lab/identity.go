package lab

import (
	"context"
	"crypto/tls"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// Identity is who asks a member. The zero value is nobody.
type Identity struct {
	// User and Password are exchanged for a token. On a cluster without auth they do no harm.
	User, Password string
	// Token is sent as it is, instead.
	Token string
	// Certificate is shown to members with TLS.
	Certificate *Certificate
}

// tls is nil for members without TLS.
func (id Identity) tls(a *Authority) *tls.Config {
	if a == nil {
		return nil
	}
	c := &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12}
	if id.Certificate != nil {
		c.Certificates = []tls.Certificate{id.Certificate.tls}
	}
	return c
}

func (id Identity) dialOptions(a *Authority) []grpc.DialOption {
	creds := insecure.NewCredentials()
	if c := id.tls(a); c != nil {
		creds = credentials.NewTLS(c)
	}
	l := &login{Identity: id, token: id.Token}
	return []grpc.DialOption{
		grpc.WithTransportCredentials(creds), grpc.WithUnaryInterceptor(l.unary), grpc.WithStreamInterceptor(l.stream),
	}
}

// login sends the token of an identity with every request, and obtains one before the first.
type login struct {
	Identity
	first sync.Once
	mu    sync.Mutex // guards token
	token string
}

func (l *login) outgoing(ctx context.Context) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "token", l.token)
}

// obtain fails on a cluster without auth, where none is needed.
func (l *login) obtain(ctx context.Context, conn *grpc.ClientConn) error {
	r, err := etcdserverpb.NewAuthClient(conn).Authenticate(ctx, &etcdserverpb.AuthenticateRequest{Name: l.User, Password: l.Password})
	if err == nil {
		l.mu.Lock()
		l.token = r.Token
		l.mu.Unlock()
	}
	return err
}

func (l *login) unary(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if l.User == "" || strings.HasSuffix(method, "/Authenticate") {
		return invoke(l.outgoing(ctx), method, req, reply, conn, opts...)
	}
	l.first.Do(func() { _ = l.obtain(ctx, conn) }) // the request itself says what is wrong
	err := invoke(l.outgoing(ctx), method, req, reply, conn, opts...)
	if !refused(err) || l.obtain(ctx, conn) != nil {
		return err
	}
	return invoke(l.outgoing(ctx), method, req, reply, conn, opts...)
}

func (l *login) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if l.User != "" {
		_ = l.obtain(ctx, conn) // the stream says what is wrong
	}
	return open(l.outgoing(ctx), desc, conn, method, opts...)
}

// refused reports whether another token may help.
func refused(err error) bool {
	if err == nil {
		return false
	}
	for _, reason := range []string{"user name is empty", "invalid auth token", "revision of auth store is old"} {
		if strings.Contains(err.Error(), reason) {
			return true
		}
	}
	return false
}
