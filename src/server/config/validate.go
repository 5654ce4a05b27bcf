package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"time"

	"quoin.dev/pkg/clusterurl"
	"quoin.dev/server/auth/token"
)

// Validate refuses settings that contradict each other, or that no member could run with. Whether --initial-cluster fits
// this member is not checked here: it only matters for a member without data, so the bootstrap does it.
func (c *Config) Validate() error {
	checks := []func() error{
		c.Logging.Check,
		c.validateURLs,
		c.validateDirs,
		c.validateBootstrapFlags,
		c.validateTiming,
		c.validateLimits,
		c.Features.validate,
		c.Security.validate,
		c.validateTLSNeeded,
		c.validateAuth,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) validateURLs() error {
	for _, list := range [][]url.URL{c.ListenPeerURLs, c.ListenClientURLs, c.ListenClientHTTPURLs, c.ListenMetricsURLs} {
		for _, u := range list {
			if err := checkBind(u); err != nil {
				return err
			}
		}
	}
	if err := checkHost(c.Cluster.InitialAdvertisePeerURLs); err != nil {
		return fmt.Errorf(`--initial-advertise-peer-urls must be "host:port" (%w)`, err)
	}
	if err := checkHost(c.Cluster.AdvertiseClientURLs); err != nil {
		return fmt.Errorf(`--advertise-client-urls must be in the format "host:port", "unix:/path/to/socket" or "unixs:/path/to/socket" (%w)`, err)
	}
	if len(c.ListenPeerURLs) == 0 || len(c.ListenClientURLs) == 0 {
		return errors.New("--listen-peer-urls and --listen-client-urls must not be empty")
	}
	return nil
}

// checkBind wants an address: which interface a host name means can change between two starts.
func checkBind(u url.URL) error {
	switch u.Scheme {
	case "unix", "unixs":
		return nil
	}
	if host := u.Hostname(); host != "localhost" && net.ParseIP(host) == nil {
		return fmt.Errorf("expected IP in URL for binding (%s)", u.String())
	}
	return nil
}

// checkHost wants a host that others can dial.
func checkHost(urls []url.URL) error {
	for _, u := range urls {
		if (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() == "" {
			return fmt.Errorf("unexpected empty host (%s)", u.String())
		}
	}
	return nil
}

func (c *Config) validateDirs() error {
	if c.WALDir == "" {
		return nil
	}
	wal := filepath.Clean(c.WALDir)
	for _, taken := range []string{c.DataDir, c.MemberDir(), c.SnapDir()} {
		if wal == filepath.Clean(taken) {
			return fmt.Errorf("--wal-dir must be a directory of its own, not %s", taken)
		}
	}
	return nil
}

func (c *Config) validateBootstrapFlags() error {
	d := c.Discovery
	if d.Fallback == "proxy" {
		return errors.New(`v2 proxy is deprecated, and --discovery-fallback can't be configured as "proxy"`)
	}
	ways := 0
	for _, set := range []bool{c.explicit["initial-cluster"], len(d.Endpoints) > 0, d.SRV != ""} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		return errors.New(`multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery-endpoints" or "discovery-srv"`)
	}
	if err := d.validate(); err != nil {
		return err
	}
	if c.ConfigFile == "" && c.explicit["listen-client-urls"] && !c.explicit["advertise-client-urls"] {
		return errors.New("--advertise-client-urls is required when --listen-client-urls is set explicitly")
	}
	if s := c.Cluster.InitialClusterState; s != ClusterStateNew && s != ClusterStateExisting {
		return fmt.Errorf("--initial-cluster-state must be %q or %q (got %q)", ClusterStateNew, ClusterStateExisting, s)
	}
	if _, err := clusterurl.ParseFounders(c.Cluster.InitialCluster); err != nil {
		return fmt.Errorf("error setting up initial cluster: %w", err)
	}
	return nil
}

func (c *Config) validateTiming() error {
	heartbeat, election := c.Raft.HeartbeatInterval, c.Raft.ElectionTimeout
	switch {
	case heartbeat <= 0:
		return fmt.Errorf("--heartbeat-interval must be >0 (set to %dms)", heartbeat.Milliseconds())
	case election <= 0:
		return fmt.Errorf("--election-timeout must be >0 (set to %dms)", election.Milliseconds())
	case 5*heartbeat > election:
		return fmt.Errorf("--election-timeout[%dms] should be at least as 5 times as --heartbeat-interval[%dms]", election.Milliseconds(), heartbeat.Milliseconds())
	case election > maxElectionTimeout:
		return fmt.Errorf("--election-timeout[%dms] is too long, and should be set less than %dms", election.Milliseconds(), maxElectionTimeout.Milliseconds())
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"backend-batch-interval", c.Storage.BatchInterval},
		{"compaction-sleep-interval", c.Compaction.SleepInterval},
		{"corrupt-check-time", c.Storage.CorruptCheckTime},
		{"grpc-keepalive-min-time", c.GRPC.KeepAliveMinTime},
		{"grpc-keepalive-interval", c.GRPC.KeepAliveInterval},
		{"grpc-keepalive-timeout", c.GRPC.KeepAliveTimeout},
		{"watch-progress-notify-interval", c.WatchProgressNotifyInterval},
	} {
		if d.value < 0 {
			return fmt.Errorf("--%s must not be negative (set to %s)", d.name, d.value)
		}
	}
	if t := c.Storage.CompactHashCheckTime; t <= 0 && c.Features[FeatureCompactHashCheck] {
		return fmt.Errorf("--compact-hash-check-time must be >0 (set to %s)", t)
	}
	if c.Cluster.DowngradeCheckTime <= 0 {
		return fmt.Errorf("--downgrade-check-time must be >0 (set to %s)", c.Cluster.DowngradeCheckTime)
	}
	return nil
}

func (c *Config) validateLimits() error {
	switch {
	case c.Limits.MaxLearners < 0:
		return fmt.Errorf("--max-learners must not be negative (set to %d)", c.Limits.MaxLearners)
	case c.Limits.MaxTxnOps == 0:
		return errors.New("--max-txn-ops must be >0")
	case c.Limits.MaxApplyLag == 0:
		return errors.New("--max-apply-lag must be >0")
	case c.Limits.MaxRequestBytes == 0 || c.Limits.MaxRequestBytes > 1<<30:
		// One request is one raft entry, and peers refuse frames of 512 MiB; above 1 GiB sizes overflow on the wire.
		return fmt.Errorf("--max-request-bytes must be between 1 and %d (set to %d)", 1<<30, c.Limits.MaxRequestBytes)
	case c.Storage.BatchLimit < 0:
		return fmt.Errorf("--backend-batch-limit must not be negative (set to %d)", c.Storage.BatchLimit)
	case c.Compaction.BatchLimit < 0:
		return fmt.Errorf("--compaction-batch-limit must not be negative (set to %d)", c.Compaction.BatchLimit)
	case c.MemoryMlock && runtime.GOOS == "windows":
		return errors.New("--memory-mlock can not be had on Windows")
	case c.Tracing.Enabled && (c.Tracing.SamplingRate < 0 || c.Tracing.SamplingRate > 1_000_000):
		return fmt.Errorf("--distributed-tracing-sampling-rate must be between 0 and 1000000 (set to %d)", c.Tracing.SamplingRate)
	}
	switch c.Storage.FreelistType {
	case "", "array", "map":
	default:
		return fmt.Errorf(`--backend-bbolt-freelist-type must be "array" or "map" (set to %q)`, c.Storage.FreelistType)
	}
	switch c.Metrics {
	case "basic", "extensive":
	default:
		return fmt.Errorf(`--metrics must be "basic" or "extensive" (set to %q)`, c.Metrics)
	}
	return nil
}

func (c *Config) validateAuth() error {
	if _, err := token.Parse(c.Security.AuthToken); err != nil {
		return fmt.Errorf("--auth-token: %w", err)
	}
	if c.Audit.Path == "" {
		return nil
	}
	return c.Audit.Check()
}
