package member

import (
	"context"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/membershippb"

	"quoin.dev/server/config"
	"quoin.dev/server/membership"
	"quoin.dev/storage/wal"
)

// purgeInterval is how often files that are no longer needed are looked for.
const purgeInterval = 30 * time.Second

// publish tells the cluster this member's name and client URLs, again and again until that is applied here: then a
// quorum is up and this member is part of it.
func (m *Member) publish() {
	for {
		_, err := m.Propose(context.Background(), &pb.InternalRaftRequest{
			ClusterMemberAttrSet: &membershippb.ClusterMemberAttrSetRequest{
				Member_ID: m.id,
				MemberAttributes: &membershippb.Attributes{
					Name:       m.cfg.Name,
					ClientUrls: config.Strings(m.cfg.Cluster.AdvertiseClientURLs),
				},
			},
		})
		if err == nil {
			m.logger.Info("published local member to cluster through raft",
				zap.String("local-member-id", membership.FormatID(m.id)),
				zap.String("cluster-id", membership.FormatID(m.clusterID)))
			close(m.ready)
			return
		}
		select {
		case <-m.stopping:
			return
		case <-time.After(publishRetryInterval):
			m.logger.Warn("failed to publish local member to cluster through raft", zap.Error(err))
		}
	}
}

// electAlone lets the only voter of a cluster lead without waiting for an election timeout: nobody else could win.
func (m *Member) electAlone() {
	poll := time.NewTicker(electAloneInterval)
	defer poll.Stop()
	for term := m.node.Term(); m.node.Leader() == 0 && m.node.Term() == term; {
		voters := m.voters()
		if len(voters) > 1 && m.applied.index() >= m.forcedTo {
			return
		}
		// Raft refuses while the change that made this member a voter is not applied, so it is asked again.
		if len(voters) == 1 && voters[0] == m.id {
			m.node.Campaign()
		}
		select {
		case <-poll.C:
		case <-m.stopping:
			return
		}
	}
}

// electAloneInterval is short beside an election timeout.
const electAloneInterval = 10 * time.Millisecond

// publishRetryInterval keeps a member whose proposals fail at once from spinning.
const publishRetryInterval = 100 * time.Millisecond

// purge deletes segments and snapshots that are no longer needed, a few kept for safety.
func (m *Member) purge() {
	ticker := time.NewTicker(purgeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-m.stopping:
			return
		case <-ticker.C:
		}
		for _, p := range []struct {
			dir, suffix string
			keep        uint
		}{
			{m.cfg.WALPath(), ".wal", m.cfg.Storage.MaxWALs},
			{m.cfg.SnapDir(), ".snap", m.cfg.Storage.MaxSnapshots},
			{m.cfg.SnapDir(), ".snap.db", m.cfg.Storage.MaxSnapshots},
		} {
			if p.keep == 0 {
				continue
			}
			// The newest file may not be trusted yet, so the one before it always stays.
			gone, err := wal.Purge(p.dir, p.suffix, max(int(p.keep), 2), m.walOptions())
			if err != nil {
				m.logger.Warn("failed to purge files", zap.String("dir", p.dir), zap.String("suffix", p.suffix), zap.Error(err))
			}
			for _, name := range gone {
				m.logger.Info("purged", zap.String("path", filepath.Join(p.dir, name)))
			}
		}
	}
}
