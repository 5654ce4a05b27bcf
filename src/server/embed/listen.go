package embed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"quoin.dev/server/gate"
)

// Deadlines for the way in, as etcd has them.
const (
	clientGateTimeout = 10 * time.Second
	peerGateTimeout   = 5 * time.Second
)

// place is an address on which one listener serves what its URLs ask for.
type place struct {
	url           url.URL // the first of them
	secure, plain bool
}

// address is that of the listener, with its network.
func (p place) address() (network, address string) {
	if strings.HasPrefix(p.url.Scheme, "unix") {
		return "unix", p.url.Host + p.url.Path
	}
	return "tcp", p.url.Host
}

// places joins URLs that differ only in whether they ask for TLS; ports that are left open are never one.
func places(urls []url.URL) []*place {
	var all []*place
	known := map[string]*place{}
	for _, u := range urls {
		p := &place{url: u}
		network, address := p.address()
		if former := known[network+address]; former != nil && u.Port() != "0" {
			p = former
		} else {
			known[network+address] = p
			all = append(all, p)
		}
		if u.Scheme == "https" || u.Scheme == "unixs" {
			p.secure = true
		} else {
			p.plain = true
		}
	}
	return all
}

// listening is how ports of one kind are opened.
type listening struct {
	tls     *tls.Config // nil: no URL may ask for it
	gate    gate.Options
	sockets sockets
}

func (s *Server) listening(endpoint string, secure *tls.Config, timeout time.Duration) listening {
	return listening{
		tls:     secure,
		gate:    gate.Options{Endpoint: endpoint, Timeout: timeout, Logger: s.logger},
		sockets: sockets{given: s.given, reusePort: s.cfg.SocketReusePort, reuseAddress: s.cfg.SocketReuseAddress},
	}
}

// listen opens a gate for every address. After an error none is open.
func listen(urls []url.URL, how listening) ([]net.Listener, error) {
	var open []net.Listener
	for _, p := range places(urls) {
		l, err := listenOne(p, how)
		if err != nil {
			closeAll(open)
			return nil, err
		}
		o := how.gate
		if p.secure {
			o.TLS, o.Plain = how.tls, p.plain
		}
		open = append(open, gate.New(l, o))
	}
	return open, nil
}

func listenOne(p *place, how listening) (net.Listener, error) {
	if p.secure && how.tls == nil {
		return nil, fmt.Errorf("embed: %s needs a certificate and a key", p.url.String())
	}
	network, address := p.address()
	if l := how.sockets.given.take(network, address); l != nil {
		return l, nil
	}
	return open(p.url, network, address, how.sockets)
}

func open(u url.URL, network, address string, how sockets) (net.Listener, error) {
	if network == "unix" {
		// A socket file that a killed process left behind belongs to nobody.
		if err := os.Remove(address); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("embed: remove the stale socket of %s: %w", u.String(), err)
		}
	}
	var config net.ListenConfig
	if network == "tcp" && (how.reusePort || how.reuseAddress) {
		config.Control = how.control
	}
	l, err := config.Listen(context.Background(), network, address)
	if err != nil {
		return nil, fmt.Errorf("embed: listen on %s: %w", u.String(), err)
	}
	return l, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

func addrs(listeners []net.Listener) []net.Addr {
	list := make([]net.Addr, len(listeners))
	for i, l := range listeners {
		list[i] = l.Addr()
	}
	return list
}
