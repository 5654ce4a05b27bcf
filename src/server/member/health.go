package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"quoin.dev/server/corrupt"
	"quoin.dev/server/membership"
)

// Why clients should ask another member.
var (
	// ErrDiskStalled: what is acknowledged here waits for the disk. It goes away when the disk has answered for a while.
	ErrDiskStalled = errors.New("etcdserver: the disk of this member has not answered for an election timeout")
	// ErrDiffers: the others hold something else. It goes away when the alarm is cleared, or a snapshot replaces everything.
	ErrDiffers = corrupt.ErrDiffers
)

// health is why clients should ask another member; nothing if all is well.
type health struct {
	mu      sync.Mutex // guards what follows
	reasons []error
	changed chan struct{} // closed and replaced with every change
}

// set adds a reason or takes it away, and reports whether that is a change.
func (h *health) set(reason error, there bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.reasons, reason)
	if there == (i >= 0) {
		return false
	}
	if there {
		h.reasons = append(h.reasons, reason)
	} else {
		h.reasons = slices.Delete(h.reasons, i, i+1)
	}
	close(h.changed)
	h.changed = make(chan struct{})
	return true
}

func (h *health) get() (reasons []error, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.reasons), h.changed
}

// Health returns why clients should ask another member, nothing if all is well; changed is closed when that changes. One that
// has stopped says ErrStopped for good.
func (m *Member) Health() (reasons []error, changed <-chan struct{}) { return m.health.get() }

// keepHealth looks after the disks. A member whose disk is stuck says so, and takes it back when the disk has answered for an
// election timeout: one that is slow all the time shall not be asked and left in turn.
func (m *Member) keepHealth() {
	defer m.unwell(ErrStopped, true)
	ticker := time.NewTicker(m.cfg.Raft.HeartbeatInterval)
	defer ticker.Stop()
	timeout := m.cfg.Raft.ElectionTimeout
	var stuck time.Time // when it was last
	for {
		select {
		case <-m.stopping:
			return
		case <-ticker.C:
		}
		now := time.Now()
		committing := m.committing.For(now) >= timeout
		if committing || m.node.StalledFor(now) >= timeout {
			stuck = now
		}
		// While the log itself is stuck the node does not lead anyway; when it is not any more, the member may: where all disks
		// were stuck, nobody would.
		m.node.SetUnfit(committing || m.Trusted() != nil)
		m.unwell(ErrDiskStalled, !stuck.IsZero() && now.Sub(stuck) < timeout)
	}
}

// unwell adds or takes away a reason not to ask this member.
func (m *Member) unwell(reason error, there bool) {
	if !m.health.set(reason, there) {
		return
	}
	switch {
	case reason == ErrStopped:
	case there:
		if reason == ErrDiskStalled {
			m.meter.Stalls.Inc()
		}
		m.logger.Warn("this member reports that it is not ready", zap.Error(reason))
	default:
		m.logger.Info("a reason not to be ready is gone", zap.String("reason", reason.Error()))
	}
}

// Probe finds out whether this member goes on: whether raft answers before ctx ends, and neither the log nor the applier has been
// at one thing for longer than bound. The error says what does not; all is well for a member that has stopped.
func (m *Member) Probe(ctx context.Context, bound time.Duration) error {
	if err := m.node.Probe(ctx); err != nil {
		return fmt.Errorf("member: raft does not answer: %w", err)
	}
	now := time.Now()
	if d := m.node.StalledFor(now); d > bound {
		return fmt.Errorf("member: the log has been waiting for the disk for %s", d.Round(time.Millisecond))
	}
	if d := m.applying.For(now); d > bound {
		return fmt.Errorf("member: the same entries have been applied for %s", d.Round(time.Millisecond))
	}
	return nil
}

// Condition is one line for people about what this member does.
func (m *Member) Condition() string {
	s := m.Status()
	switch {
	case len(s.Unwell) > 0:
		return "not ready: " + s.Unwell[0].Error()
	case s.Leader == m.id:
		return fmt.Sprintf("leads its cluster, term %d", s.Term)
	case s.Leader != 0:
		return fmt.Sprintf("follows member %s, term %d", membership.FormatID(s.Leader), s.Term)
	}
	return "knows no leader"
}
