package member

import (
	"context"
	"strings"
	"time"

	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/auth"
	"quoin.dev/server/config"
	"quoin.dev/server/lease"
)

const (
	// checkpointInterval is how often a leader looks for leases of which as much time has passed since the log knew of them,
	// so that a leader knows all but twice as much. checkpointsAtOnce is how many leases one entry records.
	checkpointInterval = 30 * time.Second
	checkpointsAtOnce  = 1000
	// companyInterval is how often a leader looks who the other members are. A member that comes can not lead sooner than
	// after an election timeout.
	companyInterval = 500 * time.Millisecond
)

// softwareName is how a member of quoin begins to say what it is.
const softwareName = "quoin/"

// company is who the other members of the cluster are.
type company int

const (
	unknown company = iota // at least one has not been heard of, and the others are quoin
	kin                    // all are quoin
	mixed                  // at least one is not quoin
)

func (m *Member) company() company {
	c := kin
	for _, other := range m.Members() {
		if other.ID == m.id {
			continue
		}
		switch software, known := m.transport.Software(other.ID); {
		case !known:
			c = unknown
		case !strings.HasPrefix(software, softwareName):
			return mixed
		}
	}
	return c
}

// recordLeases records what is left of leases while this member leads in a term, so that the next leader does not begin with
// the whole of them again (etcd#9395).
//
// It does so among members of quoin only. A member of etcd takes what is recorded for the time that a renewal gives, and tells
// the client that it was the whole of it, so a lease would end that is renewed in time; that is, unless its feature gate
// LeaseCheckpoint is on. So what is recorded is taken back as soon as such a member is there.
func (m *Member) recordLeases(ctx context.Context, term uint64) {
	if !m.cfg.Features.Enabled(config.FeatureLeaseCheckpoint) {
		return
	}
	look := time.NewTicker(companyInterval)
	defer look.Stop()
	recorded, forgotten := time.Now(), false
	for {
		switch m.company() {
		case kin:
			forgotten = false
			if time.Since(recorded) >= checkpointInterval {
				recorded = time.Now()
				m.record(ctx, term, func() []lease.Lease {
					return m.clock.Checkpoints(time.Now(), checkpointInterval, checkpointsAtOnce)
				})
			}
		case mixed:
			if !forgotten && m.record(ctx, term, m.recorded) {
				forgotten = true
				m.logger.Info("stopped recording what is left of leases, since a member is not quoin")
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// recorded lists leases of which something is recorded, so that it is taken back.
func (m *Member) recorded() (list []lease.Lease) {
	all, _, _ := m.Leases() // a member that has stopped has none
	for _, l := range all {
		if l.RemainingTTL > 0 && len(list) < checkpointsAtOnce {
			list = append(list, lease.Lease{ID: l.ID, TTL: l.TTL})
		}
	}
	return list
}

// record writes what is left of leases into the log, until there are no more; false if that failed.
func (m *Member) record(ctx context.Context, term uint64, next func() []lease.Lease) bool {
	for {
		var r pb.LeaseCheckpointRequest
		for _, l := range next() {
			r.Checkpoints = append(r.Checkpoints, &pb.LeaseCheckpoint{ID: int64(l.ID), Remaining_TTL: l.RemainingTTL})
		}
		if len(r.Checkpoints) == 0 {
			return true
		}
		if _, err := m.proposeIn(ctx, term, auth.Identity{}, &pb.InternalRaftRequest{LeaseCheckpoint: &r}); err != nil {
			if ctx.Err() == nil {
				m.logger.Warn("failed to record what is left of leases", zap.Error(err))
			}
			return false
		}
	}
}
