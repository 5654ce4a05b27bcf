package client

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/metadata"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/api/version"
)

// apiVersion is the major and minor version of the API, which members count requests by.
var apiVersion = version.API[:strings.LastIndexByte(version.API, '.')]

// access is the metadata that goes with every request of a client: its API version and, with auth, a token. It
// implements credentials.PerRPCCredentials.
type access struct {
	current atomic.Pointer[map[string]string]
	renew   sync.Mutex // held while a new token is obtained, so that many failing calls obtain one
}

func newAccess(token string) *access {
	a := &access{}
	a.set(token)
	return a
}

func (a *access) set(token string) {
	md := map[string]string{rpctypes.MetadataClientAPIVersionKey: apiVersion}
	if token != "" {
		md[rpctypes.TokenFieldNameGRPC] = token
	}
	a.current.Store(&md)
}

func (a *access) token() string { return (*a.current.Load())[rpctypes.TokenFieldNameGRPC] }

// GetRequestMetadata implements credentials.PerRPCCredentials. gRPC only reads the map, and it is never changed.
func (a *access) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return *a.current.Load(), nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. As with etcd, a token also goes over connections
// without TLS; whether those are acceptable is for whoever lists the endpoints to decide.
func (a *access) RequireTransportSecurity() bool { return false }

func (c *Client) hasPassword() bool { return c.Username != "" && c.Password != "" }

// obtainToken exchanges the password for a token. On a cluster without auth the client goes on without one.
func (c *Client) obtainToken(ctx context.Context) error {
	resp, err := pb.NewAuthClient(c.conn).Authenticate(ctx, &pb.AuthenticateRequest{Name: c.Username, Password: c.Password})
	if rpctypes.Error(err) == rpctypes.ErrAuthNotEnabled {
		c.access.set("")
		return nil
	}
	if err != nil {
		return err
	}
	c.access.set(resp.Token)
	return nil
}

// replaceToken obtains a token unless another call has replaced the refused one meanwhile.
func (c *Client) replaceToken(ctx context.Context, refused string) error {
	c.access.renew.Lock()
	defer c.access.renew.Unlock()
	if c.access.token() != refused {
		return nil
	}
	return c.obtainToken(ctx)
}

// WithRequireLeader returns a context whose calls fail with rpctypes.ErrNoLeader instead of waiting at a member that
// knows no leader.
func WithRequireLeader(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader)
}
