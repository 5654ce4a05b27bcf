package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"quoin.dev/server/config"
)

// errNotAllowed has etcd's words.
var errNotAllowed = errors.New("client certificate authentication failed")

// namesAllowed lets a verified certificate pass when it carries one of the allowed names. Both lists at once: it must satisfy
// each. Without a list there is nothing to check.
func namesAllowed(f config.TLSFiles) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(f.AllowedCNs) == 0 && len(f.AllowedHostnames) == 0 {
			return nil
		}
		if len(state.VerifiedChains) == 0 {
			return errNotAllowed
		}
		leaf := state.VerifiedChains[0][0]
		if len(f.AllowedCNs) > 0 && !slices.Contains(f.AllowedCNs, leaf.Subject.CommonName) {
			return errNotAllowed
		}
		carries := func(name string) bool { return leaf.VerifyHostname(name) == nil }
		if len(f.AllowedHostnames) > 0 && !slices.ContainsFunc(f.AllowedHostnames, carries) {
			return errNotAllowed
		}
		return nil
	}
}

// names asks the DNS; a *net.Resolver.
type names interface {
	LookupHost(ctx context.Context, host string) (addresses []string, err error)
	LookupAddr(ctx context.Context, address string) (names []string, err error)
}

// addressCheck holds the names in the certificate of a member against the address that it connects from, so that a stolen
// certificate is of no use on another machine.
type addressCheck struct{ names names }

// verify accepts a certificate without names; one that has the address; one with a host name of that address; and one with a
// wildcard for a name which the DNS has for the address.
func (c addressCheck) verify(ctx context.Context, from net.Addr, state tls.ConnectionState) error {
	leaf := state.PeerCertificates[0]
	tcp, ok := from.(*net.TCPAddr)
	if !ok || len(leaf.IPAddresses) == 0 && len(leaf.DNSNames) == 0 {
		return nil // a socket file is on this machine
	}
	ip := tcp.IP.String()
	wrongAddress := leaf.VerifyHostname(ip)
	if wrongAddress == nil {
		return nil
	}
	if len(leaf.DNSNames) == 0 {
		return wrongAddress
	}
	var reasons []string
	for _, name := range leaf.DNSNames {
		found, err := c.belongs(ctx, leaf, name, ip)
		if found {
			return nil
		}
		if err != nil {
			reasons = append(reasons, err.Error())
		}
	}
	return fmt.Errorf("tls: %q does not match any of DNSNames %q (%s)", ip, leaf.DNSNames, strings.Join(reasons, ", "))
}

// belongs asks the DNS whether a name of a certificate is one of an address.
func (c addressCheck) belongs(ctx context.Context, leaf *x509.Certificate, name, ip string) (bool, error) {
	if !strings.Contains(name, "*") {
		addresses, err := c.names.LookupHost(ctx, name)
		return slices.ContainsFunc(addresses, func(a string) bool { return net.ParseIP(a).Equal(net.ParseIP(ip)) }), err
	}
	hosts, err := c.names.LookupAddr(ctx, ip)
	return slices.ContainsFunc(hosts, func(host string) bool {
		return leaf.VerifyHostname(strings.TrimSuffix(host, ".")) == nil
	}), err
}
