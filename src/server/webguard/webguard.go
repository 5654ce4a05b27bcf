// Package webguard keeps web pages that the operator did not allow away from the HTTP port.
//
// Three things stand between a page in somebody's browser and a store that the browser can reach: the browser hides answers from
// pages of other origins unless they are named (CORS); names of hosts that are not expected are refused, which a page needs to make
// the browser believe that the store is its own origin (CVE-2018-1099); and what changes something is refused when a browser says
// that it comes from a page of another origin (CVE-2018-1098), which no header of an answer could prevent.
package webguard

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// any is the name of every origin and of every host.
const any = "*"

// Options say who is allowed.
type Options struct {
	// Origins are those whose pages may call, as URLs with scheme, host and port; "*" for all.
	Origins []string
	// Hosts are the names that requests without TLS may be addressed to; "*" or none for all.
	Hosts []string
}

// Guard is an http.Handler that stands in front of another.
type Guard struct {
	origins  []string
	hosts    []string
	anyone   bool // pages of all origins may call
	anywhere bool // under any name of a host
	foreign  http.CrossOriginProtection
	next     http.Handler
}

// New puts a guard in front of a handler. Error: an origin is no URL.
func New(o Options, next http.Handler) (*Guard, error) {
	g := &Guard{
		hosts:    o.Hosts,
		anyone:   slices.Contains(o.Origins, any),
		anywhere: len(o.Hosts) == 0 || slices.Contains(o.Hosts, any),
		next:     next,
	}
	for _, origin := range o.Origins {
		if origin == any {
			continue
		}
		for _, name := range spellings(origin) {
			if err := g.foreign.AddTrustedOrigin(name); err != nil {
				return nil, fmt.Errorf("webguard: %w", err)
			}
			g.origins = append(g.origins, name)
		}
	}
	return g, nil
}

// spellings are the origin as it was given, and as a browser spells it: without the port that the scheme implies.
func spellings(origin string) []string {
	u, err := url.Parse(origin)
	if err != nil || u.Port() != map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		return []string{origin}
	}
	return []string{origin, u.Scheme + "://" + strings.TrimSuffix(u.Host, ":"+u.Port())}
}

// ServeHTTP implements http.Handler.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.addressed(r) {
		http.Error(w, fmt.Sprintf(unknownHost, hostOf(r)), http.StatusMisdirectedRequest)
		return
	}
	g.setCORS(w.Header(), r.Header.Get("Origin"))
	if r.Method == http.MethodOptions {
		return
	}
	if !g.anyone && g.changes(r) {
		http.Error(w, "This origin is not among those of --cors.", http.StatusForbidden)
		return
	}
	g.next.ServeHTTP(w, r)
}

// unknownHost is the answer to a request under a name that is not allowed.
const unknownHost = `
This server does not know itself by the name in the Host header: %[1]q.

Requests over TLS are allowed under any name. For plain HTTP, add the name to the list of those that are:
    --host-whitelist %[1]q

Without that, a web page could pass the server off as its own (DNS rebinding, CVE-2018-1099).
`

// addressed reports whether the name that a request is addressed to is one of ours.
func (g *Guard) addressed(r *http.Request) bool {
	if g.anywhere || r.TLS != nil { // a page can not make up a certificate
		return true
	}
	host := hostOf(r)
	return slices.ContainsFunc(g.hosts, func(ours string) bool { return strings.EqualFold(ours, host) })
}

// hostOf is the name in a request, without port and brackets.
func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return strings.Trim(r.Host, "[]")
}

// setCORS tells a browser whether the page that asks may see the answer.
func (g *Guard) setCORS(h http.Header, origin string) {
	if g.anyone {
		origin = any
	} else {
		h.Add("Vary", "Origin")
		if !slices.Contains(g.origins, origin) {
			return
		}
	}
	h.Set("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE")
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Headers", "accept, content-type, authorization")
}

// changes reports whether a browser sends a request that may change something for a page of another origin. Programs other than
// browsers do not say where they come from, and are not meant.
func (g *Guard) changes(r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" { // a WebSocket begins with a GET, and browsers open it for every page
		r = r.Clone(r.Context())
		r.Method = http.MethodPost
	}
	return g.foreign.Check(r) != nil
}
