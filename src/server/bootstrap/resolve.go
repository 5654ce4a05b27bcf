package bootstrap

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"
)

// sameURLs compares two lists of URLs: by text first, then by the addresses behind the host names, since one side may
// use a name and the other an address. It returns nil when they are the same, the difference when they are not, and
// an error when a name could not be resolved.
func (o Options) sameURLs(ctx context.Context, a, b []string) (difference, err error) {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	if slices.Equal(a, b) {
		return nil, nil
	}
	if len(a) != len(b) {
		return fmt.Errorf("len(%q) != len(%q)", a, b), nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	resolvedA, err := o.resolveAll(ctx, a)
	if err != nil {
		return nil, err
	}
	resolvedB, err := o.resolveAll(ctx, b)
	if err != nil {
		return nil, err
	}
	for i := range resolvedA {
		j := slices.IndexFunc(resolvedB, func(addresses []string) bool { return intersect(resolvedA[i], addresses) })
		if j < 0 {
			return fmt.Errorf("resolved urls: %q != %q", a[i], b[min(i, len(b)-1)]), nil
		}
		resolvedB = slices.Delete(slices.Clone(resolvedB), j, j+1)
	}
	return nil, nil
}

func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// resolveAll returns for every URL the forms it can take with an address in place of the name.
func (o Options) resolveAll(ctx context.Context, urls []string) ([][]string, error) {
	out := make([][]string, len(urls))
	for i, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, err
		}
		if out[i], err = o.resolve(ctx, u); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o Options) resolve(ctx context.Context, u *url.URL) ([]string, error) {
	host := u.Hostname()
	if (u.Scheme != "http" && u.Scheme != "https") || host == "localhost" || net.ParseIP(host) != nil {
		return []string{u.String()}, nil
	}
	pause := o.RetryPause
	if pause == 0 {
		pause = time.Second
	}
	for {
		addresses, err := o.LookupHost(ctx, host)
		if err == nil && len(addresses) > 0 {
			forms := make([]string, len(addresses))
			for i, address := range addresses {
				with := *u
				with.Host = net.JoinHostPort(address, u.Port())
				forms[i] = with.String()
			}
			return forms, nil
		}
		// In a fresh deployment the names of the members appear a little later than the members.
		o.log("could not resolve a peer URL, trying again", u.String(), err)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("failed to resolve %s within %s: %v", u, resolveTimeout, err)
		case <-time.After(pause):
		}
	}
}
