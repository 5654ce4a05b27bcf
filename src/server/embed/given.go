package embed

import (
	"errors"
	"fmt"
	"net"
	"slices"
)

// givenSockets are sockets that were open before the server was. They are used by one goroutine.
type givenSockets struct{ open []net.Listener }

// take returns the socket for an address, nil if none was given for it.
func (g *givenSockets) take(network, address string) net.Listener {
	if g == nil {
		return nil
	}
	i := slices.IndexFunc(g.open, func(l net.Listener) bool { return l.Addr().Network() == network && sameAddress(l.Addr(), address) })
	if i < 0 {
		return nil
	}
	l := g.open[i]
	g.open = slices.Delete(g.open, i, i+1)
	return l
}

// sameAddress compares the address of a socket with one from the settings. A socket for all addresses is one whichever family
// its address is written in, and so is one for localhost.
func sameAddress(has net.Addr, address string) bool {
	tcp, ok := has.(*net.TCPAddr)
	if !ok {
		return has.String() == address
	}
	want, err := net.ResolveTCPAddr("tcp", address)
	if err != nil || want.Port != tcp.Port {
		return false
	}
	everywhere := func(ip net.IP) bool { return ip == nil || ip.IsUnspecified() }
	return want.IP.Equal(tcp.IP) || everywhere(want.IP) && everywhere(tcp.IP)
}

// leftOver refuses sockets that no URL asks for: who connects to one would wait for ever.
func (g *givenSockets) leftOver() error {
	var err error
	for _, l := range g.open {
		err = errors.Join(err, fmt.Errorf("embed: a socket on %s was given, and no --listen-... URL names it", l.Addr()))
	}
	return err
}
