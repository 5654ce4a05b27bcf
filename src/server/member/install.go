package member

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/pkg/vfs"
)

// Install implements raftnode.Machine: it replaces the database by the one that came with the snapshot, and rebuilds
// every view of it the way a start does.
func (a *machine) Install(snapshot *raftpb.Snapshot) {
	a.m.installing.Store(true)
	defer a.m.installing.Store(false)
	index := snapshot.GetMetadata().GetIndex()
	a.m.logger.Info("applying snapshot", zap.Uint64("snapshot-index", index), zap.Uint64("applied-index", a.m.applied.index()))
	if err := a.install(snapshot); err != nil {
		a.over = true
		a.m.fail(fmt.Errorf("member: install the snapshot at index %d: %w", index, err))
		return
	}
	a.m.logger.Info("applied snapshot", zap.Uint64("snapshot-index", index))
}

func (a *machine) install(snapshot *raftpb.Snapshot) error {
	m := a.m
	index := snapshot.GetMetadata().GetIndex()
	received, err := m.receivedDB(index)
	if err != nil {
		return err
	}
	m.applyMu.Lock()
	defer m.applyMu.Unlock()
	m.stateMu.Lock()
	defer m.stateMu.Unlock()

	m.watches.Detach()
	m.state.KV.Close()
	// What the old database has not written yet is of no use any more.
	if err := m.backend.Abandon(); err != nil {
		return err
	}
	if err := promoteDB(received, m.dbPath()); err != nil {
		return err
	}
	if err := m.openState(); err != nil {
		return err
	}
	consistent, _ := m.backend.Applied()
	a.consistent, a.history = consistent, historyOf(snapshot)
	m.confState = proto.CloneOf(snapshot.GetMetadata().GetConfState())
	m.appliedTerm = snapshot.GetMetadata().GetTerm()
	m.snapshots.last.Store(index)
	m.connectAll()
	m.differs(m.state.Alarms.Raised(m.id, pb.AlarmType_CORRUPT)) // what was here is gone, right or wrong
	m.applied.advance(index)
	m.waits.skipped()
	m.waits.reached(m.appliedTerm)
	return m.wal.Release(index)
}

// receivedDB finds the database that came with the snapshot at index. It is looked through before it replaces another: a
// start could not go back to that one.
func (m *Member) receivedDB(index uint64) (path string, err error) {
	if path, err = m.snaps.DBPath(index); err != nil {
		return "", err
	}
	consistent, err := consistentIndex(path)
	if err != nil {
		return "", err
	}
	if consistent < index {
		return "", fmt.Errorf("member: the database %s goes to log index %d: expected at least that of its snapshot", path, consistent)
	}
	return path, nil
}

// promoteDB makes a received database the one that is used; afterwards either the old or the new one is there.
func promoteDB(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("move the received database into place: %w", err)
	}
	return vfs.OS().SyncDir(filepath.Dir(to))
}
