package peer

import (
	"fmt"
	"net/url"
	"sync"
)

// urlPicker holds the peer URLs of one member and the one that currently works.
type urlPicker struct {
	mu   sync.Mutex // guards both fields
	urls []*url.URL
	pick int
}

// parseURLs accepts the schemes that peers listen on.
func parseURLs(raw []string) ([]*url.URL, error) {
	urls := make([]*url.URL, 0, len(raw))
	for _, s := range raw {
		u, err := url.Parse(s)
		if err != nil {
			return nil, fmt.Errorf("peer URL %q: %w", s, err)
		}
		switch u.Scheme {
		case "http", "https", "unix", "unixs":
		default:
			return nil, fmt.Errorf("peer URL %q: scheme must be http, https, unix or unixs", s)
		}
		if u.Host == "" {
			return nil, fmt.Errorf("peer URL %q names no host", s)
		}
		urls = append(urls, u)
	}
	if len(urls) == 0 {
		return nil, fmt.Errorf("a member needs at least one peer URL")
	}
	return urls, nil
}

func (p *urlPicker) set(urls []*url.URL) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.urls, p.pick = urls, 0
}

// current returns the URL to use; the caller must not change it.
func (p *urlPicker) current() *url.URL {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.urls[p.pick]
}

// failed moves on to the next URL, unless somebody else has done so since u was current.
func (p *urlPicker) failed(u *url.URL) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.urls[p.pick] == u {
		p.pick = (p.pick + 1) % len(p.urls)
	}
}
