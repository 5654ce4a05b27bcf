package member

import (
	"fmt"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/membership"
	"quoin.dev/storage/backend"
)

// commitEvery bounds how many entries are applied before their batch is closed and their waiters are told.
const commitEvery = 256

// machine feeds committed entries to the state. Raft's applier is the only goroutine that changes it; mu keeps others
// from looking in the middle of a batch.
type machine struct {
	m *Member
	// consistent is the index up to which the database held everything at the start or at the last install; entries up
	// to it only rebuild raft's configuration.
	consistent uint64
	history    *membership.Cluster // the member list as of the entry that is replayed; nil if nobody knows it
	told       []told              // waiters of the open batch
	began      time.Time           // when the present entry was begun
	// over: nothing is applied any more. The member stops, or a snapshot could not be installed and entries are missing.
	over bool
}

// newMachine continues from the database, and from the snapshot that the log begins with, nil if it has its beginning.
func newMachine(m *Member, from *raftpb.Snapshot) *machine {
	consistent, _ := m.backend.Applied()
	return &machine{m: m, consistent: consistent, history: historyOf(from)}
}

// told is an outcome that is due once the batch is closed.
type told struct {
	w *waiter
	o outcome
}

// Apply implements raftnode.Machine.
func (a *machine) Apply(entries []*raftpb.Entry) {
	for len(entries) > 0 && !a.over {
		n := min(len(entries), commitEvery)
		a.applyBatch(entries[:n])
		entries = entries[n:]
	}
	// While entries are replayed the state is ahead of the log: a snapshot would say what became true only later.
	if a.m.applied.index() >= a.consistent && !a.over {
		a.m.maybeSnapshot()
	}
}

func (a *machine) applyBatch(entries []*raftpb.Entry) {
	m := a.m
	m.applying.Begin()
	defer m.applying.End()
	m.applyMu.Lock()
	applied := backend.Applied{}
	a.began = time.Now()
	for _, e := range entries {
		if confState := a.applyEntry(e); confState != nil {
			applied.ConfState = confState
			m.confState = confState
		}
		if a.over {
			// The rest of the batch is left for the next start: without its configuration it must not be committed.
			m.applyMu.Unlock()
			return
		}
		m.appliedTerm = e.GetTerm()
		applied.Index, applied.Term = e.GetIndex(), e.GetTerm()
	}
	if applied.Index > a.consistent {
		m.committing.Begin()
		m.backend.Commit(applied)
		m.committing.End()
	}
	m.applied.advance(applied.Index)
	m.waits.reached(applied.Term)
	m.applyMu.Unlock()
	for i, t := range a.told {
		t.w.done <- t.o
		a.told[i] = told{}
	}
	a.told = a.told[:0]
}

// applyEntry applies one entry and returns raft's new configuration if the entry changed it.
func (a *machine) applyEntry(e *raftpb.Entry) *raftpb.ConfState {
	switch e.GetType() {
	case raftpb.EntryNormal:
		if e.GetIndex() > a.consistent && len(e.GetData()) > 0 {
			a.applyRequest(e)
		}
		return nil
	case raftpb.EntryConfChange:
		defer func() { a.began = time.Now() }()
		return a.applyConfChange(e)
	}
	panic(fmt.Sprintf("member: log entry %d is a joint configuration change (type %s): expected none, since members "+
		"propose simple changes only; start this member with a version that supports it", e.GetIndex(), e.GetType()))
}

func (a *machine) applyRequest(e *raftpb.Entry) {
	r := new(pb.InternalRaftRequest)
	// The entry outlives the request, and what the state keeps of it is copied, so the request may share its bytes.
	if err := r.UnmarshalVTUnsafe(e.GetData()); err != nil {
		panic(fmt.Sprintf("member: log entry %d does not decode (%v): expected an InternalRaftRequest; the log is damaged, "+
			"restore this member from a snapshot or remove it and add it again", e.GetIndex(), err))
	}
	w := a.m.waits.take(requestID(r))
	if r.ClusterVersionSet != nil && !a.admitVersion(r.ClusterVersionSet.Ver) {
		return
	}
	room := a.m.roomFor(r, a.m.backend.SizeAhead())
	result := a.m.state.Apply(r, e.GetIndex(), w != nil)
	if r.ClusterMemberAttrSet != nil || r.ClusterVersionSet != nil {
		a.m.meter.MemberWrites.Inc("set")
	}
	if r.Alarm != nil {
		a.m.followAlarm(r.Alarm)
	}
	if !room && result.Err == nil {
		a.m.full.signal() // it was applied: every member does what the log says, and the alarm stops those to come
	}
	begun := a.began
	a.took(e, kindOf(r), result.Err)
	if w != nil {
		a.told = append(a.told, told{w, outcome{result: result, stages: stages{begun, a.began}}})
	}
}

// took notes how long an entry took. The next one begins when it ends.
func (a *machine) took(e *raftpb.Entry, kind string, err error) {
	now := time.Now()
	took, expected := now.Sub(a.began), a.m.cfg.WarningApplyDuration
	a.began = now
	a.m.meter.Applies.Observe(kind, err == nil, took)
	if took > expected {
		a.m.meter.SlowApplies.Inc()
		a.m.logger.Warn("apply request took too long", zap.Duration("took", took), zap.Duration("expected-duration", expected),
			zap.String("request", kind), zap.Uint64("index", e.GetIndex()), zap.Int("request-size", len(e.GetData())), zap.Error(err))
	}
}

// admitVersion looks at the version that the cluster is to speak from an entry on. A member that can not speak it ends before
// the entry, so that it finds everything as it was when it is started with a version that can. An older one asks for a
// snapshot: a server of that version must not find in the log what only this one can read.
func (a *machine) admitVersion(next string) bool {
	members := a.m.state.Members
	if err := members.CheckVersion(next); err != nil {
		a.over = true
		a.m.fail(fmt.Errorf("member: %w; this member stops before it would misread what the others write", err))
		return false
	}
	if now := members.Version(); lowers(now, next) {
		a.m.logger.Info("Cluster version downgrade detected, forcing snapshot",
			zap.String("prev-cluster-version", now), zap.String("new-cluster-version", next))
		a.m.snapshots.forced.Store(true)
	}
	return true
}

// requestID finds the id of a request; members before etcd 3.0 put it elsewhere.
func requestID(r *pb.InternalRaftRequest) uint64 {
	if r.Header != nil {
		return r.Header.ID
	}
	return r.ID
}

// applyConfChange makes a change of membership effective in raft, in the member list and in the transport. A change that
// the list refuses becomes an empty one for raft, so that both stay equal.
func (a *machine) applyConfChange(e *raftpb.Entry) *raftpb.ConfState {
	m := a.m
	change := changeOf(e)
	if e.GetIndex() <= a.consistent {
		return a.replayConfChange(change)
	}
	effect, err := m.state.Members.Apply(change)
	if err != nil {
		m.meter.RefusedWrites.Inc(changes[change.GetType()])
		m.logger.Warn("refused a membership change", zap.Uint64("index", e.GetIndex()), zap.Error(err))
		change.NodeId = new(uint64(0))
		a.tellRaft(change)
	} else {
		confState := a.tellRaft(change)
		if confState == nil {
			return nil
		}
		m.meter.MemberWrites.Inc(effects[effect.Kind])
		m.connect(effect)
		defer m.logger.Info("applied a membership change", zap.Stringer("type", change.GetType()),
			zap.String("member-id", membership.FormatID(change.GetNodeId())))
		if w := m.waits.take(change.GetId()); w != nil {
			a.told = append(a.told, told{w, outcome{members: m.state.Members.Members()}})
		}
		return confState
	}
	if w := m.waits.take(change.GetId()); w != nil {
		a.told = append(a.told, told{w, outcome{result: apply.Result{Err: err}}})
	}
	return nil
}

// changeOf decodes a committed change of membership.
func changeOf(e *raftpb.Entry) *raftpb.ConfChange {
	change := new(raftpb.ConfChange)
	if err := proto.Unmarshal(e.GetData(), change); err != nil {
		panic(fmt.Sprintf("member: configuration change at log entry %d does not decode (%v); the log is damaged, restore this "+
			"member from a snapshot or remove it and add it again", e.GetIndex(), err))
	}
	return change
}

// tellRaft makes a change effective in raft and returns the new configuration, nil once the node has stopped.
func (a *machine) tellRaft(change *raftpb.ConfChange) *raftpb.ConfState {
	confState := a.m.node.ApplyConfChange(change)
	a.over = confState == nil
	return confState
}
