package member

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-semver/semver"
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

// keepVersions lets the leader raise the cluster version to what all members can do.
func (m *Member) keepVersions() {
	ctx, cancel := m.untilStop() // a member that hangs must not hold up the stop of this one
	defer cancel()
	ticker := time.NewTicker(versionInterval)
	defer ticker.Stop()
	for {
		select {
		case <-m.stopping:
			return
		case <-m.leading:
		case <-ticker.C:
		}
		if m.node.Leader() != m.id {
			continue
		}
		if err := m.raiseClusterVersion(ctx); err != nil && ctx.Err() == nil {
			m.logger.Warn("failed to update cluster version", zap.Error(err))
		}
	}
}

// raiseClusterVersion proposes the lowest version among the members, unless the cluster speaks it already or something
// newer: going down is a job of its own.
func (m *Member) raiseClusterVersion(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.RequestTimeout())
	defer cancel()
	lowest := m.lowestVersion(ctx)
	if lowest == nil {
		return nil
	}
	decided := fmt.Sprintf("%d.%d.0", lowest.Major, lowest.Minor)
	if current := m.clusterVersion(); current != "" && !semver.New(current).LessThan(*semver.New(decided)) {
		return nil
	}
	m.logger.Info("updating cluster version", zap.String("to", decided))
	_, err := m.Propose(ctx, &pb.InternalRaftRequest{ClusterVersionSet: &membershippb.ClusterVersionSetRequest{Ver: decided}})
	return err
}

// lowestVersion asks every member; nil if one can not be asked and the cluster version is decided already. Before that,
// a member that can not be asked counts as the oldest there can be.
func (m *Member) lowestVersion(ctx context.Context) *semver.Version {
	var mu sync.Mutex // guards lowest and unknown
	lowest, unknown := semver.New(version.API), false
	var asking sync.WaitGroup
	for _, member := range m.Members() {
		if member.ID == m.id {
			continue
		}
		asking.Go(func() {
			v := m.askVersion(ctx, member)
			mu.Lock()
			defer mu.Unlock()
			if v == nil {
				unknown = true
			} else if v.LessThan(*lowest) {
				lowest = v
			}
		})
	}
	asking.Wait()
	switch {
	case !unknown:
		return lowest
	case m.clusterVersion() == "":
		return semver.New(version.MinCluster)
	}
	return nil
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
func (m *Member) askVersion(ctx context.Context, member membership.Member) *semver.Version {
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
		if parsed, err := semver.NewVersion(v.Server); err == nil {
			return parsed
		}
	}
	return nil
}
