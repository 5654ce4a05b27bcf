// Package clusterurl reads the URLs of members and the list of founders of a cluster, as flags and requests write them.
package clusterurl

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Parse reads one URL of a member: scheme http or https with host:port and no path, or unix or unixs, where host
// and path together name the socket.
func Parse(s string) (url.URL, error) {
	s = strings.TrimSpace(s)
	u, err := url.Parse(s)
	if err != nil {
		return url.URL{}, err
	}
	switch u.Scheme {
	case "http", "https":
		if _, _, err := net.SplitHostPort(u.Host); err != nil {
			return url.URL{}, fmt.Errorf(`URL address does not have the form "host:port": %s`, s)
		}
		if u.Path != "" {
			return url.URL{}, fmt.Errorf("URL must not contain a path: %s", s)
		}
	case "unix", "unixs":
	default:
		return url.URL{}, fmt.Errorf("URL scheme must be http, https, unix, or unixs: %s", s)
	}
	return *u, nil
}

// ParseList reads a list of member URLs and sorts it by text, the order in which ids are computed and lists compared.
func ParseList(list []string) ([]url.URL, error) {
	if len(list) == 0 {
		return nil, errors.New("no valid URLs given")
	}
	urls := make([]url.URL, 0, len(list))
	for _, s := range list {
		u, err := Parse(s)
		if err != nil {
			return nil, err
		}
		urls = append(urls, u)
	}
	slices.SortFunc(urls, func(a, b url.URL) int { return strings.Compare(a.String(), b.String()) })
	return urls, nil
}

// Founders is what --initial-cluster says: the peer URLs of every founding member by name.
type Founders map[string][]string

// ParseFounders reads "a=http://h1:2380,a=http://h2:2380,b=http://h3:2380". The URLs of a name are sorted. An
// empty text is an empty cluster.
func ParseFounders(s string) (Founders, error) {
	c := Founders{}
	if strings.TrimSpace(s) == "" {
		return c, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		name, raw, _ := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if name == "" {
			return nil, fmt.Errorf("empty member name in %q (expected name=URL)", part)
		}
		u, err := Parse(raw)
		if err != nil {
			return nil, err
		}
		c[name] = append(c[name], u.String())
	}
	for name, urls := range c {
		slices.Sort(urls)
		c[name] = slices.Compact(urls)
	}
	return c, nil
}

// String renders the cluster sorted by its "name=URL" pairs.
func (c Founders) String() string {
	var pairs []string
	for name, urls := range c {
		for _, u := range urls {
			pairs = append(pairs, name+"="+u)
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

// Names lists the members in alphabetical order.
func (c Founders) Names() []string {
	names := make([]string, 0, len(c))
	for name := range c {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// DuplicateURL tells whether two members claim the same peer URL.
func (c Founders) DuplicateURL() bool {
	seen := map[string]bool{}
	for _, urls := range c {
		for _, u := range urls {
			if seen[u] {
				return true
			}
			seen[u] = true
		}
	}
	return false
}
