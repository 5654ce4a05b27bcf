package peer

import (
	"context"
	"sync"
)

// reporter tells raft about lost messages and finished snapshots from a goroutine of its own. Send is called by raft's
// loop: calling raft back from there could wait for that very loop.
type reporter struct {
	raft Raft
	wake chan struct{}

	// mu guards the maps. They hold at most one report per member: reports of the same kind are merged, the newest wins.
	mu          sync.Mutex
	unreachable map[uint64]struct{}
	snapshots   map[uint64]bool
}

func newReporter(r Raft) *reporter {
	return &reporter{
		raft: r, wake: make(chan struct{}, 1),
		unreachable: map[uint64]struct{}{}, snapshots: map[uint64]bool{},
	}
}

func (r *reporter) lost(id uint64) {
	r.mu.Lock()
	r.unreachable[id] = struct{}{}
	r.mu.Unlock()
	r.signal()
}

func (r *reporter) snapshot(id uint64, ok bool) {
	r.mu.Lock()
	r.snapshots[id] = ok
	r.mu.Unlock()
	r.signal()
}

func (r *reporter) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reporter) run(ctx context.Context) {
	for {
		select {
		case <-r.wake:
			r.deliver()
		case <-ctx.Done():
			return
		}
	}
}

func (r *reporter) deliver() {
	r.mu.Lock()
	unreachable, snapshots := r.unreachable, r.snapshots
	r.unreachable, r.snapshots = map[uint64]struct{}{}, map[uint64]bool{}
	r.mu.Unlock()
	for id := range unreachable {
		r.raft.ReportUnreachable(id)
	}
	for id, ok := range snapshots {
		r.raft.ReportSnapshot(id, ok)
	}
}
