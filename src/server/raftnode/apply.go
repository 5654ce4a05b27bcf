package raftnode

import "go.etcd.io/raft/v3/raftpb"

// applyWork is either a MsgStorageApply or a snapshot to install.
type applyWork struct {
	message  *raftpb.Message
	snapshot *raftpb.Snapshot
}

// runApplier feeds the state machine in log order.
func (n *Node) runApplier() {
	var work []applyWork
	for {
		var ok bool
		if work, ok = n.applies.takeAll(work); !ok {
			return
		}
		for _, w := range work {
			if w.snapshot != nil {
				n.cfg.Machine.Install(w.snapshot)
				continue
			}
			n.cfg.Machine.Apply(w.message.GetEntries())
			n.inbox.addMessages(w.message.GetResponses()...)
		}
	}
}
