package member

import (
	"context"

	"go.etcd.io/raft/v3"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/storage/mvcc"
)

// probedKey is what probes read. It need not exist.
const probedKey = "health"

// ReadLocal reads a key as this member has it. Error: ErrStopped.
func (m *Member) ReadLocal(ctx context.Context) error {
	return m.View(func(s *apply.State) error {
		_, err := s.KV.Range(ctx, []byte(probedKey), nil, mvcc.RangeOptions{}, func([]byte) error { return nil })
		return err
	})
}

// ReadLatest reads a key as it is now in the cluster. Errors: ErrTimeout, ErrStopped, that of ctx.
func (m *Member) ReadLatest(ctx context.Context) error {
	if err := m.ReadIndex(ctx); err != nil {
		return err
	}
	return m.ReadLocal(ctx)
}

// Alarms are those that were raised and not taken back.
func (m *Member) Alarms() []*pb.AlarmMember {
	m.stateMu.RLock()
	defer m.stateMu.RUnlock()
	return m.state.Alarms.List(pb.AlarmType_NONE)
}

// RaftStatus is a picture of consensus, for people.
func (m *Member) RaftStatus() raft.Status { return m.node.Status() }
