package preflight

import (
	"context"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
)

// sockets tries every address to listen on, for a moment.
func (r *report) sockets(ctx context.Context) {
	for _, list := range []struct {
		flag string
		urls []url.URL
	}{
		{"listen-peer-urls", r.cfg.ListenPeerURLs},
		{"listen-client-urls", r.cfg.ListenClientURLs},
		{"listen-client-http-urls", r.cfg.ListenClientHTTPURLs},
		{"listen-metrics-urls", r.cfg.ListenMetricsURLs},
	} {
		for _, u := range list.urls {
			r.socket(ctx, list.flag, u)
		}
	}
}

func (r *report) socket(ctx context.Context, flag string, u url.URL) {
	if strings.HasPrefix(u.Scheme, "unix") {
		dir := filepath.Dir(u.Host + u.Path)
		if err := writable(dir); err != nil {
			r.add(Problem, flag, "make the directory for the user that quoin runs as", "the socket of %s can not be made: %v", u.String(), err)
			return
		}
		r.add(OK, flag, "", "%s can be made", u.String())
		return
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", u.Host)
	switch {
	case err == nil:
		_ = l.Close()
		r.add(OK, flag, "", "%s is free", u.String())
	case errors.Is(err, syscall.EADDRINUSE):
		r.add(Warning, flag, "stop what listens there, unless it is this member", "%s is in use", u.String())
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		r.add(Problem, flag, "name an address of this machine, or 0.0.0.0 for all", "%s: this machine has no such address", u.String())
	case errors.Is(err, syscall.EACCES):
		r.add(Problem, flag, "choose a port from 1024 on, or give quoin CAP_NET_BIND_SERVICE", "%s: this user may not listen there", u.String())
	default:
		r.add(Problem, flag, "", "%s: %v", u.String(), err)
	}
}
