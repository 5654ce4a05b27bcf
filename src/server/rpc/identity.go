package rpc

import (
	"context"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"quoin.dev/api/rpctypes"

	"quoin.dev/server/auth"
	"quoin.dev/server/member"
)

// bearer may stand before a token.
const bearer = "Bearer "

// gatewayMark is in the metadata of requests that came through a JSON gateway: the certificate of its connection is not that of
// who sends them (CVE-2018-16886).
const gatewayMark = "grpcgateway-accept"

// identity finds out who sends requests.
type identity struct {
	m *member.Member
	// certificates: the common name of a client's certificate is the name of its user, where every client has to show one.
	certificates bool
	// audited: users are noted for the lines of their requests.
	audited bool
}

// of returns who sends a request; it costs next to nothing while authentication is off. Error: auth.ErrInvalidAuthToken.
func (i identity) of(ctx context.Context) (auth.Identity, error) {
	if !i.m.Auth().Enabled() {
		return auth.Identity{}, nil
	}
	c := member.Credentials{Token: tokenOf(ctx)}
	if c.Token == "" && i.certificates {
		c.CommonName = commonName(ctx)
	}
	who, err := i.m.Identify(ctx, c)
	if i.audited {
		noteUser(ctx, who.User)
	}
	return who, err
}

// tokenOf finds the token of a request, "" if there is none.
func tokenOf(ctx context.Context) string {
	for _, key := range []string{rpctypes.TokenFieldNameGRPC, rpctypes.TokenFieldNameSwagger} {
		if values := metadata.ValueFromIncomingContext(ctx, key); len(values) > 0 {
			return strings.TrimPrefix(values[0], bearer)
		}
	}
	return ""
}

// commonName is that of the certificate of the client, "" if it has shown none that can be trusted.
func commonName(ctx context.Context) string {
	if len(metadata.ValueFromIncomingContext(ctx, gatewayMark)) > 0 {
		return ""
	}
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	secured, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(secured.State.VerifiedChains) == 0 || len(secured.State.VerifiedChains[0]) == 0 {
		return ""
	}
	return secured.State.VerifiedChains[0][0].Subject.CommonName
}
