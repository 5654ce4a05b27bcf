// Package memnet is a network inside one process, with links that can be cut, broken and delayed.
//
// Its connections have a buffer like a socket's, honour deadlines, and wait only in ways that a testing/synctest bubble
// understands, so that clusters of members can be tested in simulated time. Everything of one network must be created
// inside the same bubble.
package memnet

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

const backlog = 128 // connections waiting for Accept, per listener

// Network connects hosts. The zero value is not usable; see New.
type Network struct {
	mu        sync.Mutex // guards the rest; a connection's own lock may be taken under it, not the other way round
	listeners map[string]*listener
	cuts      map[link]bool
	conns     map[*conn]link
	delay     time.Duration
	healed    chan struct{} // closed and replaced whenever a link is healed
}

// link is an unordered pair of hosts.
type link struct{ a, b string }

func linkOf(a, b string) link {
	if a > b {
		a, b = b, a
	}
	return link{a, b}
}

// New returns a network without hosts, all links of which are up and without delay.
func New() *Network {
	return &Network{
		listeners: map[string]*listener{}, cuts: map[link]bool{}, conns: map[*conn]link{}, healed: make(chan struct{}),
	}
}

// Host returns the view of the network from the named host; it can listen and dial. Hosts need no declaration.
func (n *Network) Host(name string) *Host { return &Host{network: n, name: name} }

// Delay sets how long bytes travel one way, for everything written from now on.
func (n *Network) Delay(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay = d
}

// Cut makes the link between two hosts silent: what is written stays on its way, and dialling waits. Nobody sees an error
// until a deadline passes.
func (n *Network) Cut(a, b string) { n.setCut(a, b, true) }

// Heal ends a cut: what was on its way arrives.
func (n *Network) Heal(a, b string) { n.setCut(a, b, false) }

func (n *Network) setCut(a, b string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := linkOf(a, b)
	if cut {
		n.cuts[l] = true
	} else {
		delete(n.cuts, l)
		close(n.healed)
		n.healed = make(chan struct{})
	}
	for c, of := range n.conns {
		if of == l {
			c.in.hold(cut)
			c.out.hold(cut)
		}
	}
}

// Break ends all connections between two hosts with an error at both ends. New ones can be dialled at once.
func (n *Network) Break(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c, of := range n.conns {
		if of == linkOf(a, b) {
			c.in.reset()
			c.out.reset()
			delete(n.conns, c)
		}
	}
}

// Host is one end of the network. It implements the Dialer of package peer.
type Host struct {
	network *Network
	name    string
}

// Listen opens a listener. The address, host and port, is only a name; it must not be in use.
func (h *Host) Listen(address string) (net.Listener, error) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	if h.network.listeners[address] != nil {
		return nil, fmt.Errorf("memnet: listen %s: %w", address, syscall.EADDRINUSE)
	}
	l := &listener{host: h, address: address, queue: make(chan *conn, backlog), closed: make(chan struct{})}
	h.network.listeners[address] = l
	return l, nil
}

// DialContext connects to a listener. Without one it fails at once; over a cut link it waits for ctx.
func (h *Host) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	for {
		c, healed, err := h.network.connect(h, address)
		if c != nil || err != nil {
			return c, err
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return nil, fmt.Errorf("memnet: dial %s: %w", address, ctx.Err())
		}
	}
}

// connect returns a connection, or an error, or what to wait for.
func (n *Network) connect(from *Host, address string) (net.Conn, <-chan struct{}, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.listeners[address]
	if l == nil {
		return nil, nil, fmt.Errorf("memnet: dial %s: %w", address, syscall.ECONNREFUSED)
	}
	between := linkOf(from.name, l.host.name)
	if n.cuts[between] {
		return nil, n.healed, nil
	}
	there, back := newHalf(n), newHalf(n)
	client := &conn{network: n, in: back, out: there, local: addr(from.name + ":0"), remote: addr(address)}
	server := &conn{network: n, in: there, out: back, local: addr(address), remote: addr(from.name + ":0")}
	select {
	case l.queue <- server:
	default:
		return nil, nil, fmt.Errorf("memnet: dial %s: %w", address, syscall.ECONNREFUSED)
	}
	n.conns[client], n.conns[server] = between, between
	return client, nil, nil
}

type listener struct {
	host    *Host
	address string
	queue   chan *conn
	once    sync.Once
	closed  chan struct{}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener; connections that nobody accepted are closed.
func (l *listener) Close() error {
	l.once.Do(func() {
		n := l.host.network
		n.mu.Lock()
		delete(n.listeners, l.address)
		n.mu.Unlock()
		close(l.closed)
		for {
			select {
			case c := <-l.queue:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return addr(l.address) }

type addr string

// Network implements net.Addr.
func (addr) Network() string { return "tcp" }

// String implements net.Addr.
func (a addr) String() string { return string(a) }
