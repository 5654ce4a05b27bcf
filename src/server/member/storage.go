package member

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/version"

	"quoin.dev/server/alarm"
	"quoin.dev/server/apply"
	"quoin.dev/server/auth"
	"quoin.dev/server/bootstrap"
	"quoin.dev/server/config"
	"quoin.dev/server/lease"
	"quoin.dev/server/membership"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc"
	"quoin.dev/storage/schema"
	"quoin.dev/storage/snap"
	"quoin.dev/storage/wal"
)

func (m *Member) dbPath() string { return filepath.Join(m.cfg.SnapDir(), "db") }

func (m *Member) walOptions() wal.Options {
	return wal.Options{FS: m.fs, Logger: m.logger, Meter: m.meter.WAL}
}

// openState opens the database and builds every view of it. A start and the installation of a snapshot share it, so
// that neither can forget one.
func (m *Member) openState() error {
	b, err := backend.Open(backend.Options{
		Path:          m.dbPath(),
		BatchInterval: m.cfg.Storage.BatchInterval,
		BatchLimit:    m.cfg.Storage.BatchLimit,
		FreelistArray: m.cfg.Storage.FreelistType == "array",
		NoSync:        m.cfg.Storage.UnsafeNoFsync,
		Mlock:         m.cfg.MemoryMlock,
		Logger:        m.logger,
		OnFatal:       m.fail,
		Meter:         m.meter.Backend,
	})
	if err != nil {
		return err
	}
	state, err := loadState(b, m.cfg, m.clock, m.auth, m.meter.KV, m.logger)
	if err != nil {
		_ = b.Close()
		return err
	}
	m.backend, m.state = b, state
	state.Watches = m.watches
	m.watches.Attach(state.KV)
	if state.Members.Downgrade().Enabled && lowers(version.API, state.Members.Version()) {
		// The entry that asked for a snapshot may have been the last one before the end of the process.
		m.snapshots.forced.Store(true)
	}
	return nil
}

// openStateAtStart is openState, and removes what a killed process left unfinished: the lock of the database is ours then,
// so nobody is writing it. While the member runs it may be our own.
func (m *Member) openStateAtStart() error {
	if err := m.openState(); err != nil {
		return err
	}
	_, err := m.snaps.RemoveTemporary()
	return err
}

func loadState(b *backend.Backend, cfg *config.Config, clock *lease.Clock, users *auth.Store, counts *mvcc.Meter, logger *zap.Logger) (*apply.State, error) {
	view := b.View()
	defer view.Close()
	if err := schema.CheckStorageVersion(view); err != nil {
		return nil, err
	}
	leases, err := lease.Load(view, b, lease.Options{MinTTL: lease.MinTTL(cfg.Raft.ElectionTicks(), cfg.Raft.HeartbeatInterval), Clock: clock})
	if err != nil {
		return nil, err
	}
	members, err := membership.Load(view, b, membership.Options{MaxLearners: cfg.Limits.MaxLearners, Version: version.API})
	if err != nil {
		return nil, err
	}
	if v := schema.StorageVersionFor(members.Version()); members.Version() != "" && schema.StorageVersion(view) != v {
		// etcd follows the cluster version a little later, and was stopped before. It goes to disk with the next batch.
		schema.PutStorageVersion(b, v)
	}
	alarms, err := alarm.Load(view, b)
	if err != nil {
		return nil, err
	}
	if err := users.Load(view, b); err != nil {
		return nil, err
	}
	kv, err := mvcc.Open(b, mvcc.Options{
		Logger: logger, Leases: leases, Meter: counts,
		CompactionBatch: cfg.Compaction.BatchLimit, CompactionPause: cfg.Compaction.SleepInterval,
	})
	if err != nil {
		return nil, err
	}
	return &apply.State{KV: kv, Leases: leases, Members: members, Alarms: alarms, Auth: users, Rows: b}, nil
}

// boot is what the start learned from disk or from the flags.
type boot struct {
	snapshot *raftpb.Snapshot // that the log begins with; nil if it has its beginning
	founders []raft.Peer      // of a new cluster
}

// openExisting continues from the data directory. Nothing in it is changed before everything has been checked.
func (m *Member) openExisting() (*boot, error) {
	marks, err := wal.Marks(m.cfg.WALPath(), m.walOptions())
	if err != nil {
		return nil, err
	}
	snapshot, err := m.snaps.Load(marks)
	if err != nil && !errors.Is(err, snap.ErrNone) {
		return nil, err
	}
	meta := snapshot.GetMetadata()
	from := wal.Mark{Index: meta.GetIndex(), Term: meta.GetTerm(), ConfState: meta.GetConfState()}
	if err := m.completeInstall(from.Index); err != nil {
		return nil, err
	}
	if err := m.openStateAtStart(); err != nil {
		return nil, err
	}
	if consistent, _ := m.backend.Applied(); consistent < from.Index {
		return nil, fmt.Errorf("member: the database %s goes to log index %d, the log begins behind it with the snapshot at %d, "+
			"and the database of that snapshot is not there: restore this member from a snapshot, or remove it from the cluster "+
			"and add it again with an empty data directory", m.dbPath(), consistent, from.Index)
	}
	log, contents, err := wal.Open(m.cfg.WALPath(), from, m.walOptions())
	if err != nil {
		return nil, err
	}
	m.wal = log
	if err := m.identify(contents.Metadata); err != nil {
		return nil, err
	}
	if err := m.checkLog(from.Index + uint64(len(contents.Entries))); err != nil {
		return nil, err
	}
	if m.cfg.Storage.ForceNewCluster {
		err = m.forceNewCluster(snapshot, contents)
	} else {
		err = m.checkCluster()
	}
	if err != nil {
		return nil, err
	}
	if err := m.fillLog(snapshot, contents); err != nil {
		return nil, err
	}
	b := &boot{snapshot: snapshot}
	if from.Index == 0 && len(contents.Entries) == 0 {
		// The member stopped between creating its WAL and founding its cluster: it founds it now.
		identity, founders, err := m.introduce()
		if err != nil {
			return nil, err
		}
		b.founders = founders
		return b, m.meet(identity)
	}
	return b, nil
}

// completeInstall finishes what a stop interrupted: a snapshot was received and recorded, and its database not yet put
// into place. The database in place may be ahead of the snapshot, never behind.
func (m *Member) completeInstall(index uint64) error {
	if _, err := m.snaps.DBPath(index); errors.Is(err, snap.ErrNoDB) || index == 0 {
		return nil
	}
	consistent, err := consistentIndex(m.dbPath())
	if err != nil {
		return err
	}
	if consistent >= index {
		return nil
	}
	received, err := m.receivedDB(index)
	if err != nil {
		return err
	}
	m.logger.Info("Recovering from snapshot backend", zap.Uint64("snapshot-index", index), zap.Uint64("consistent-index", consistent))
	return promoteDB(received, m.dbPath())
}

// consistentIndex reads up to where a database file goes; 0 when there is none, or nothing in it: etcd makes it empty first.
func consistentIndex(path string) (uint64, error) {
	if info, err := os.Stat(path); os.IsNotExist(err) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return 0, nil
	}
	b, err := backend.Open(backend.Options{Path: path, ReadOnly: true})
	if err != nil {
		return 0, err
	}
	index, _ := b.Applied()
	return index, b.Close()
}

// identify takes the ids that the WAL was created with.
func (m *Member) identify(metadata []byte) error {
	var ids pb.Metadata
	if err := ids.UnmarshalVT(metadata); err != nil {
		return fmt.Errorf("member: the identity in the write-ahead log %s does not decode: %w", m.cfg.WALPath(), err)
	}
	m.id, m.clusterID = ids.GetNodeID(), ids.GetClusterID()
	return nil
}

// checkLog refuses a database that knows more than the log.
func (m *Member) checkLog(last uint64) error {
	if consistent, _ := m.backend.Applied(); consistent > last {
		return fmt.Errorf("member: the database %s goes to log index %d, the write-ahead log %s only to %d: "+
			"the two do not belong together, or the log lost its end; restore this member from a snapshot, or remove it from "+
			"the cluster and add it again with an empty data directory", m.dbPath(), consistent, m.cfg.WALPath(), last)
	}
	return nil
}

// fillLog puts what the disk holds into the log in memory.
func (m *Member) fillLog(snapshot *raftpb.Snapshot, contents *wal.Contents) error {
	if snapshot != nil {
		if err := m.log.ApplySnapshot(snapshot); err != nil {
			return fmt.Errorf("member: start from the snapshot: %w", err)
		}
		m.confState, m.appliedTerm = snapshot.GetMetadata().GetConfState(), snapshot.GetMetadata().GetTerm()
	}
	if contents.HardState != nil {
		_ = m.log.SetHardState(contents.HardState) // a field in memory: it cannot fail
	}
	if err := m.log.Append(contents.Entries); err != nil {
		return fmt.Errorf("member: fill the log: %w", err)
	}
	return nil
}

// createNew makes the data directory of a member that has none.
func (m *Member) createNew(identity bootstrap.Identity) error {
	if consistent, err := consistentIndex(m.dbPath()); err != nil || consistent > 0 {
		if err == nil {
			err = fmt.Errorf("member: there is a database %s, up to log index %d, but no write-ahead log in %s: "+
				"give the --wal-dir that belongs to it, or restore this member from a snapshot", m.dbPath(), consistent, m.cfg.WALPath())
		}
		return err
	}
	if err := m.openStateAtStart(); err != nil {
		return err
	}
	if err := m.meet(identity); err != nil {
		return err
	}
	metadata, err := (&pb.Metadata{NodeID: new(m.id), ClusterID: new(m.clusterID)}).MarshalVT()
	if err != nil {
		return err
	}
	m.wal, err = wal.Create(m.cfg.WALPath(), metadata, m.walOptions())
	return err
}
