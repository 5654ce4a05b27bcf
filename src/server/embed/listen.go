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
)

// listen opens a listener for every URL, with TLS for those whose scheme asks for it. After an error none is open.
func listen(urls []url.URL, secure *tls.Config, how sockets) ([]net.Listener, error) {
	var open []net.Listener
	for _, u := range urls {
		l, err := listenOne(u, secure, how)
		if err != nil {
			closeAll(open)
			return nil, err
		}
		open = append(open, l)
	}
	return open, nil
}

func listenOne(u url.URL, secure *tls.Config, how sockets) (net.Listener, error) {
	network, address := "tcp", u.Host
	if strings.HasPrefix(u.Scheme, "unix") {
		network, address = "unix", u.Host+u.Path
	}
	l := how.given.take(network, address)
	if l == nil {
		var err error
		if l, err = open(u, network, address, how); err != nil {
			return nil, err
		}
	}
	if u.Scheme == "https" || u.Scheme == "unixs" {
		if secure == nil {
			_ = l.Close()
			return nil, fmt.Errorf("embed: %s needs a certificate and a key", u.String())
		}
		l = tls.NewListener(l, secure)
	}
	return l, nil
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
