package config

import (
	"maps"
	"runtime"
	"slices"
	"strings"

	"go.uber.org/zap"

	"quoin.dev/api/version"
)

// Fields describe the settings in the log line of a start, under the names that etcd gives them.
func (c *Config) Fields() []zap.Field {
	return []zap.Field{
		zap.String("etcd-version", version.API),
		zap.String("quoin-version", version.Product),
		zap.String("git-sha", version.GitSHA),
		zap.String("go-version", runtime.Version()),
		zap.String("go-os", runtime.GOOS),
		zap.String("go-arch", runtime.GOARCH),
		zap.Int("max-cpu-set", runtime.GOMAXPROCS(0)),
		zap.Int("max-cpu-available", runtime.NumCPU()),
		zap.String("name", c.Name),
		zap.String("data-dir", c.DataDir),
		zap.String("wal-dir", c.WALDir),
		zap.String("member-dir", c.MemberDir()),
		zap.Bool("force-new-cluster", c.Storage.ForceNewCluster),
		zap.Stringer("heartbeat-interval", c.Raft.HeartbeatInterval),
		zap.Stringer("election-timeout", c.Raft.ElectionTimeout),
		zap.Bool("initial-election-tick-advance", c.Raft.InitialElectionTickAdvance),
		zap.Uint64("snapshot-count", c.Raft.SnapshotCount),
		zap.Uint("max-wals", c.Storage.MaxWALs),
		zap.Uint("max-snapshots", c.Storage.MaxSnapshots),
		zap.Uint64("snapshot-catchup-entries", c.Raft.SnapshotCatchupEntries),
		zap.Strings("initial-advertise-peer-urls", Strings(c.Cluster.InitialAdvertisePeerURLs)),
		zap.Strings("listen-peer-urls", Strings(c.ListenPeerURLs)),
		zap.Strings("advertise-client-urls", Strings(c.Cluster.AdvertiseClientURLs)),
		zap.Strings("listen-client-urls", Strings(c.ListenClientURLs)),
		zap.Strings("listen-client-http-urls", Strings(c.ListenClientHTTPURLs)),
		zap.Strings("listen-metrics-urls", Strings(c.ListenMetricsURLs)),
		zap.Strings("cors", c.HTTP.CORS),
		zap.Strings("host-whitelist", c.HTTP.HostWhitelist),
		zap.String("initial-cluster", c.Cluster.InitialCluster),
		zap.String("initial-cluster-state", c.Cluster.InitialClusterState),
		zap.String("initial-cluster-token", c.Cluster.InitialClusterToken),
		zap.Int64("quota-backend-bytes", c.Storage.Quota()),
		zap.Uint("max-request-bytes", c.Limits.MaxRequestBytes),
		zap.Uint32("max-concurrent-streams", c.Limits.MaxConcurrentStreams),
		zap.Bool("pre-vote", c.Raft.PreVote),
		zap.String("feature-gates", c.Features.String()),
		zap.Bool("initial-corrupt-check", c.Features.Enabled(FeatureInitialCorruptCheck)),
		zap.Stringer("corrupt-check-time-interval", c.Storage.CorruptCheckTime),
		zap.Stringer("compact-check-time-interval", c.Storage.CompactHashCheckTime),
		zap.String("auto-compaction-mode", c.Compaction.Mode),
		zap.String("auto-compaction-retention", c.Compaction.retention),
		zap.String("discovery-endpoints", strings.Join(c.Discovery.Endpoints, ",")),
		zap.Stringer("downgrade-check-interval", c.Cluster.DowngradeCheckTime),
		zap.Int("max-learners", c.Limits.MaxLearners),
		zap.String("v2-deprecation", "write-only"),
	}
}

// LogFields are the details of a warning as log fields, by name.
func (w Warning) LogFields() []zap.Field {
	fields := make([]zap.Field, 0, len(w.Fields))
	for _, key := range slices.Sorted(maps.Keys(w.Fields)) {
		fields = append(fields, zap.String(key, w.Fields[key]))
	}
	return fields
}
