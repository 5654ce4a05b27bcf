package balance

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"quoin.dev/client/internal/endpoint"
)

// Credentials secures each connection as its endpoint asks: with TLS, without, or, where the endpoint leaves it open,
// as configured. One client may so list members with and without TLS, as during a migration.
type Credentials struct {
	credentials.TransportCredentials // TLS
	plain                            credentials.TransportCredentials
	byDefault                        endpoint.Security
}

// NewCredentials returns credentials that use secure for endpoints with TLS. byDefault is TLS or Plain.
func NewCredentials(secure credentials.TransportCredentials, byDefault endpoint.Security) Credentials {
	return Credentials{secure, insecure.NewCredentials(), byDefault}
}

// ClientHandshake implements credentials.TransportCredentials.
func (c Credentials) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	want, _ := credentials.ClientHandshakeInfoFromContext(ctx).Attributes.Value(securityKey{}).(endpoint.Security)
	if want == endpoint.AsConfigured {
		want = c.byDefault
	}
	if want == endpoint.TLS {
		return c.TransportCredentials.ClientHandshake(ctx, authority, conn)
	}
	return c.plain.ClientHandshake(ctx, authority, conn)
}

// Clone implements credentials.TransportCredentials.
func (c Credentials) Clone() credentials.TransportCredentials {
	return Credentials{c.TransportCredentials.Clone(), c.plain.Clone(), c.byDefault}
}
