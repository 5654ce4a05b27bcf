package raftnode

import (
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// ErrLogLost means that this member has acknowledged entries that its log does not hold: the data directory was emptied
// or put back to an earlier state. It must not vote or acknowledge any more, since a majority may rest on what is gone.
var ErrLogLost = errors.New("the log of this member is shorter than what it has acknowledged to the leader: its data directory was " +
	"emptied, or replaced by an older copy; remove this member from the cluster and add it again with an empty data directory")

// logIsLost reports whether the leader relies on entries that are not in the log any more, and ends the member then. A
// heartbeat commits at most what its receiver has acknowledged in the same term, and that was in the log by then
// (etcd#21178, etcd#10817: raft itself would panic).
func (n *Node) logIsLost(m *raftpb.Message) bool {
	if n.lost {
		return true
	}
	if m.GetType() != raftpb.MsgHeartbeat {
		return false
	}
	last, err := n.cfg.Storage.LastIndex()
	if err != nil || m.GetCommit() <= last || m.GetTerm() < n.raw.BasicStatus().HardState.GetTerm() {
		return false
	}
	n.lost = true
	n.cfg.Fatal(fmt.Errorf("raftnode: the leader has this member's acknowledgement up to log index %d, the log ends at %d: %w",
		m.GetCommit(), last, ErrLogLost))
	return true
}

// slowWrite is from when on a write of the log is worth a line.
const slowWrite = time.Second

// wrote looks at how long a write of the log took.
func (n *Node) wrote(took time.Duration) {
	if took >= slowWrite {
		n.cfg.Logger.Warn("slow fdatasync", zap.Duration("took", took), zap.Duration("expected-duration", slowWrite))
	}
}

// StalledFor is for how long the disk has kept the same write of the log waiting; 0 when it does not.
func (n *Node) StalledFor(now time.Time) time.Duration { return n.writing.For(now) }

// SetUnfit says whether this member should not lead, for a reason that raft does not see. It hands leadership over then, as
// often as it gets it, for as long as there is another member to take it.
func (n *Node) SetUnfit(unfit bool) { n.unfit.Store(unfit) }

// yieldIfUnfit hands leadership over when this member should not lead, or when its disk has not answered for an election
// timeout. Followers would see a healthy leader, since heartbeats need no disk, while every request that is applied here
// waits (etcd#13527).
func (n *Node) yieldIfUnfit(now time.Time) {
	stalled := n.StalledFor(now)
	if n.leader.Load() != n.cfg.ID || stalled < n.electionTimeout() && !n.unfit.Load() {
		return
	}
	status := n.raw.Status()
	if status.LeadTransferee != raft.None {
		return
	}
	target, match := raft.None, uint64(0)
	for id, p := range status.Progress {
		if id != n.cfg.ID && !p.IsLearner && p.RecentActive && p.Match > match {
			target, match = id, p.Match
		}
	}
	if target == raft.None {
		return
	}
	n.cfg.Logger.Warn("this member is not fit to lead, handing leadership over",
		zap.Duration("disk-stalled-for", stalled), zap.String("to", fmt.Sprintf("%x", target)))
	n.raw.TransferLeader(target)
}

func (n *Node) electionTimeout() time.Duration {
	return time.Duration(n.cfg.ElectionTicks) * n.cfg.TickInterval
}
