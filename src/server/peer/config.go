package peer

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"go.uber.org/zap"

	"go.etcd.io/raft/v3/raftpb"
)

// Raft is the local consensus node that the transport serves. All methods may be called from many goroutines.
type Raft interface {
	// Process hands a received message to raft. It may wait until ctx ends. Proposals (MsgProp) are handed over by
	// goroutines of their own, so that one which waits for a leader delays only other proposals.
	Process(ctx context.Context, m *raftpb.Message) error
	// IsRemoved says whether id was a member and has been removed for good.
	IsRemoved(id uint64) bool
	// ReportUnreachable says that a message to id was lost. Reports about one member may be merged.
	ReportUnreachable(id uint64)
	// ReportUnsent says that nothing of m, a proposal, has left this member, and nothing will. It must not block.
	ReportUnsent(m *raftpb.Message)
	// ReportSnapshot says how the sending of a snapshot to id ended.
	ReportSnapshot(id uint64, ok bool)
	// ReportGone says that id was connected, is not any more, and that a new connection is refused at once: its process has
	// ended, or its machine does not let it be reached. It must not block.
	ReportGone(id uint64)
}

// SnapshotDir stores the database of a received snapshot; it returns once the bytes are durable.
type SnapshotDir interface {
	SaveDB(r io.Reader, index uint64) (int64, error)
}

// Dialer opens the connections to other members; network is "tcp" or "unix".
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Config is what a transport needs. Fields without a default are required.
type Config struct {
	LocalID   uint64
	ClusterID uint64
	// PeerURLs are the local member's peer URLs; they travel with each request, so that a member which does not know
	// the local one yet can answer it.
	PeerURLs []string
	// Version is the local API version and MinVersion the oldest cluster version it can join, both "major.minor.patch".
	Version    string
	MinVersion string
	// Software is what the local member is, in the form of the HTTP header "Server", such as quoin/0.1.0. Empty = it does not
	// say, as etcd.
	Software string

	Raft        Raft
	SnapshotDir SnapshotDir

	// TLS returns the client side of https and unixs URLs, for each connection anew. nil = Go's defaults.
	TLS func() *tls.Config
	// Dialer is the network to dial through; nil = the operating system's.
	Dialer Dialer

	// DialTimeout bounds connecting, TLS included; 0 = 2 s. etcd takes 1 s plus the election timeout.
	DialTimeout time.Duration
	// ReadTimeout is how long a stream may be silent before it counts as broken; 0 = 5 s. A third of it is the period
	// of the link heartbeats, so all members of a cluster should have about the same.
	ReadTimeout time.Duration
	// WriteTimeout is how long one write of at most 1 MiB may take; 0 = 5 s.
	WriteTimeout time.Duration
	// SnapshotLimitBytes is the largest database accepted from another member; 0 = 128 GiB.
	SnapshotLimitBytes int64

	// Logger may be nil.
	Logger *zap.Logger
	// Observer may be nil.
	Observer Observer
	// OnRemoved is called when another member says that the local one was removed from the cluster, once for each. It must not
	// wait for Stop. May be nil.
	OnRemoved func(by uint64)
}

// Limits of the protocol. They are part of etcd's behaviour, except where a comment says otherwise.
const (
	streamQueueLen   = 4096 // messages waiting for one stream
	receiveQueueLen  = 4096 // received messages waiting for raft, and as many proposals
	pipelineQueueLen = 64
	pipelineWorkers  = 4
	maxBatch         = 2048             // messages written before a flush is forced
	redialInterval   = time.Second / 10 // at most one attempt per stream in this time
	maxFrameBytes    = 512 << 20
	maxEnvelopeBytes = 64 << 20 // the raft message ahead of a snapshot's database
	maxSnapshots     = 16       // being sent at a time

	// Ours: bounds where etcd has none.
	maxSnapshotsReceived = 4                // being received at a time
	maxRemotes           = 64               // members known only from their requests
	maxRemoteURLs        = 16               // URLs accepted from such a member
	snapshotReplyTimeout = 5 * time.Minute  // for the receiver to sync and process a database it has read
	writeChunkBytes      = 1 << 20          // one write under one deadline
	batchBytes           = 64 << 10         // encoded bytes that are written without waiting for the rest of the batch
	keptBufferBytes      = 1 << 20          // a larger encoding buffer is given back after use
	maxReplyBytes        = 64 << 10         // of an answer's body
	defaultSnapshotLimit = int64(128) << 30 // bytes
	defaultDialTimeout   = 2 * time.Second
	defaultStreamTimeout = 5 * time.Second
)

// withDefaults fills in what may be left out.
func (c Config) withDefaults() Config {
	if c.DialTimeout == 0 {
		c.DialTimeout = defaultDialTimeout
	}
	if c.ReadTimeout == 0 {
		c.ReadTimeout = defaultStreamTimeout
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = defaultStreamTimeout
	}
	if c.SnapshotLimitBytes == 0 {
		c.SnapshotLimitBytes = defaultSnapshotLimit
	}
	if c.Dialer == nil {
		c.Dialer = &net.Dialer{KeepAlive: 30 * time.Second}
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Observer == nil {
		c.Observer = noObserver{}
	}
	return c
}
