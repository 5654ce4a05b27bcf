// Package member runs one member of a cluster: it takes requests, sends them through raft, applies what is committed and
// answers. It opens its data directory at the start and gives it back in order at the end.
package member

import (
	"cmp"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	"quoin.dev/pkg/stall"
	"quoin.dev/pkg/vfs"

	"quoin.dev/server/apply"
	"quoin.dev/server/auth"
	"quoin.dev/server/config"
	"quoin.dev/server/corrupt"
	"quoin.dev/server/lease"
	"quoin.dev/server/membership"
	"quoin.dev/server/peer"
	"quoin.dev/server/raftnode"
	"quoin.dev/server/watch"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/snap"
	"quoin.dev/storage/wal"
)

// Options are what a member needs beside its settings.
type Options struct {
	Config *config.Config
	Logger *zap.Logger
	// PeerTLS returns the TLS settings with which other members are called, for each connection anew. nil for Go's defaults.
	PeerTLS func() *tls.Config
	// Fatal is called once, with the reason, when the member can not go on. The process must end soon after: what the
	// member has acknowledged is on disk, and it acknowledges nothing more.
	Fatal func(error)
	// FS holds the write-ahead log; nil for the operating system's. It is the seam for faults of the disk.
	FS vfs.FS
	// Resolver asks DNS for the members of a new cluster; nil for the one of the system.
	Resolver *net.Resolver
}

// Member is a running member.
type Member struct {
	cfg       *config.Config
	logger    *zap.Logger
	fs        vfs.FS
	names     *net.Resolver // nil for that of the system
	fatal     func(error)
	failing   sync.Once
	id        uint64
	clusterID uint64
	meter     *Meter

	node       *raftnode.Node
	transport  *peer.Transport
	peerTLS    func() *tls.Config
	peerDialer peerDialer
	peerClient *http.Client
	log        *raft.MemoryStorage
	wal        *wal.WAL
	snaps      *snap.Dir

	ids     *requestIDs
	waits   *waitlist
	reads   *reads
	applied *applyWatch

	// applyMu is held while a batch is applied, and by those who need to see the state between two batches. It guards
	// confState and appliedTerm. Order: applyMu before stateMu.
	applyMu     sync.Mutex
	confState   *raftpb.ConfState
	appliedTerm uint64

	// stateMu lets readers finish before a received snapshot replaces the state: the applier holds it for writing only
	// then. It guards the pointers state and backend against readers; the applier itself needs no lock to read them.
	// closed says that the member has stopped, and that the two can not be read any more.
	stateMu sync.RWMutex
	state   *apply.State
	backend *backend.Backend
	closed  bool

	watches    *watch.Hub
	clock      *lease.Clock
	snapshots  snapshotter
	installing atomic.Bool // a received snapshot
	full       token       // the database has no room left
	committing stall.Watch // the applier, which waits for the disk when too much is pending
	applying   stall.Watch // the applier, over one batch
	health     health
	trust      trust
	checker    *corrupt.Checker
	auth       *auth.Store
	tokens     auth.TokenProvider
	passwords  *auth.Passwords
	returns    bool                      // it was here before, and what it holds is older than this process
	elected    atomic.Pointer[time.Time] // when this member last heard of a new leader, or of a new term of one
	leading    chan struct{}             // capacity 1: the leader or the term changed, for keepVersions
	termBegan  chan struct{}             // the same for keepLeases
	ready      chan struct{}             // closed once the member has published itself
	forcedTo   uint64                    // the log index from which this member is alone, 0 if it was not forced to be
	leaving    chan struct{}             // closed once it is known that the cluster has removed this member
	removed    chan struct{}             // closed when it should stop for that reason
	removing   sync.Once

	stopOnce sync.Once
	stopping chan struct{}
	loops    sync.WaitGroup
}

// ID identifies this member.
func (m *Member) ID() uint64 { return m.id }

// ClusterID identifies the cluster.
func (m *Member) ClusterID() uint64 { return m.clusterID }

// Ready is closed once the member takes part in its cluster and has published its client URLs.
func (m *Member) Ready() <-chan struct{} { return m.ready }

// Removed is closed once the cluster has removed this member; it should stop then.
func (m *Member) Removed() <-chan struct{} { return m.removed }

// MaxTxnOps bounds the operations of a transaction.
func (m *Member) MaxTxnOps() int { return int(m.cfg.Limits.MaxTxnOps) }

// MaxRequestBytes bounds an encoded request.
func (m *Member) MaxRequestBytes() int { return int(m.cfg.Limits.MaxRequestBytes) }

// HasLeader reports whether this member knows a leader.
func (m *Member) HasLeader() bool { return m.node.Leader() != 0 }

// ElectionTimeout is how long members are without a leader until one of them asks to be it.
func (m *Member) ElectionTimeout() time.Duration { return m.cfg.Raft.ElectionTimeout }

// WatchProgressInterval is how often a watch that is quiet hears of the revision, if it wants to.
func (m *Member) WatchProgressInterval() time.Duration {
	return cmp.Or(m.cfg.WatchProgressNotifyInterval, defaultProgressInterval)
}

const defaultProgressInterval = 10 * time.Minute

// NewWatchStream returns an empty stream of watches, which has to be closed. It outlives the state that it watches: after a
// received snapshot it goes on with the next one.
func (m *Member) NewWatchStream() *watch.Stream { return m.watches.NewStream() }

// View runs f on the current state. f must not keep it: a received snapshot replaces it once f has returned. Error:
// ErrStopped, and those of f.
func (m *Member) View(f func(*apply.State) error) error {
	m.stateMu.RLock()
	defer m.stateMu.RUnlock()
	if m.closed {
		return ErrStopped
	}
	return f(m.state)
}

// Members lists the members of the cluster by id.
func (m *Member) Members() []membership.Member {
	m.stateMu.RLock()
	defer m.stateMu.RUnlock()
	return m.state.Members.Members()
}

// IsLearner reports whether this member has no vote.
func (m *Member) IsLearner() bool {
	m.stateMu.RLock()
	defer m.stateMu.RUnlock()
	return m.state.Members.IsLearner(m.id)
}

// fail gives up: this member can not keep its promises any more.
func (m *Member) fail(err error) {
	m.failing.Do(func() { m.fatal(err) })
}

// leaderChanged is called by the raft core.
func (m *Member) leaderChanged(leader, _ uint64) {
	if leader != 0 {
		now := time.Now()
		m.elected.Store(&now)
	}
	m.reads.leaderChanged()
	for _, c := range []chan struct{}{m.leading, m.termBegan} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
