package member

import (
	"context"
	"errors"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/compactor"
	"quoin.dev/storage/mvcc"
)

// keepCompacted compacts by itself what the settings do not want to keep, for as long as this member leads.
func (m *Member) keepCompacted() {
	ctx, cancel := m.untilStop()
	defer cancel()
	s := compactor.Store{
		Leads:    func() bool { return m.node.Leader() == m.id },
		Revision: m.Revision,
		Compact: func(ctx context.Context, revision int64) error {
			_, err := m.Propose(ctx, &pb.InternalRaftRequest{Compaction: &pb.CompactionRequest{Revision: revision}})
			if errors.Is(err, mvcc.ErrCompacted) {
				return nil // somebody else did it
			}
			return err
		},
		Logger: m.logger,
	}
	switch c := m.cfg.Compaction; {
	case c.Period > 0:
		compactor.Periodic(ctx, s, c.Period)
	case c.Revisions > 0:
		compactor.Revisions(ctx, s, c.Revisions)
	}
}

// untilStop returns a context that ends when the member stops, so that one that hangs does not hold up the stop.
func (m *Member) untilStop() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	m.loops.Go(func() {
		select {
		case <-m.stopping:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}
