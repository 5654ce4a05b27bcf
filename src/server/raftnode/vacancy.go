package raftnode

import (
	"maps"
	"slices"

	"go.etcd.io/raft/v3"
	"go.uber.org/zap"
)

// vacancy is the time after the process of the leader has ended. Waiting for the election timeout would be in vain then, so
// the followers forget the leader, which lets them grant each other a pre-vote, and stand for election one after the other.
//
// This changes who asks for votes and when, and nothing of what a vote is worth. A member that is wrong about the leader gets
// no pre-vote from those who hear it, and follows it again at its next heartbeat.
type vacancy struct {
	gone  uint64 // who led; 0 = there is no vacancy
	ticks int    // since it was noticed
}

// ReportGone tells that nobody listens where member id was connected until now: its process has ended.
func (n *Node) ReportGone(id uint64) {
	n.inbox.addCall(func(raw *raft.RawNode) {
		s := raw.BasicStatus()
		// Without pre-vote a member that is wrong would depose a leader that is well.
		if !n.cfg.PreVote || s.RaftState != raft.StateFollower || s.Lead != id {
			return
		}
		if err := raw.ForgetLeader(); err != nil {
			n.cfg.Logger.Debug("raft does not forget the leader", zap.Error(err))
			return
		}
		n.vacancy = vacancy{gone: id}
	})
}

// fillVacancy is called at every tick. The voters have turns by their ids, a tick each, so that two do not split the votes; the
// turns go on until one has won, since the log of the first may be too short, or the others may notice later. After an election
// timeout raft goes on by itself.
func (n *Node) fillVacancy() {
	if n.vacancy.gone == raft.None {
		return
	}
	s := n.raw.Status()
	if s.Lead != raft.None || n.vacancy.ticks >= n.cfg.ElectionTicks {
		n.vacancy.gone = raft.None
		return
	}
	order := slices.Sorted(maps.Keys(s.Config.Voters.IDs()))
	order = slices.DeleteFunc(order, func(id uint64) bool { return id == n.vacancy.gone })
	if len(order) == 0 {
		return
	}
	turn := order[n.vacancy.ticks%len(order)]
	n.vacancy.ticks++
	// A candidate that waits for votes waits for disks, and beginning anew would not make them faster.
	if turn == n.cfg.ID && s.RaftState != raft.StateCandidate {
		_ = n.raw.Campaign() // fails only where it would at an election timeout
	}
}
