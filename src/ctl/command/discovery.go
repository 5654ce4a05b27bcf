package command

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// lookupSRV is net.Resolver.LookupSRV.
type lookupSRV func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)

// resolveEndpoints returns those of --endpoints, or with --discovery-srv those that DNS lists: members with TLS first.
func (f *globalFlags) resolveEndpoints(ctx context.Context, dns lookupSRV) ([]string, error) {
	if f.discoverySRV == "" {
		return f.endpoints, nil
	}
	secure, errSecure := lookup(ctx, dns, "https", f.serviceName("etcd-client-ssl"), f.discoverySRV)
	plain, errPlain := lookup(ctx, dns, "http", f.serviceName("etcd-client"), f.discoverySRV)
	if errSecure != nil && errPlain != nil {
		return nil, fmt.Errorf("dns lookup errors: %w and %w", errSecure, errPlain)
	}
	if !f.insecureDiscovery {
		return secure, nil
	}
	return append(secure, plain...), nil
}

func (f *globalFlags) serviceName(service string) string {
	if f.discoverySRVName == "" {
		return service
	}
	return service + "-" + f.discoverySRVName
}

func lookup(ctx context.Context, dns lookupSRV, scheme, service, domain string) ([]string, error) {
	_, records, err := dns(ctx, service, "tcp", domain)
	if err != nil {
		return nil, err
	}
	var endpoints []string
	for _, r := range records {
		host := strings.TrimSuffix(r.Target, ".")
		endpoints = append(endpoints, scheme+"://"+net.JoinHostPort(host, strconv.Itoa(int(r.Port))))
	}
	return endpoints, nil
}
