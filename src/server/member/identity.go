package member

import (
	"context"
	"fmt"
	"net"

	"go.etcd.io/raft/v3"
	"go.uber.org/zap"

	"quoin.dev/api/version"

	"quoin.dev/server/bootstrap"
	"quoin.dev/server/config"
	"quoin.dev/server/membership"
)

// resolver asks DNS.
func (m *Member) resolver() *net.Resolver {
	if m.names != nil {
		return m.names
	}
	return net.DefaultResolver
}

// introduce finds out who this member is from the flags and, where others run, from them. It returns the founders that
// open the log of a new cluster; a member that joins receives the log instead.
func (m *Member) introduce() (identity bootstrap.Identity, founders []raft.Peer, err error) {
	o := bootstrap.Options{
		Name:              m.cfg.Name,
		InitialCluster:    m.cfg.Cluster.InitialCluster,
		Token:             m.cfg.Cluster.InitialClusterToken,
		AdvertisePeerURLs: config.Strings(m.cfg.Cluster.InitialAdvertisePeerURLs),
		MaxLearners:       m.cfg.Limits.MaxLearners,
		Version:           version.API,
		MinClusterVersion: version.MinCluster,
		Client:            m.peerClient,
		LookupHost:        m.resolver().LookupHost,
		Log: func(message, member string, err error) {
			m.logger.Warn(message, zap.String("remote-member", member), zap.Error(err))
		},
	}
	if err := m.discover(context.Background(), &o); err != nil {
		return identity, nil, err
	}
	if m.cfg.Cluster.InitialClusterState == config.ClusterStateExisting {
		identity, err = bootstrap.Join(context.Background(), o)
		return identity, nil, err
	}
	if identity, err = bootstrap.Found(context.Background(), o); err != nil {
		return identity, nil, err
	}
	for _, member := range identity.Members {
		founders = append(founders, raft.Peer{ID: member.ID, Context: membership.AddChange(member).GetContext()})
	}
	return identity, founders, nil
}

// meet takes an identity that fits the one in the data directory, if there is one, and makes the others known.
func (m *Member) meet(identity bootstrap.Identity) error {
	if m.id != 0 && (m.id != identity.MemberID || m.clusterID != identity.ClusterID) {
		return fmt.Errorf("member: the data directory %s was made for member %s of cluster %s, the flags describe member %s of "+
			"cluster %s: give the flags it was made with, or another --data-dir", m.cfg.DataDir, membership.FormatID(m.id),
			membership.FormatID(m.clusterID), membership.FormatID(identity.MemberID), membership.FormatID(identity.ClusterID))
	}
	m.id, m.clusterID = identity.MemberID, identity.ClusterID
	m.state.Members.Seed(identity.Members)
	return nil
}
