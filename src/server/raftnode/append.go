package raftnode

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// appendWork is either a MsgStorageAppend or a job that needs the WAL for itself, such as recording a snapshot.
type appendWork struct {
	message *raftpb.Message
	job     func() error
}

// InWAL queues f behind everything the core has handed to the appender so far, and runs it there. The WAL is f's alone
// while it runs. An error ends the member.
func (n *Node) InWAL(f func() error) { n.appends.push(appendWork{job: f}) }

// runAppender makes log entries durable: all that is queued is written, then synced once, then answered.
func (n *Node) runAppender() {
	var work []appendWork
	for {
		var ok bool
		if work, ok = n.appends.takeAll(work); !ok {
			return
		}
		n.writing.Begin()
		if err := n.persist(work); err != nil {
			n.cfg.Fatal(err)
			return
		}
		n.wrote(n.writing.End())
		n.answer(work)
	}
}

// persist returns when everything in work is durable. It is in the log in memory by then, too: in the order in which it
// was handed out, since a snapshot drops the entries that came before it.
func (n *Node) persist(work []appendWork) error {
	mustSync := false
	for _, w := range work {
		if w.job != nil {
			if err := w.job(); err != nil {
				return err
			}
			continue
		}
		m := w.message
		// A received snapshot comes first: the hard state that goes with it commits entries that only it stands for.
		if m.GetSnapshot() != nil {
			if err := n.persistSnapshot(m.GetSnapshot()); err != nil {
				return err
			}
		}
		state := hardStateOf(m)
		if err := n.cfg.WAL.Append(state, m.GetEntries()); err != nil {
			return fmt.Errorf("raftnode: append to the write-ahead log: %w", err)
		}
		mustSync = mustSync || len(m.GetEntries()) > 0 || m.GetSnapshot() != nil
		if state != nil {
			mustSync = mustSync || state.GetTerm() != n.lastState.GetTerm() || state.GetVote() != n.lastState.GetVote()
			n.lastState = state
			_ = n.cfg.Storage.SetHardState(state) // it cannot fail: it is a field in memory
		}
		if err := n.cfg.Storage.Append(m.GetEntries()); err != nil {
			return fmt.Errorf("raftnode: append to the log in memory: %w", err)
		}
	}
	if mustSync {
		if err := n.cfg.WAL.Sync(); err != nil {
			return fmt.Errorf("raftnode: sync the write-ahead log: %w", err)
		}
	}
	for _, w := range work {
		// A snapshot is installed only now that the hard state which commits it is durable: a start would not trust its
		// mark before, and find a database ahead of the log. The entries that follow come later, since raft hands them
		// out only after it saw the answer to this append.
		if w.message.GetSnapshot() != nil {
			n.applies.push(applyWork{snapshot: w.message.GetSnapshot()})
		}
	}
	return nil
}

// persistSnapshot records a received snapshot.
func (n *Node) persistSnapshot(snapshot *raftpb.Snapshot) error {
	if err := n.cfg.WAL.Sync(); err != nil {
		return fmt.Errorf("raftnode: sync the write-ahead log before a snapshot: %w", err)
	}
	if err := n.cfg.SaveSnapshot(snapshot); err != nil {
		return fmt.Errorf("raftnode: record snapshot at index %d: %w", snapshot.GetMetadata().GetIndex(), err)
	}
	if err := n.cfg.Storage.ApplySnapshot(snapshot); err != nil {
		return fmt.Errorf("raftnode: put snapshot at index %d in memory: %w", snapshot.GetMetadata().GetIndex(), err)
	}
	return nil
}

// answer releases what was waiting for the sync: acknowledgements to the leader, votes, and the core's own.
func (n *Node) answer(work []appendWork) {
	var remote, own []*raftpb.Message
	for _, w := range work {
		for _, r := range w.message.GetResponses() {
			if r.GetTo() == n.cfg.ID {
				own = append(own, r)
			} else {
				remote = append(remote, r)
			}
		}
	}
	if len(remote) > 0 {
		n.cfg.Send(remote)
	}
	if len(own) > 0 {
		n.inbox.addMessages(own...)
	}
}

// hardStateOf returns the hard state that a MsgStorageAppend carries, nil if none.
func hardStateOf(m *raftpb.Message) *raftpb.HardState {
	state := &raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
	if m.Term == nil && m.Vote == nil && m.Commit == nil || raft.IsEmptyHardState(state) {
		return nil
	}
	return state
}
