package balance

import (
	"strings"
	"sync"

	"google.golang.org/grpc/resolver"

	"quoin.dev/client/internal/endpoint"
)

// Scheme is that of the gRPC targets whose addresses come from an Endpoints.
const Scheme = "quoin-endpoints"

// serviceConfig selects this package's balancer and asks each member for its health as a whole.
const serviceConfig = `{"loadBalancingConfig":[{"` + Name + `":{}}],"healthCheckConfig":{"serviceName":""}}`

// Endpoints is the list of members of one client connection, as a gRPC resolver. It may change at any time.
type Endpoints struct {
	mu   sync.Mutex // guards the fields below; UpdateState is called without it
	list []endpoint.Endpoint
	cc   resolver.ClientConn
}

// NewEndpoints returns a resolver that starts with the list.
func NewEndpoints(list []endpoint.Endpoint) *Endpoints { return &Endpoints{list: list} }

// Target is what to give grpc.NewClient together with grpc.WithResolvers; it names the endpoints for log lines.
func (e *Endpoints) Target() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := make([]string, len(e.list))
	for i, m := range e.list {
		names[i] = m.Address
	}
	return Scheme + ":///" + strings.Join(names, ",")
}

// Set replaces the list. Connections to members that stay are kept.
func (e *Endpoints) Set(list []endpoint.Endpoint) {
	e.mu.Lock()
	e.list = list
	e.mu.Unlock()
	e.publish()
}

// Build implements resolver.Builder.
func (e *Endpoints) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	e.mu.Lock()
	e.cc = cc
	e.mu.Unlock()
	e.publish()
	return e, nil
}

// Scheme implements resolver.Builder.
func (e *Endpoints) Scheme() string { return Scheme }

// OverrideAuthority implements resolver.AuthorityOverrider: requests carry the name of the first endpoint.
func (e *Endpoints) OverrideAuthority(resolver.Target) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) == 0 {
		return "localhost"
	}
	return e.list[0].Authority
}

// ResolveNow implements resolver.Resolver. The list does not go stale, so there is nothing to do.
func (e *Endpoints) ResolveNow(resolver.ResolveNowOptions) {}

// Close implements resolver.Resolver.
func (e *Endpoints) Close() {
	e.mu.Lock()
	e.cc = nil
	e.mu.Unlock()
}

func (e *Endpoints) publish() {
	e.mu.Lock()
	cc, list := e.cc, e.list
	e.mu.Unlock()
	if cc == nil {
		return
	}
	state := resolver.State{ServiceConfig: cc.ParseServiceConfig(serviceConfig)}
	for _, m := range list {
		address := resolver.Address{Addr: m.DialTarget(), ServerName: m.Authority}
		address.Attributes = address.Attributes.WithValue(securityKey{}, m.Security)
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{address}})
	}
	// An error means that the connection has no use for the list any more; gRPC has logged why.
	_ = cc.UpdateState(state)
}

type securityKey struct{}
