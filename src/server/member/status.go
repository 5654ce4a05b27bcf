package member

import (
	"errors"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/membership"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc"
	"quoin.dev/storage/schema"
)

// Status is what a member knows of itself without asking anybody.
type Status struct {
	Leader, Term, Commit, Applied uint64
	Revision                      int64
	DBSize, DBSizeInUse, DBQuota  int64 // bytes
	Learner                       bool
	StorageVersion                string
	Downgrade                     membership.Downgrade
	Alarms                        []*pb.AlarmMember
	Unwell                        []error // why clients should ask another member
}

// Status returns the present state of this member.
func (m *Member) Status() Status {
	unwell, _ := m.Health()
	m.stateMu.RLock()
	defer m.stateMu.RUnlock()
	return Status{
		Leader:         m.node.Leader(),
		Term:           m.node.Term(),
		Commit:         m.node.Commit(),
		Applied:        m.applied.index(),
		Revision:       m.state.KV.Revision(),
		DBSize:         m.backend.Size(),
		DBSizeInUse:    m.backend.SizeInUse(),
		DBQuota:        m.cfg.Storage.Quota(),
		Learner:        m.state.Members.IsLearner(m.id),
		StorageVersion: m.storageVersionLocked(),
		Downgrade:      m.state.Members.Downgrade(),
		Alarms:         m.state.Alarms.List(pb.AlarmType_NONE),
		Unwell:         unwell,
	}
}

// Revision is that of the store now. Error: ErrStopped.
func (m *Member) Revision() (now int64, err error) {
	err = m.View(func(s *apply.State) error {
		now = s.KV.Revision()
		return nil
	})
	return now, err
}

// Header is the header of a response at a revision of the store; 0 for one that has none.
func (m *Member) Header(revision int64) *pb.ResponseHeader {
	h := &pb.ResponseHeader{Revision: revision}
	m.FillHeader(h)
	return h
}

// FillHeader adds the member's part to the header of a response.
func (m *Member) FillHeader(h *pb.ResponseHeader) {
	h.ClusterId, h.MemberId, h.RaftTerm = m.clusterID, m.id, m.node.Term()
}

// Hash is the checksum of the whole database and the revision it was taken at.
func (m *Member) Hash() (hash uint32, revision int64, err error) {
	err = m.onBackend(func(b *backend.Backend) (err error) {
		if revision, err = m.Revision(); err == nil {
			hash, err = b.Hash(schema.IgnoredByHash)
		}
		return err
	})
	return hash, revision, err
}

// HashKV is the hash of the keys up to a revision, 0 = the current one. Like Hash, and unlike what View runs, it does not hold up
// the installation of a received snapshot. Errors: mvcc.ErrCompacted, mvcc.ErrFutureRevision, ErrStopped.
func (m *Member) HashKV(revision int64) (mvcc.HashKV, error) {
	for last := (*apply.State)(nil); ; {
		m.stateMu.RLock()
		state, stopped := m.state, m.closed || m.state == last
		m.stateMu.RUnlock()
		if stopped {
			return mvcc.HashKV{}, ErrStopped
		}
		h, err := state.KV.HashKV(revision)
		if !errors.Is(err, mvcc.ErrClosed) {
			return h, err
		}
		last = state // a received snapshot has replaced it: once more
	}
}

func (m *Member) clusterVersion() string {
	m.stateMu.RLock()
	defer m.stateMu.RUnlock()
	return m.state.Members.Version()
}

func (m *Member) storageVersion() string {
	m.stateMu.RLock()
	defer m.stateMu.RUnlock()
	return m.storageVersionLocked()
}

// storageVersionLocked is for who holds stateMu; it is empty once the member has stopped.
func (m *Member) storageVersionLocked() string {
	if m.closed {
		return ""
	}
	view := m.backend.View()
	defer view.Close()
	return schema.StorageVersion(view)
}
