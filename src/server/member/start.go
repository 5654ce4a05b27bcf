package member

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"go.etcd.io/raft/v3"
	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/version"
	"quoin.dev/pkg/vfs"

	"quoin.dev/server/config"
	"quoin.dev/server/lease"
	"quoin.dev/server/peer"
	"quoin.dev/server/raftnode"
	"quoin.dev/server/watch"
	"quoin.dev/storage/snap"
	"quoin.dev/storage/wal"
)

// Start opens the data directory of a member, or makes a new one, and runs the member. Other members reach it through
// PeerHandler, which the caller serves. After an error nothing is running and no file is held open.
func Start(o Options) (*Member, error) {
	m := &Member{
		cfg:       o.Config,
		logger:    o.Logger,
		fatal:     o.Fatal,
		fs:        o.FS,
		meter:     newMeter(),
		names:     o.Resolver,
		health:    health{changed: make(chan struct{})},
		peerTLS:   o.PeerTLS,
		waits:     newWaitlist(o.Config.Raft.ElectionTimeout / 2),
		applied:   new(applyWatch),
		watches:   watch.New(o.Logger),
		log:       raft.NewMemoryStorage(),
		leading:   make(chan struct{}, 1),
		termBegan: make(chan struct{}, 1),
		clock:     lease.NewClock(),
		full:      make(token, 1),
		ready:     make(chan struct{}),
		leaving:   make(chan struct{}),
		removed:   make(chan struct{}),
		stopping:  make(chan struct{}),
	}
	m.meter.Leases, m.meter.Watches = m.clock.Meter(), m.watches.Meter()
	if m.fs == nil {
		m.fs = vfs.OS()
	}
	if m.cfg.Storage.UnsafeNoFsync {
		m.fs = vfs.NoSync(m.fs)
	}
	m.peerDialer = m.newPeerDialer()
	m.peerClient = &http.Client{Transport: peer.NewRoundTripper(peer.Config{
		TLS: o.PeerTLS, Dialer: m.peerDialer, DialTimeout: o.Config.PeerDialTimeout(),
	})}
	if err := m.start(); err != nil {
		m.peerClient.CloseIdleConnections()
		m.closeStorage()
		return nil, err
	}
	return m, nil
}

func (m *Member) start() error {
	if err := m.prepareAuth(); err != nil {
		return err
	}
	b, err := m.openStorage()
	if err != nil {
		return err
	}
	m.defragmentAtStart()
	m.ids = newRequestIDs(m.id, time.Now())
	m.reads = newReads(func(token []byte) { m.node.ReadIndex(token) }, m.ids.next, m.applied)
	m.reads.meter = m.meter
	m.reads.alone = func() (uint64, bool) { return m.node.CommitAlone() }
	m.transport = peer.New(peer.Config{
		LocalID:      m.id,
		ClusterID:    m.clusterID,
		PeerURLs:     config.Strings(m.cfg.Cluster.InitialAdvertisePeerURLs),
		Version:      version.API,
		MinVersion:   version.MinCluster,
		Software:     softwareName + version.Product,
		Raft:         peerSide{m},
		SnapshotDir:  m.snaps,
		TLS:          m.peerTLS,
		Dialer:       m.peerDialer,
		DialTimeout:  m.cfg.PeerDialTimeout(),
		ReadTimeout:  m.cfg.Raft.ReadTimeout,
		WriteTimeout: m.cfg.Raft.WriteTimeout,
		Logger:       m.logger,
		Observer:     m.meter.Peers,
		OnRemoved:    m.toldRemoved,
	})
	snapshotIndex := b.snapshot.GetMetadata().GetIndex()
	m.snapshots.last.Store(snapshotIndex)
	m.applied.advance(snapshotIndex)
	if m.node, err = raftnode.New(raftnode.Config{
		ID:            m.id,
		TickInterval:  m.cfg.Raft.HeartbeatInterval,
		ElectionTicks: m.cfg.Raft.ElectionTicks(),
		PreVote:       m.cfg.Raft.PreVote,
		Storage:       m.log,
		Applied:       snapshotIndex,
		Bootstrap:     b.founders,
		WAL:           m.wal,
		Machine:       newMachine(m, b.snapshot),
		SaveSnapshot:  m.saveReceived,
		Send:          m.transport.Send,
		SendSnapshot:  m.sendSnapshot,
		LeaderChanged: m.leaderChanged,
		ReadReady:     m.reads.answer,
		Fatal:         m.fail,
		Logger:        m.logger,
	}); err != nil {
		m.transport.Stop()
		return err
	}
	m.meter.Node = m.node.Meter()
	m.checker = m.newChecker()
	m.differs(m.state.Alarms.Raised(m.id, pb.AlarmType_CORRUPT))
	if m.forcedTo == 0 {
		m.connectAll() // from here on others may be heard
	}
	m.node.Run()
	if m.state.Members.IsRemoved(m.id) {
		m.leave()
	}
	m.loops.Go(func() { m.reads.run(m.stopping, m.cfg.RequestTimeout()) })
	m.loops.Go(m.sweepWaits)
	m.loops.Go(m.publish)
	m.loops.Go(m.keepVersions)
	m.loops.Go(m.promoteLearners)
	m.loops.Go(m.keepLeases)
	m.loops.Go(m.keepHealth)
	m.loops.Go(m.keepQuota)
	m.loops.Go(m.keepCompacted)
	m.loops.Go(m.keepCompared)
	m.loops.Go(m.purge)
	m.loops.Go(m.electAlone)
	m.loops.Go(m.electSoon)
	return nil
}

// openStorage opens or makes everything on disk and in memory that the member starts from.
func (m *Member) openStorage() (*boot, error) {
	if wal.Exists(m.cfg.WALPath(), m.walOptions().FS) {
		m.returns = true
		if err := m.openDirectory(); err != nil {
			return nil, err
		}
		return m.openExisting()
	}
	// Flags that do not fit leave no directory behind.
	identity, founders, err := m.introduce()
	if err != nil {
		return nil, err
	}
	if err := m.openDirectory(); err != nil {
		return nil, err
	}
	return &boot{founders: founders}, m.createNew(identity)
}

// openDirectory makes the directories that are missing.
func (m *Member) openDirectory() error {
	m.noteLooseDirectory()
	if err := vfs.MkdirAll(vfs.OS(), m.cfg.SnapDir(), dirMode); err != nil {
		return fmt.Errorf("member: make the data directory: %w", err)
	}
	if err := checkWritable(m.cfg.MemberDir()); err != nil {
		return err
	}
	snaps, err := snap.Open(m.cfg.SnapDir(), snap.Options{Logger: m.logger, Meter: m.meter.Snap})
	m.snaps = snaps
	return err
}

// dirMode is the mode of directories: what a store holds is its operator's alone.
const dirMode = 0o700

// noteLooseDirectory warns when others than its owner can get into the data directory (CVE-2020-15113).
func (m *Member) noteLooseDirectory() {
	stat, err := os.Stat(m.cfg.DataDir)
	if err != nil || runtime.GOOS == "windows" || stat.Mode().Perm()&^dirMode == 0 {
		return
	}
	m.logger.Warn("check file permission", zap.Error(fmt.Errorf("directory %q exist, but the permission is %q. "+
		"The recommended permission is %q to prevent possible unprivileged access to the data", m.cfg.DataDir, stat.Mode(), os.FileMode(dirMode))))
}

// checkWritable finds out early, and with the path in the message, that a directory belongs to somebody else.
func checkWritable(dir string) error {
	name := filepath.Join(dir, ".touch")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("member: the data directory can not be written: %w; "+
			"run quoin as the user who owns it, or give another --data-dir", err)
	}
	_ = f.Close()
	return os.Remove(name)
}

// Stop ends the member in order: leadership goes to another member if there is one, nothing new is acknowledged, and
// what was applied is written to the database.
func (m *Member) Stop() {
	m.stopOnce.Do(func() {
		m.handOver(context.Background(), m.id)
		close(m.stopping)
		m.transport.Stop()
		m.node.Stop()
		m.loops.Wait()
		m.peerClient.CloseIdleConnections()
		m.closeStorage()
	})
}

// closeStorage closes what is open; in the middle of a start that failed, not everything is. Other members may still ask
// for what was in it.
func (m *Member) closeStorage() {
	m.stateMu.Lock()
	defer m.stateMu.Unlock()
	m.closed = true
	if m.tokens != nil {
		m.tokens.Close()
	}
	m.watches.Close()
	if m.state != nil {
		m.state.KV.Close()
	}
	if m.backend != nil {
		if err := m.backend.Close(); err != nil {
			m.logger.Warn("failed to close the database", zap.Error(err))
		}
	}
	if m.wal != nil {
		if err := m.wal.Close(); err != nil {
			m.logger.Warn("failed to close the write-ahead log", zap.Error(err))
		}
	}
}
