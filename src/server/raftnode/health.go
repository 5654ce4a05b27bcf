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

// yieldIfStalled hands leadership over when the disk has not answered for an election timeout. Followers would see a
// healthy leader, since heartbeats need no disk, while every request that is applied here waits (etcd#13527).
func (n *Node) yieldIfStalled(now time.Time) {
	since := n.writingSince.Load()
	if since == 0 || n.leader.Load() != n.cfg.ID || now.Sub(time.Unix(0, since)) < n.electionTimeout() {
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
	n.cfg.Logger.Warn("the disk has not answered for an election timeout, handing leadership over",
		zap.Duration("stalled-for", now.Sub(time.Unix(0, since))), zap.String("to", fmt.Sprintf("%x", target)))
	n.raw.TransferLeader(target)
}

func (n *Node) electionTimeout() time.Duration {
	return time.Duration(n.cfg.ElectionTicks) * n.cfg.TickInterval
}
