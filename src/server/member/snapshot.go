package member

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/wal"
)

// keepLogAfterSend is for how long after a snapshot was sent the log in memory is not shortened: its receiver needs the
// entries that follow it, else it would need another snapshot.
const keepLogAfterSend = 30 * time.Second

// snapshotter knows which snapshots are being taken and sent.
type snapshotter struct {
	taking   atomic.Bool
	forced   atomic.Bool   // one is wanted, however little was applied since the last
	last     atomic.Uint64 // index of the last one on disk
	sending  atomic.Int32
	lastSent atomic.Int64 // unix nanoseconds of the end of the last sending
	reading  atomic.Int32 // by clients
}

// mayShortenLog reports whether no member is waiting for entries behind a snapshot.
func (s *snapshotter) mayShortenLog(now time.Time) bool {
	return s.sending.Load() == 0 && now.Sub(time.Unix(0, s.lastSent.Load())) > keepLogAfterSend
}

// position is a place in the log together with what a snapshot there says about the cluster.
type position struct {
	index, term uint64
	confState   *raftpb.ConfState
	members     []byte // the membership document that old versions read
}

// position captures the state between two batches.
func (m *Member) position() position {
	m.applyMu.Lock()
	defer m.applyMu.Unlock()
	return m.positionLocked()
}

// positionLocked is position for who holds applyMu.
func (m *Member) positionLocked() position {
	m.meter.MemberReads.Inc()
	return position{
		index:     m.applied.index(),
		term:      m.appliedTerm,
		confState: proto.CloneOf(m.confState),
		members:   m.state.Members.EncodeV2Store(),
	}
}

// raftSnapshot is what the raft log calls a snapshot: where it is, not the data itself.
func (p position) raftSnapshot() *raftpb.Snapshot {
	return &raftpb.Snapshot{
		Data:     p.members,
		Metadata: &raftpb.SnapshotMetadata{Index: new(p.index), Term: new(p.term), ConfState: p.confState},
	}
}

// maybeSnapshot starts a disk snapshot when enough was applied since the last, or when one is wanted. The applier calls it, and
// a snapshot that ends does, since another may have been wanted meanwhile.
func (m *Member) maybeSnapshot() {
	due := m.applied.index()-m.snapshots.last.Load() > m.cfg.Raft.SnapshotCount || m.snapshots.forced.Load()
	if !due || !m.snapshots.taking.CompareAndSwap(false, true) {
		return
	}
	forced := m.snapshots.forced.Swap(false) // what asked for it is applied, so this snapshot has it
	m.loops.Go(func() {
		err := m.takeSnapshot()
		m.snapshots.taking.Store(false)
		if err != nil {
			m.fail(fmt.Errorf("member: take a snapshot: %w", err))
			return
		}
		if forced {
			m.reportDowngradable()
		}
		if m.snapshots.forced.Load() {
			m.maybeSnapshot()
		}
	})
}

// takeSnapshot lets the log before the present be forgotten. The order makes every crash in between harmless: first the
// database holds everything up to the index, then the .snap file says so, then the WAL marks it, then segments go.
func (m *Member) takeSnapshot() error {
	p := m.position()
	m.stateMu.RLock()
	err := m.backend.Flush()
	m.stateMu.RUnlock()
	if errors.Is(err, backend.ErrClosed) {
		return nil // a received snapshot replaced the database meanwhile, or the member stops
	}
	if err != nil {
		return err
	}
	snapshot := p.raftSnapshot()
	if err := m.snaps.Save(snapshot); err != nil {
		return err
	}
	recorded := make(chan error, 1)
	m.node.InWAL(func() error {
		err := m.recordMark(snapshot)
		recorded <- err
		return err
	})
	select {
	case err := <-recorded:
		if err != nil {
			return err
		}
	case <-m.stopping:
		return nil
	}
	if err := m.wal.Release(p.index); err != nil {
		return err
	}
	m.snapshots.last.Store(p.index)
	m.logger.Info("saved snapshot", zap.Uint64("snapshot-index", p.index))
	if _, err := m.snaps.RemoveOrphanDBs(p.index); err != nil {
		m.logger.Warn("failed to remove received databases that nobody will ask for", zap.Error(err))
	}
	return m.shortenLog(p)
}

// recordMark tells the WAL that the state up to a snapshot is elsewhere. It runs on the appender.
func (m *Member) recordMark(snapshot *raftpb.Snapshot) error {
	meta := snapshot.GetMetadata()
	return m.wal.AppendSnapshot(wal.Mark{Index: meta.GetIndex(), Term: meta.GetTerm(), ConfState: meta.GetConfState()})
}

// shortenLog drops entries from memory that no live follower should still need.
func (m *Member) shortenLog(p position) error {
	if _, err := m.log.CreateSnapshot(p.index, p.confState, p.members); err != nil && !errors.Is(err, raft.ErrSnapOutOfDate) {
		return err
	}
	if p.index <= m.cfg.Raft.SnapshotCatchupEntries || !m.snapshots.mayShortenLog(time.Now()) {
		return nil
	}
	if err := m.log.Compact(p.index - m.cfg.Raft.SnapshotCatchupEntries); err != nil && !errors.Is(err, raft.ErrCompacted) {
		return err
	}
	return nil
}

// saveReceived records a snapshot from the leader; its database was stored when it arrived. It runs on the appender. The
// segments before it are needed until the hard state that commits it is durable: a start would not trust its mark before.
func (m *Member) saveReceived(snapshot *raftpb.Snapshot) error {
	if err := m.snaps.Save(snapshot); err != nil {
		return err
	}
	return m.recordMark(snapshot)
}

// sendSnapshot answers raft's wish to bring a follower up to date with the whole state. Raft names a place in the log;
// what is sent is the present, which is at or behind that place.
func (m *Member) sendSnapshot(message *raftpb.Message) {
	m.loops.Go(func() {
		if m.Trusted() != nil {
			m.node.ReportSnapshot(message.GetTo(), false) // another leader has something better to send
			return
		}
		m.snapshots.sending.Add(1)
		db, err := m.openSnapshot(message)
		if err != nil {
			m.snapshots.sending.Add(-1)
			m.logger.Warn("failed to open a snapshot to send", zap.Uint64("to", message.GetTo()), zap.Error(err))
			m.node.ReportSnapshot(message.GetTo(), false)
			return
		}
		if message.GetSnapshot().GetMetadata().GetTerm() > message.GetTerm() {
			// Another member leads by now. What was committed in its term must not arrive in the name of an earlier one.
			_ = db.Close()
			m.node.ReportSnapshot(message.GetTo(), false)
			return
		}
		m.transport.SendSnapshot(message, db, db.Size())
	})
}

// openSnapshot puts the present place into message and returns the database that belongs to it.
func (m *Member) openSnapshot(message *raftpb.Message) (*outgoing, error) {
	p, snapshot, err := m.snapshotHere()
	if err != nil {
		return nil, err
	}
	message.Snapshot = p.raftSnapshot()
	return &outgoing{Snapshot: snapshot, ended: &m.snapshots}, nil
}

// snapshotHere returns a place in the log and the database that goes exactly so far. A receiver could not use one that goes
// further: if it stopped before it had the entries in between, its log would not explain its database. Nothing is applied
// while the two are taken, so most of what that waits for is written before.
func (m *Member) snapshotHere() (position, *backend.Snapshot, error) {
	m.stateMu.RLock()
	err := m.backend.Flush()
	m.stateMu.RUnlock()
	if err != nil {
		return position{}, nil, err
	}
	m.applyMu.Lock()
	defer m.applyMu.Unlock()
	p := m.positionLocked()
	snapshot, err := m.backend.Snapshot()
	if err != nil {
		return p, nil, err
	}
	if at := snapshot.Applied().Index; at != p.index {
		_ = snapshot.Close()
		return p, nil, fmt.Errorf("member: the database goes to log index %d, of which entries to %d are replayed: try again", at, p.index)
	}
	return p, snapshot, nil
}

// outgoing is the database on its way to another member.
type outgoing struct {
	*backend.Snapshot
	ended *snapshotter // keeps count
}

// Close ends the sending, however far it came, and gives the pages of the snapshot back.
func (o *outgoing) Close() error {
	o.ended.lastSent.Store(time.Now().UnixNano())
	o.ended.sending.Add(-1)
	return o.Snapshot.Close()
}
