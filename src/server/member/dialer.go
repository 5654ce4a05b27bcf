package member

import (
	"context"
	"net"
	"time"

	"quoin.dev/server/config"
)

// peerKeepAlive is how often the kernel asks whether a quiet connection to another member is still there.
const peerKeepAlive = 30 * time.Second

// peerDialer opens connections to other members: with gate SetMemberLocalAddr from the address that they reach this one by, for
// firewalls and certificates that know it by that.
type peerDialer struct{ from net.Addr } // nil: the system chooses

func (m *Member) newPeerDialer() peerDialer {
	if !m.cfg.Features.Enabled(config.FeatureSetMemberLocalAddr) {
		return peerDialer{}
	}
	for _, u := range m.cfg.Cluster.InitialAdvertisePeerURLs {
		if ip := net.ParseIP(u.Hostname()); ip != nil && !ip.IsUnspecified() {
			return peerDialer{from: &net.TCPAddr{IP: ip}}
		}
	}
	m.logger.Warn("no peer URL of this member has an IP address to call others from; the system chooses one")
	return peerDialer{}
}

// DialContext implements peer.Dialer.
func (d peerDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: peerKeepAlive}
	if network == "tcp" {
		dialer.LocalAddr = d.from
	}
	return dialer.DialContext(ctx, network, address)
}
