package member

import (
	"context"
	"time"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/membership"
	"quoin.dev/server/raftnode"
	"quoin.dev/server/watch"
	"quoin.dev/storage/backend"
)

// Figures is the present size of what changes all the time.
type Figures struct {
	Leader, Term, Commit, Applied uint64
	InFlight, InFlightBytes       int64 // requests on their way through the log
	Queues                        raftnode.Queues
	Lags                          map[uint64]uint64 // log entries that each follower is behind; nil if this member does not lead
	DiskStalledFor                time.Duration     // how long the write that is under way has kept the log or the table waiting
	Unwell                        []error
	Watches                       watch.Counts
	OverdueLeases                 int
	TakingSnapshot                bool // for the disk
	SendingSnapshots              int  // to other members
	ReadingSnapshots              int  // by clients
	Installing                    bool // a received snapshot
	DBQuota                       int64
	// State is nil while a received snapshot replaces it, and once the member has stopped.
	State *StateFigures
}

// StateFigures is the present size of the state.
type StateFigures struct {
	ClusterVersion            string // empty before the leader has set it
	AuthRevision              uint64
	Members                   []membership.Member
	Alarms                    map[uint64][]string // by the member that raised them
	Revision, CompactRevision int64
	Keys, Leases              int
	IndexBytes                int64
	DBSize, DBSizeInUse       int64
	Pending                   backend.Pending
	OpenReads                 int
	Defragmenting, Compacting bool
}

// Figures looks at everything once. It waits for no disk, and for the consensus core not longer than ctx allows.
func (m *Member) Figures(ctx context.Context) Figures {
	unwell, _ := m.Health()
	now := time.Now()
	f := Figures{
		Leader: m.node.Leader(), Term: m.node.Term(), Commit: m.node.Commit(), Applied: m.applied.index(),
		InFlight: m.waits.underWay.requests.Load(), InFlightBytes: m.waits.underWay.bytes.Load(),
		Queues:           m.node.Queues(),
		DiskStalledFor:   max(m.node.StalledFor(now), m.committing.For(now)),
		Unwell:           unwell,
		Watches:          m.watches.Counts(),
		OverdueLeases:    m.clock.Overdue(now),
		TakingSnapshot:   m.snapshots.taking.Load(),
		SendingSnapshots: int(m.snapshots.sending.Load()),
		ReadingSnapshots: int(m.snapshots.reading.Load()),
		Installing:       m.installing.Load(),
		DBQuota:          m.cfg.Storage.Quota(),
	}
	if f.Leader == m.id {
		f.Lags = m.node.Lags(ctx)
	}
	f.State = m.stateFigures()
	return f
}

// stateFigures does not wait for the state: what replaces it may take as long as reading a large file does.
func (m *Member) stateFigures() *StateFigures {
	if !m.stateMu.TryRLock() {
		return nil
	}
	defer m.stateMu.RUnlock()
	if m.closed {
		return nil
	}
	s, b := m.state, m.backend
	f := &StateFigures{
		ClusterVersion: s.Members.Version(), AuthRevision: s.Auth.View().Revision(), Members: s.Members.Members(),
		Alarms: map[uint64][]string{}, Revision: s.KV.Revision(), CompactRevision: s.KV.CompactRevision(), Keys: s.KV.Keys(),
		Leases: s.Leases.Len(), IndexBytes: s.KV.IndexBytes(), DBSize: b.Size(), DBSizeInUse: b.SizeInUse(), Pending: b.Pending(),
		OpenReads: b.OpenReads(), Defragmenting: b.Defragmenting(), Compacting: s.KV.Compacting(),
	}
	for _, a := range s.Alarms.List(pb.AlarmType_NONE) {
		f.Alarms[a.MemberID] = append(f.Alarms[a.MemberID], a.Alarm.String())
	}
	return f
}
