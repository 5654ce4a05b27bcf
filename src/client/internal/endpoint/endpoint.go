// Package endpoint reads the ways in which a user writes the address of a member.
package endpoint

import (
	"fmt"
	"net/url"
	"strings"
)

// Security says what an endpoint asks of the transport.
type Security int

// The scheme of an endpoint decides about TLS; without one, the configuration of the client does.
const (
	AsConfigured Security = iota // host:port, unix:path without a TLS claim
	Plain                        // http://
	TLS                          // https://, unixs:
)

// Endpoint is a parsed endpoint.
type Endpoint struct {
	// Network is "tcp" or "unix".
	Network string
	// Address is host:port, or the path of a socket.
	Address string
	// Authority is what the member is called in the :authority header and in the check of its certificate.
	Authority string
	Security  Security
}

// DialTarget is the form in which gRPC carries the endpoint to the dialer: host:port, or unix:path.
func (e Endpoint) DialTarget() string {
	if e.Network == "unix" {
		return "unix:" + e.Address
	}
	return e.Address
}

// Parse reads host:port, http://host:port, https://host:port, unix:path, unix://path and the same with unixs.
//
// A path below the host of a URL is ignored, as members list URLs with a trailing slash.
func Parse(text string) (Endpoint, error) {
	scheme, rest, found := strings.Cut(text, ":")
	switch {
	case found && (scheme == "unix" || scheme == "unixs"):
		path := strings.TrimPrefix(rest, "//")
		if path == "" {
			return Endpoint{}, fmt.Errorf("endpoint %q: the path of the socket is missing", text)
		}
		e := Endpoint{Network: "unix", Address: path, Authority: "localhost"}
		if scheme == "unixs" {
			e.Security = TLS
		}
		return e, nil
	case !strings.Contains(text, "://"):
		if text == "" || strings.ContainsAny(text, "/ ") {
			return Endpoint{}, fmt.Errorf("endpoint %q: want host:port or a URL", text)
		}
		return Endpoint{Network: "tcp", Address: text, Authority: text}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return Endpoint{}, fmt.Errorf("endpoint %q: want host:port or a URL", text)
	}
	e := Endpoint{Network: "tcp", Address: u.Host, Authority: u.Host}
	switch u.Scheme {
	case "http":
		e.Security = Plain
	case "https":
		e.Security = TLS
	default:
		return Endpoint{}, fmt.Errorf("endpoint %q: unknown scheme, want http, https, unix or unixs", text)
	}
	return e, nil
}
