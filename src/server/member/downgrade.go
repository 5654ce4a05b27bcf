package member

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/membershippb"
	"quoin.dev/api/version"

	"quoin.dev/server/membership"
)

// Why a downgrade is not begun.
var (
	// ErrDowngradeFormat: the target is not a version such as "3.6" or "3.6.1".
	ErrDowngradeFormat = errors.New("etcdserver: wrong downgrade target version format")
	// ErrDowngradeTarget: the target is not the minor version right before the one that the cluster speaks.
	ErrDowngradeTarget = errors.New("etcdserver: invalid downgrade target version")
	// ErrDowngradeRuns: there is a downgrade already. Go on with it, or cancel it.
	ErrDowngradeRuns = errors.New("etcdserver: cluster has a downgrade job in progress")
	// ErrNoClusterVersion: the leader has not decided yet which version the cluster speaks. Try again in a few seconds.
	ErrNoClusterVersion = errors.New("etcdserver: cluster version not found during downgrade")
)

// A downgrade lets members be replaced by those of the version before, one at a time:
//
//  1. EnableDowngrade writes the target into the log.
//  2. The leader sees the job and lets the cluster speak the target version. Each member, as it applies that, writes the
//     target into its database as the version that can go on from it, and takes a snapshot, so that no older server has to
//     read entries of the present one.
//  3. Members are stopped and started with the older version.
//  4. A leader that finds all members at the target ends the job. CancelDowngrade does so at any time before; then the leader
//     raises the version again, to what all members can speak.

// ValidateDowngrade tells whether a downgrade to a target could begin now, and which version the cluster speaks ("3.7").
// Errors: the four above, and those of a linearizable read.
func (m *Member) ValidateDowngrade(ctx context.Context, target string) (cluster string, err error) {
	_, cluster, err = m.mayDowngrade(ctx, target)
	return cluster, err
}

// EnableDowngrade begins a downgrade. It returns when that is in the log; members may be replaced when the cluster speaks the
// target version. The result is that of ValidateDowngrade, as are the errors, and those of a request.
func (m *Member) EnableDowngrade(ctx context.Context, target string) (cluster string, err error) {
	to, cluster, err := m.mayDowngrade(ctx, target)
	if err != nil {
		return "", err
	}
	return cluster, m.setDowngrade(ctx, &membershippb.DowngradeInfoSetRequest{Enabled: true, Ver: to.ClusterVersion()})
}

// CancelDowngrade ends a downgrade; one that is not there has ended already. Errors: ErrNoClusterVersion, and those of a
// read and a request.
func (m *Member) CancelDowngrade(ctx context.Context) (cluster string, err error) {
	if err := m.ReadIndex(ctx); err != nil {
		return "", err
	}
	speaks, err := membership.ParseMinor(m.clusterVersion())
	if err != nil {
		return "", ErrNoClusterVersion
	}
	if !m.cluster().Downgrade().Enabled {
		return speaks.String(), nil
	}
	return speaks.String(), m.setDowngrade(ctx, &membershippb.DowngradeInfoSetRequest{Enabled: false})
}

func (m *Member) setDowngrade(ctx context.Context, r *membershippb.DowngradeInfoSetRequest) error {
	_, err := m.Propose(ctx, &pb.InternalRaftRequest{DowngradeInfoSet: r})
	return err
}

// mayDowngrade holds the target of a downgrade against the present state of the cluster.
func (m *Member) mayDowngrade(ctx context.Context, text string) (target membership.Minor, cluster string, err error) {
	if target, err = membership.ParseTarget(text); err != nil {
		return target, "", ErrDowngradeFormat
	}
	if err := m.ReadIndex(ctx); err != nil {
		return target, "", err
	}
	speaks, err := membership.ParseMinor(m.clusterVersion())
	switch {
	case err != nil:
		return target, "", ErrNoClusterVersion
	case !target.Before(speaks):
		return target, "", ErrDowngradeTarget
	case m.cluster().Downgrade().Enabled:
		return target, "", ErrDowngradeRuns
	}
	return target, speaks.String(), nil
}

// endDowngrade ends a downgrade whose members all run the target version. The leader calls it.
func (m *Member) endDowngrade(ctx context.Context) error {
	job := m.cluster().Downgrade()
	if !job.Enabled {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.RequestTimeout())
	defer cancel()
	if !allRun(job.TargetVersion, m.askVersions(ctx)) {
		return nil
	}
	if err := m.setDowngrade(ctx, &membershippb.DowngradeInfoSetRequest{Enabled: false}); err != nil {
		return err
	}
	m.logger.Info("the cluster has been downgraded", zap.String("cluster-version", job.TargetVersion))
	return nil
}

// reportDowngradable tells that the directory is as the target of a downgrade needs it.
func (m *Member) reportDowngradable() {
	if job := m.cluster().Downgrade(); job.Enabled {
		m.logger.Info("The server is ready to downgrade",
			zap.String("target-version", job.TargetVersion), zap.String("server-version", version.API))
	}
}

// serveDowngradeEnabled tells a member of an older version whether it may join.
func (m *Member) serveDowngradeEnabled(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set(membership.ClusterIDHeader, membership.FormatID(m.clusterID))
	ctx, cancel := context.WithTimeout(r.Context(), m.cfg.RequestTimeout())
	defer cancel()
	if err := m.ReadIndex(ctx); err != nil {
		http.Error(w, "failed linearized read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, strconv.FormatBool(m.cluster().Downgrade().Enabled))
}
