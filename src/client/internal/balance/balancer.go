// Package balance spreads the requests of a client over the healthy members among its endpoints.
//
// A member is in one of three ranks: connected and well; connected, but lately a request failed there; connected, but
// it reports through grpc.health.v1 that it does not serve. Requests go round robin over the members of the best rank
// that has any. So a failing member is left at once, and yet reached when there is no other: an operator must be able to
// ask a member why it is unwell.
package balance

import (
	"errors"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	_ "google.golang.org/grpc/health" // lets gRPC ask members for their health
	"google.golang.org/grpc/resolver"
)

// Name is that of the policy in a service config.
const Name = "quoin_endpoints"

func init() { balancer.Register(builder{}) }

type builder struct{}

func (builder) Name() string { return Name }

func (builder) Build(cc balancer.ClientConn, _ balancer.BuildOptions) balancer.Balancer {
	return &spread{cc: cc, members: map[string]*member{}}
}

// spread is the state of one client connection. gRPC calls its methods and listeners one at a time.
type spread struct {
	cc      balancer.ClientConn
	order   []string // keys of members, as the resolver lists them
	members map[string]*member
}

// member is one endpoint. All fields but trouble belong to the goroutine that gRPC calls the balancer from.
type member struct {
	conn    balancer.SubConn
	address resolver.Address
	state   connectivity.State // stays TransientFailure through reconnects, until Ready
	failure error              // of the last attempt to connect
	healthy bool
	trouble trouble
}

var errNoEndpoints = errors.New("no endpoints are configured")

// UpdateClientConnState implements balancer.Balancer.
func (b *spread) UpdateClientConnState(s balancer.ClientConnState) error {
	listed := map[string]bool{}
	b.order = b.order[:0]
	for _, e := range s.ResolverState.Endpoints {
		for _, a := range e.Addresses {
			key := a.Addr + " " + a.ServerName
			if m, ok := b.members[key]; ok && !m.address.Equal(a) {
				b.remove(key) // same address, other security
			}
			if listed[key] {
				continue
			}
			listed[key] = true
			b.order = append(b.order, key)
			if _, ok := b.members[key]; !ok {
				if err := b.add(key, a); err != nil {
					return err
				}
			}
		}
	}
	for key := range b.members {
		if !listed[key] {
			b.remove(key)
		}
	}
	b.publish()
	return nil
}

func (b *spread) add(key string, a resolver.Address) error {
	m := &member{state: connectivity.Connecting, address: a}
	//lint:ignore SA1019 the notice is about more than one address per connection; there is no other way to make one
	conn, err := b.cc.NewSubConn([]resolver.Address{a}, balancer.NewSubConnOptions{
		StateListener: func(s balancer.SubConnState) { b.connectivityChanged(m, s) },
	})
	if err != nil {
		return err
	}
	m.conn = conn
	m.trouble.now = time.Now
	b.members[key] = m
	conn.Connect()
	return nil
}

func (b *spread) remove(key string) {
	b.members[key].conn.Shutdown()
	delete(b.members, key)
}

func (b *spread) connectivityChanged(m *member, s balancer.SubConnState) {
	switch s.ConnectivityState {
	case connectivity.Shutdown:
		return
	case connectivity.Idle:
		// The connection ended or a backoff is over: members are connected ahead of requests.
		m.conn.Connect()
	case connectivity.Ready:
		m.trouble.clear()
		m.healthy = false // until the member says so; it serves meanwhile if no other does
		m.conn.RegisterHealthListener(func(s balancer.SubConnState) {
			m.healthy = s.ConnectivityState == connectivity.Ready
			b.publish()
		})
	case connectivity.TransientFailure:
		m.failure = s.ConnectionError
	}
	if m.state != connectivity.TransientFailure || s.ConnectivityState == connectivity.Ready {
		m.state = s.ConnectivityState
	}
	b.publish()
}

// publish hands gRPC the state of the whole and a picker over the connected members.
func (b *spread) publish() {
	var p picker
	whole, err := connectivity.TransientFailure, errNoEndpoints
	for _, key := range b.order {
		m := b.members[key]
		switch m.state {
		case connectivity.Ready:
			whole = connectivity.Ready
			c := choice{m.conn, &m.trouble, m.trouble.done}
			if m.healthy {
				p.healthy = append(p.healthy, c)
			} else {
				p.unhealthy = append(p.unhealthy, c)
			}
		case connectivity.TransientFailure:
			if m.failure != nil {
				err = m.failure
			}
		default:
			if whole != connectivity.Ready {
				whole = connectivity.Connecting
			}
		}
	}
	p.start()
	switch whole {
	case connectivity.Ready:
		b.cc.UpdateState(balancer.State{ConnectivityState: whole, Picker: &p})
	case connectivity.Connecting:
		b.cc.UpdateState(balancer.State{ConnectivityState: whole, Picker: failing{balancer.ErrNoSubConnAvailable}})
	default:
		b.cc.UpdateState(balancer.State{ConnectivityState: whole, Picker: failing{err}})
	}
}

// ResolverError implements balancer.Balancer. The list of endpoints is set by the user and can not fail to resolve.
func (b *spread) ResolverError(error) {}

// UpdateSubConnState implements balancer.Balancer; state changes come to the listener of each member instead.
func (b *spread) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle implements balancer.Balancer.
func (b *spread) ExitIdle() {
	for _, m := range b.members {
		m.conn.Connect()
	}
}

// Close implements balancer.Balancer. gRPC shuts the connections down itself.
func (b *spread) Close() {}
