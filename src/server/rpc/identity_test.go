package rpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"quoin.dev/server/auth"
)

// TestWhoSends is the policy for tokens and certificates (CVE-2018-16886): the name in a certificate counts only where all clients
// have to show one, only if it was verified, never for what comes through a gateway, and never beside a token.
func TestWhoSends(t *testing.T) {
	g := guard(t)
	revision := g.m.Auth().Revision()
	shown := func(verified bool) *peer.Peer {
		leaf := &x509.Certificate{Subject: pkix.Name{CommonName: bare}}
		state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
		if verified {
			state.VerifiedChains = [][]*x509.Certificate{{leaf}}
		}
		return &peer.Peer{AuthInfo: credentials.TLSInfo{State: state}}
	}
	for name, c := range map[string]struct {
		certificates bool
		peer         *peer.Peer
		metadata     metadata.MD
		want         string
		err          error
	}{
		"nothing":                               {true, nil, nil, "", nil},
		"a token":                               {true, nil, metadata.Pairs("token", g.tokens[limited]), limited, nil},
		"a token of the gateway":                {true, nil, metadata.Pairs("authorization", g.tokens[limited]), limited, nil},
		"a token after its scheme":              {true, nil, metadata.Pairs("authorization", "Bearer "+g.tokens[limited]), limited, nil},
		"two tokens":                            {true, nil, metadata.Pairs("token", g.tokens[limited], "authorization", g.tokens[root]), limited, nil},
		"a wrong token":                         {true, nil, metadata.Pairs("token", g.tokens[forger]), "", auth.ErrInvalidAuthToken},
		"a certificate":                         {true, shown(true), nil, bare, nil},
		"a certificate that nobody asked for":   {false, shown(true), nil, "", nil},
		"a certificate that was not verified":   {true, shown(false), nil, "", nil},
		"a certificate of the gateway":          {true, shown(true), metadata.Pairs("grpcgateway-accept", "*/*"), "", nil},
		"a certificate and a token":             {true, shown(true), metadata.Pairs("token", g.tokens[limited]), limited, nil},
		"a certificate and a wrong token":       {true, shown(true), metadata.Pairs("token", g.tokens[forger]), "", auth.ErrInvalidAuthToken},
		"a certificate and a token of nobody's": {true, shown(true), metadata.Pairs("token", ""), bare, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			ctx := metadata.NewIncomingContext(t.Context(), c.metadata)
			if c.peer != nil {
				ctx = peer.NewContext(ctx, c.peer)
			}
			who, err := identity{m: g.m, certificates: c.certificates}.of(ctx)
			if c.err != nil {
				w.Expect(err).To(MatchError(c.err))
				return
			}
			w.Expect(err).NotTo(HaveOccurred())
			want := auth.Identity{}
			if c.want != "" {
				want = auth.Identity{User: c.want, Revision: revision}
			}
			w.Expect(who).To(Equal(want))
		})
	}
}

// TestNobodyIsAskedWhileAuthenticationIsOff: then it costs no allocation to find that out.
func TestNobodyIsAskedWhileAuthenticationIsOff(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, nil)
	who := identity{m: s.m, certificates: true}
	check := access{who}
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("token", "x"))
	w.Expect(testing.AllocsPerRun(100, func() {
		if _, err := who.of(ctx); err != nil {
			t.Error(err)
		}
		if err := check.check(ctx, "/etcdserverpb.KV/Put", nil); err != nil {
			t.Error(err)
		}
		if err := s.m.Auth().Read(auth.Identity{}, []byte("k"), nil); err != nil {
			t.Error(err)
		}
	})).To(BeZero())
}
