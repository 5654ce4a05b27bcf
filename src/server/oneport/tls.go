package oneport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"google.golang.org/grpc/credentials"
)

// stateOf is what was agreed on when a connection was secured; nil for one in plain text.
func stateOf(conn net.Conn) *tls.ConnectionState {
	switch c := conn.(type) {
	case *tls.Conn:
		state := c.ConnectionState()
		return &state
	case interface{ tlsState() *tls.ConnectionState }:
		return c.tlsState()
	}
	return nil
}

// Credentials lets a gRPC server know which certificate the client of a connection from a Port has shown: services find a
// credentials.TLSInfo, as if gRPC itself had secured it. The port has done that already, and so connections with and without TLS can
// come to one server.
func Credentials() credentials.TransportCredentials { return knownCredentials{} }

type knownCredentials struct{}

// plainInfo is the credentials.AuthInfo of a connection without TLS.
type plainInfo struct{ credentials.CommonAuthInfo }

// AuthType implements credentials.AuthInfo.
func (plainInfo) AuthType() string { return "insecure" }

// ServerHandshake implements credentials.TransportCredentials.
func (knownCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if state := stateOf(conn); state != nil {
		secured := credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}
		return conn, credentials.TLSInfo{State: *state, CommonAuthInfo: secured}, nil
	}
	return conn, plainInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}, nil
}

// ClientHandshake implements credentials.TransportCredentials; these are for servers.
func (knownCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("oneport: these credentials are for servers")
}

// Info implements credentials.TransportCredentials.
func (knownCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials.
func (c knownCredentials) Clone() credentials.TransportCredentials { return c }

// OverrideServerName implements credentials.TransportCredentials.
func (knownCredentials) OverrideServerName(string) error { return nil }
