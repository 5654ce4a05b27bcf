package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"quoin.dev/client"

	"quoin.dev/server/bootstrap"
	"quoin.dev/server/config"
	"quoin.dev/server/discovery"
)

// maxReportBytes bounds what a discovery cluster may answer, unless a file says otherwise: thousands of members.
const maxReportBytes = 4 << 20

// errDiscoverExisting refuses to found a cluster and to join one at once.
var errDiscoverExisting = errors.New("discovery URL should not be set when joining existing initial cluster: " +
	"name its members in --initial-cluster, without --discovery-endpoints")

// discover replaces --initial-cluster by what DNS or another cluster says, if the flags ask for that.
func (m *Member) discover(ctx context.Context, o *bootstrap.Options) (err error) {
	d := m.cfg.Discovery
	self := discovery.Self{Name: o.Name, PeerURLs: slices.Sorted(slices.Values(o.AdvertisePeerURLs))}
	switch {
	case d.SRV != "":
		srv := discovery.SRV{Domain: d.SRV, Name: d.SRVName, Resolver: m.resolver(), Logger: m.logger}
		if o.InitialCluster, err = srv.Founders(ctx, self); err != nil {
			return fmt.Errorf("error setting up initial cluster: %w", err)
		}
	case len(d.Endpoints) > 0:
		if m.cfg.Cluster.InitialClusterState == config.ClusterStateExisting {
			return errDiscoverExisting
		}
		m.logger.Info("Bootstrapping cluster using v3 discovery.", zap.Strings("discovery-endpoints", d.Endpoints))
		o.Token = d.Token
		if o.InitialCluster, err = m.askRegistry(ctx, self); err != nil {
			return fmt.Errorf("failed to join discovery cluster (%w)", err)
		}
	}
	return nil
}

// askRegistry reports this member at the discovery cluster, and returns all founders.
func (m *Member) askRegistry(ctx context.Context, self discovery.Self) (string, error) {
	d := m.cfg.Discovery
	secure, err := d.TLS()
	if err != nil {
		return "", err
	}
	user, password := d.Credentials()
	c, err := client.New(client.Config{
		Context: ctx, Endpoints: d.Endpoints, TLS: secure, Username: user, Password: password, Logger: m.logger,
		DialTimeout: d.DialTimeout, DialKeepAliveTime: d.KeepAliveTime, DialKeepAliveTimeout: d.KeepAliveTimeout,
		Token: d.AuthToken, MaxCallSendMsgSize: d.MaxRequestBytes, MaxCallRecvMsgSize: cmp.Or(d.MaxRecvBytes, maxReportBytes),
	})
	if err != nil {
		return "", err
	}
	defer c.Close()
	registry := discovery.Registry{Token: d.Token, RequestTimeout: d.RequestTimeout, Client: c, Logger: m.logger}
	return registry.Founders(ctx, self)
}
