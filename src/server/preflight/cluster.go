package preflight

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"

	"quoin.dev/pkg/clusterurl"
	"quoin.dev/server/config"
)

// cluster looks at who belongs to the cluster, and where they are said to be.
func (r *report) cluster(ctx context.Context) {
	r.advertised("advertise-client-urls", r.cfg.Cluster.AdvertiseClientURLs)
	r.advertised("initial-advertise-peer-urls", r.cfg.Cluster.InitialAdvertisePeerURLs)
	d := r.cfg.Discovery
	switch {
	case r.returns:
		return
	case d.SRV != "":
		r.add(OK, "discovery-srv", "", "the founders are asked for at the start: SRV records of %s", d.SRV)
		return
	case len(d.Endpoints) > 0:
		r.add(OK, "discovery-endpoints", "", "the founders are asked for at the start: %s", strings.Join(d.Endpoints, ", "))
		return
	}
	founders, err := clusterurl.ParseFounders(r.cfg.Cluster.InitialCluster)
	if err != nil { // Parse has refused it
		r.add(Problem, "initial-cluster", "", "%v", err)
		return
	}
	const flag = "initial-cluster"
	own, listed := founders[r.cfg.Name]
	switch {
	case !listed:
		r.add(Problem, flag, "add "+r.cfg.Name+"=URL to the list, or give the --name that is in it", "this member, %q, is not among %s", r.cfg.Name, strings.Join(founders.Names(), ", "))
	case !sameURLs(own, r.cfg.Cluster.InitialAdvertisePeerURLs):
		r.add(Warning, flag, "make both alike, unless they are names of the same address", "the list has %s for this member, --initial-advertise-peer-urls has %s",
			strings.Join(own, ","), strings.Join(config.Strings(r.cfg.Cluster.InitialAdvertisePeerURLs), ","))
	}
	if founders.DuplicateURL() {
		r.add(Problem, flag, "give every member a URL of its own", "two members have the same URL")
	}
	if n := len(founders); n > 1 && n%2 == 0 {
		r.add(Warning, flag, "choose an odd number", "%d members survive no more failures than %d", n, n-1)
	}
	for _, name := range founders.Names() {
		for _, raw := range founders[name] {
			r.resolve(ctx, flag, name, raw)
		}
	}
}

func sameURLs(list []string, urls []url.URL) bool {
	a, b := slices.Sorted(slices.Values(list)), slices.Sorted(slices.Values(config.Strings(urls)))
	return slices.Equal(a, b)
}

// resolve asks for the addresses of a member.
func (r *report) resolve(ctx context.Context, flag, name, raw string) {
	u, err := url.Parse(raw)
	if err != nil || strings.HasPrefix(u.Scheme, "unix") || net.ParseIP(u.Hostname()) != nil {
		r.add(OK, flag, "", "%s is at %s", name, raw)
		return
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		r.add(Warning, flag, "a start waits for it; look at the name and at the name server", "%s is at %s, and that has no address: %v", name, raw, err)
		return
	}
	r.add(OK, flag, "", "%s is at %s, which is %s", name, raw, strings.Join(addresses, ", "))
}

// advertised looks at addresses that others are told.
func (r *report) advertised(flag string, urls []url.URL) {
	alone := strings.Count(r.cfg.Cluster.InitialCluster, "=") <= 1
	for _, u := range urls {
		ip := net.ParseIP(u.Hostname())
		switch {
		case ip != nil && ip.IsUnspecified():
			r.add(Warning, flag, "give an address by which others reach this machine", "%s can not be called from elsewhere", u.String())
		case !alone && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()):
			r.add(Warning, flag, "give an address by which others reach this machine", "%s means another machine to everybody else", u.String())
		default:
			r.add(OK, flag, "", "%s", u.String())
		}
	}
}
