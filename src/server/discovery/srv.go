package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"quoin.dev/pkg/clusterurl"
)

// SRV says where DNS keeps the members.
type SRV struct {
	Domain string
	// Name, if set, is appended to the names of the services, so that a domain can have several clusters.
	Name     string
	Resolver Resolver
	Logger   *zap.Logger // nil drops it
}

// services are those of members that talk with TLS and of those that talk without.
var services = []struct{ name, scheme string }{{"etcd-server-ssl", "https"}, {"etcd-server", "http"}}

// Founders returns the members that DNS lists, in the form of --initial-cluster. This member has its own name there, found by
// the address; the others have numbers, since DNS knows no names of members, and ids come from the URLs alone.
//
// A record whose host has no address yet counts all the same. etcd drops it, and so founds a cluster of those it could resolve
// at that moment.
func (s SRV) Founders(ctx context.Context, self Self) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var founders []string
	var failed []error
	own, others := false, 0
	for _, service := range services {
		name := service.name
		if s.Name != "" {
			name += "-" + s.Name
		}
		_, records, err := s.Resolver.LookupSRV(ctx, name, "tcp", s.Domain)
		if err != nil {
			failed = append(failed, fmt.Errorf("error querying DNS SRV records for _%s %w", name, err))
			continue
		}
		for _, r := range records {
			member := strconv.Itoa(others)
			found := service.scheme + "://" + net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
			if s.isOne(ctx, found, self.PeerURLs) {
				member, own = self.Name, true
			} else {
				others++
			}
			founders = append(founders, member+"="+found)
		}
	}
	if len(founders) == 0 {
		return "", errors.Join(failed...)
	}
	// Most clusters have one of the two services, so that the other is not there is no failure.
	for _, err := range failed {
		logger(s.Logger).Warn("failed to resolve during SRV discovery", zap.Error(err))
	}
	if !own {
		return "", fmt.Errorf("cannot find local etcd member %q in SRV records: %s has %s, and none of them is one of "+
			"--initial-advertise-peer-urls=%s; the scheme and the port count, too", self.Name, s.Domain, strings.Join(founders, ","),
			strings.Join(self.PeerURLs, ","))
	}
	logger(s.Logger).Info("got bootstrap from DNS", zap.Strings("founders", founders))
	return strings.Join(founders, ","), nil
}

// isOne tells whether a URL that DNS lists is one of this member's, by text or by address.
func (s SRV) isOne(ctx context.Context, listed string, own []string) bool {
	candidate, err := clusterurl.Parse(listed)
	if err != nil {
		return false
	}
	for _, text := range own {
		u, err := clusterurl.Parse(text)
		if err == nil && u.Scheme == candidate.Scheme && u.Port() == candidate.Port() && s.sameHost(ctx, candidate, u) {
			return true
		}
	}
	return false
}

func (s SRV) sameHost(ctx context.Context, a, b url.URL) bool {
	if strings.EqualFold(a.Hostname(), b.Hostname()) {
		return true
	}
	of, err := s.Resolver.LookupHost(ctx, a.Hostname())
	if err != nil {
		return false
	}
	with, err := s.Resolver.LookupHost(ctx, b.Hostname())
	return err == nil && slices.ContainsFunc(of, func(address string) bool { return slices.Contains(with, address) })
}
