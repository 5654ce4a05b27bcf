package config

import (
	"net/url"
	"strings"
	"time"

	"quoin.dev/server/audit"
	"quoin.dev/server/logging"
)

// Defaults that other packages and tests refer to by name.
const (
	DefaultName                = "default"
	DefaultClusterToken        = "etcd-cluster"
	DefaultQuotaBytes          = 2 << 30
	DefaultMaxRequestBytes     = 1572864
	DefaultListenPeerURL       = "http://localhost:2380"
	DefaultListenClientURL     = "http://localhost:2379"
	ClusterStateNew            = "new"
	ClusterStateExisting       = "existing"
	CompactionModePeriodic     = "periodic"
	CompactionModeRevision     = "revision"
	maxElectionTimeout         = 50 * time.Second
	recommendedMaxRequestBytes = 10 << 20
	recommendedMaxQuotaBytes   = int64(8 << 30)
)

// Config is everything an operator can decide about one member. Names, defaults and meaning are those of etcd 3.7's
// flags; a duration or size of 0 means "the default of the part that uses it" unless the field says otherwise.
// Parse returns it complete and valid; a program that fills it by hand starts from Default and calls Validate.
type Config struct {
	// Name is the human-readable name; it finds this member in InitialCluster.
	Name string
	// DataDir is the data directory; empty becomes "<name>.etcd".
	DataDir string
	// WALDir, if set, is a directory of its own for the WAL; empty keeps it below DataDir.
	WALDir string

	ListenPeerURLs       []url.URL
	ListenClientURLs     []url.URL
	ListenClientHTTPURLs []url.URL // HTTP on ports of its own; empty: the client port serves both
	ListenMetricsURLs    []url.URL // further ports for /metrics and /health

	Raft       Raft
	Storage    Storage
	Limits     Limits
	Cluster    Cluster
	Discovery  Discovery
	Security   Security
	Compaction Compaction
	Tracing    Tracing
	HTTP       HTTP
	GRPC       GRPC

	Logging logging.Options
	// Audit is the log of who asks for what; there is none without a path.
	Audit audit.Options
	// Metrics is "basic" or "extensive" (latency histograms of every RPC).
	Metrics string
	// Features are the feature gates by name, after defaults; use Feature to read one.
	Features Features

	WarningApplyDuration        time.Duration
	WarningUnaryRequestDuration time.Duration
	WatchProgressNotifyInterval time.Duration // 0: 10 minutes; at least 100 ms
	MemoryMlock                 bool
	SocketReusePort             bool
	SocketReuseAddress          bool

	// ConfigFile is the file that the settings came from; empty when they came from flags and variables.
	ConfigFile string

	// Warnings are what the start should log once a logger exists: deprecated or odd settings that do not stop it.
	Warnings []Warning

	explicit map[string]bool // flag names that the operator set, by whatever way
}

// Raft is the timing and log-keeping of consensus.
type Raft struct {
	HeartbeatInterval          time.Duration
	ElectionTimeout            time.Duration
	InitialElectionTickAdvance bool
	PreVote                    bool
	SnapshotCount              uint64 // applied entries between two disk snapshots
	SnapshotCatchupEntries     uint64 // entries kept in the log behind a snapshot for slow followers
	ReadTimeout                time.Duration
	WriteTimeout               time.Duration
}

// ElectionTicks is the election timeout counted in heartbeats, as raft wants it.
func (r Raft) ElectionTicks() int { return int(r.ElectionTimeout / r.HeartbeatInterval) }

// Storage is what is kept on disk and how it is written.
type Storage struct {
	MaxSnapshots         uint // .snap files kept; 0 keeps all
	MaxWALs              uint // WAL segments kept; 0 keeps all
	QuotaBytes           int64
	FreelistType         string // "", "array" or "map"
	BatchInterval        time.Duration
	BatchLimit           int
	UnsafeNoFsync        bool
	DefragThresholdMiB   uint // free space at start above which the db file is rewritten; 0: never
	ForceNewCluster      bool
	CorruptCheckTime     time.Duration // 0: off
	CompactHashCheckTime time.Duration
}

// Quota is the effective size limit of the db file in bytes; 0 means no limit.
func (s Storage) Quota() int64 {
	switch {
	case s.QuotaBytes == 0:
		return DefaultQuotaBytes
	case s.QuotaBytes < 0:
		return 0
	}
	return s.QuotaBytes
}

// Limits bound what one client may ask for.
type Limits struct {
	MaxTxnOps            uint
	MaxRequestBytes      uint
	MaxConcurrentStreams uint32
	MaxLearners          int
	// MaxApplyLag is how many committed entries may wait to be applied before requests are refused; the end of a lease has
	// twice as many.
	MaxApplyLag uint
}

// Cluster is how the member finds and joins its cluster. It only matters for a member without a WAL, except
// AdvertiseClientURLs, which is published at every start.
type Cluster struct {
	InitialAdvertisePeerURLs []url.URL
	AdvertiseClientURLs      []url.URL
	InitialCluster           string // "a=http://h1:2380,b=http://h2:2380"
	InitialClusterState      string // "new" or "existing"
	InitialClusterToken      string
	StrictReconfigCheck      bool
	AutoPromoteLearners      bool
	DowngradeCheckTime       time.Duration
}

// Compaction is the automatic compaction of old revisions. Retention is a duration in periodic mode and a count of
// revisions in revision mode; both zero means off.
type Compaction struct {
	Mode          string
	Period        time.Duration
	Revisions     int64
	BatchLimit    int
	SleepInterval time.Duration
	retention     string
}

// GRPC is the keepalive policy of the client port.
type GRPC struct {
	KeepAliveMinTime  time.Duration
	KeepAliveInterval time.Duration
	KeepAliveTimeout  time.Duration
}

// HTTP is the browser-facing part of the client port.
type HTTP struct {
	CORS          []string
	HostWhitelist []string
	EnableGateway bool
	EnablePprof   bool
}

// Tracing is where OpenTelemetry spans go.
type Tracing struct {
	Enabled      bool
	Address      string
	ServiceName  string
	InstanceID   string
	SamplingRate int // per million
}

// Discovery finds the initial members through another cluster or through DNS.
type Discovery struct {
	Endpoints                                      []string
	Token, SRV, SRVName                            string
	Fallback                                       string
	DialTimeout, RequestTimeout                    time.Duration
	KeepAliveTime, KeepAliveTimeout                time.Duration
	InsecureTransport, InsecureSkipTLSVerify       bool
	CertFile, KeyFile, CAFile, User, Password, URL string
	ServerName                                     string // that its certificate must carry; empty: its host
	AuthToken                                      string // instead of User and Password
	MaxRequestBytes, MaxRecvBytes                  int    // 0: what the client and quoin take
}

// Security is TLS and the kind of auth tokens.
type Security struct {
	ClientTLS              TLSFiles
	PeerTLS                TLSFiles
	SelfSignedCertValidity uint // years
	CipherSuites           []string
	TLSMinVersion          string
	TLSMaxVersion          string
	AuthToken              string
	AuthTokenTTL           time.Duration
	BcryptCost             uint
}

// Warning is one line to log at start.
type Warning struct {
	Message string
	Fields  map[string]string
}

// Explicit tells whether the operator set the flag of this name, by flag, variable or file.
func (c *Config) Explicit(flagName string) bool { return c.explicit[flagName] }

// MemberDir is where everything this member keeps lies.
func (c *Config) MemberDir() string { return c.DataDir + "/member" }

// SnapDir holds the db file and the snapshots.
func (c *Config) SnapDir() string { return c.MemberDir() + "/snap" }

// WALPath is the directory of the WAL, wherever it was put.
func (c *Config) WALPath() string {
	if c.WALDir != "" {
		return c.WALDir
	}
	return c.MemberDir() + "/wal"
}

// RequestTimeout is how long the member tries to serve one request before it gives up.
func (c *Config) RequestTimeout() time.Duration { return 5*time.Second + 2*c.Raft.ElectionTimeout }

// PeerDialTimeout is how long connecting to a peer may take.
func (c *Config) PeerDialTimeout() time.Duration { return time.Second + c.Raft.ElectionTimeout }

// Strings renders URLs the way they are sent to other members and printed in logs.
func Strings(urls []url.URL) []string {
	out := make([]string, len(urls))
	for i := range urls {
		out[i] = urls[i].String()
	}
	return out
}

func (c *Config) warn(message string, fields ...string) {
	w := Warning{Message: message}
	for i := 0; i+1 < len(fields); i += 2 {
		if w.Fields == nil {
			w.Fields = map[string]string{}
		}
		w.Fields[fields[i]] = fields[i+1]
	}
	c.Warnings = append(c.Warnings, w)
}

// defaultInitialCluster is the cluster of one that a member founds when nobody names another.
func (c *Config) defaultInitialCluster() string {
	parts := make([]string, len(c.Cluster.InitialAdvertisePeerURLs))
	for i, u := range c.Cluster.InitialAdvertisePeerURLs {
		parts[i] = c.Name + "=" + u.String()
	}
	return strings.Join(parts, ",")
}
