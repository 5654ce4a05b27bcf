package member

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/membershippb"
	"quoin.dev/api/version"

	"quoin.dev/server/membership"
)

// Limits of asking other members for their version.
const (
	versionInterval     = 4 * time.Second
	versionTimeout      = 2 * time.Second
	versionBodyMaxBytes = 64 << 10
)

// Versions is the body of GET /version.
type Versions struct {
	Server  string `json:"etcdserver"`
	Cluster string `json:"etcdcluster"`
	Storage string `json:"storage"`
}

// Versions are those of this member; the cluster's is "not_decided" until the leader has decided.
func (m *Member) Versions() Versions {
	v := Versions{Server: version.API, Cluster: m.clusterVersion(), Storage: m.storageVersion()}
	if v.Cluster == "" {
		v.Cluster = "not_decided"
	}
	return v
}

// keepVersions lets the leader decide which version the cluster speaks, and see when a downgrade has come to its end.
func (m *Member) keepVersions() {
	ctx, cancel := m.untilStop() // a member that hangs must not hold up the stop of this one
	defer cancel()
	decide := time.NewTicker(versionInterval)
	defer decide.Stop()
	downgrade := time.NewTicker(m.cfg.Cluster.DowngradeCheckTime)
	defer downgrade.Stop()
	for {
		duty := m.decideVersion
		select {
		case <-m.stopping:
			return
		case <-m.leading:
		case <-decide.C:
		case <-downgrade.C:
			duty = m.endDowngrade
		}
		if m.node.Leader() != m.id {
			continue
		}
		if err := duty(ctx); err != nil && ctx.Err() == nil {
			m.logger.Warn("failed to update the version of the cluster", zap.Error(err))
		}
	}
}

// decideVersion proposes the version that the cluster should speak, if it is another one than now.
func (m *Member) decideVersion(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.RequestTimeout())
	defer cancel()
	now := m.clusterVersion()
	next := nextVersion(now, m.cluster().Downgrade(), m.askVersions(ctx))
	if next == "" {
		return nil
	}
	m.logger.Info("updating cluster version", zap.String("from", now), zap.String("to", next))
	_, err := m.Propose(ctx, &pb.InternalRaftRequest{ClusterVersionSet: &membershippb.ClusterVersionSetRequest{Ver: next}})
	return err
}

// askVersions returns the server versions of all members; nil for one that can not be asked.
func (m *Member) askVersions(ctx context.Context) []*membership.Minor {
	members := m.Members()
	versions := make([]*membership.Minor, len(members))
	var asking sync.WaitGroup
	for i, member := range members {
		if member.ID == m.id {
			own, _ := membership.ParseMinor(version.API) // a constant
			versions[i] = &own
			continue
		}
		asking.Go(func() { versions[i] = m.askVersion(ctx, member) })
	}
	asking.Wait()
	return versions
}

// getFromPeer asks another member, at one of its peer URLs, for a path.
func (m *Member) getFromPeer(ctx context.Context, url, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	return m.peerClient.Do(request)
}

// askVersion returns the server version of another member, nil if none of its URLs answers.
func (m *Member) askVersion(ctx context.Context, member membership.Member) *membership.Minor {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	for _, url := range member.PeerURLs {
		response, err := m.getFromPeer(ctx, url, "/version")
		if err != nil {
			continue
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, versionBodyMaxBytes))
		_ = response.Body.Close()
		var v Versions
		if err != nil || response.StatusCode != http.StatusOK || json.Unmarshal(body, &v) != nil {
			continue
		}
		if parsed, err := membership.ParseMinor(v.Server); err == nil {
			return &parsed
		}
	}
	return nil
}
