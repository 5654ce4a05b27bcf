package raftnode

import (
	"context"

	"go.etcd.io/raft/v3"

	"quoin.dev/pkg/meter"
)

// Meter is what a node has counted.
type Meter struct {
	LeaderChanges meter.Counter // times that there was a leader, and it was another one or none before
	LateTicks     meter.Counter // heartbeats that this node, as the leader, was late with by an interval or more
}

// Meter is what the node has counted.
func (n *Node) Meter() *Meter { return &n.meter }

// Queues is what waits inside of a node.
type Queues struct {
	// Proposals that raft has not taken yet, and their bytes.
	Proposals, ProposalBytes int
	// Appends wait for the disk, Applies for the state machine; each may hold many entries. What is under way does not count.
	Appends, Applies int
}

// Queues returns what waits now.
func (n *Node) Queues() (q Queues) {
	n.inbox.mu.Lock()
	q.Proposals, q.ProposalBytes = n.inbox.pending, n.inbox.pendingBytes
	n.inbox.mu.Unlock()
	q.Appends, q.Applies = n.appends.len(), n.applies.len()
	return q
}

// Lags is how many log entries each follower has not acknowledged to this node; nil where it does not lead, or when ctx ends
// before the core has answered.
func (n *Node) Lags(ctx context.Context) map[uint64]uint64 {
	answer := make(chan map[uint64]uint64, 1)
	n.inbox.addCall(func(raw *raft.RawNode) { answer <- lags(raw.Status()) })
	select {
	case of := <-answer:
		return of
	case <-ctx.Done():
	case <-n.stop:
	}
	return nil
}

func lags(s raft.Status) map[uint64]uint64 {
	if s.RaftState != raft.StateLeader {
		return nil
	}
	of, last := map[uint64]uint64{}, s.Progress[s.ID].Match
	for id, p := range s.Progress {
		if id != s.ID {
			of[id] = last - min(last, p.Match)
		}
	}
	return of
}
