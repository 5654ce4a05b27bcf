package member

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
)

// quotaRetryInterval is the pause before the alarm of a full database is proposed again.
const quotaRetryInterval = time.Second

// roomFor reports whether a request fits below the quota of this member. What was applied counts although the file is late.
// Every member decides for itself, by its own file and its own quota; what all of them follow is the alarm in the log.
func (m *Member) roomFor(r *pb.InternalRaftRequest, ahead int64) bool {
	quota := m.cfg.Storage.Quota()
	cost := int64(apply.Cost(r))
	return quota == 0 || cost == 0 || ahead+cost < quota
}

// admitSize refuses a request that does not fit, before it is in the log.
func (m *Member) admitSize(r *pb.InternalRaftRequest) error {
	m.stateMu.RLock()
	ahead := m.backend.SizeAhead()
	m.stateMu.RUnlock()
	if m.roomFor(r, ahead) {
		return nil
	}
	m.full.signal()
	return apply.ErrNoSpace
}

// keepQuota raises the NOSPACE alarm, through the log, when the database of this member has become full.
func (m *Member) keepQuota() {
	for {
		select {
		case <-m.stopping:
			return
		case <-m.full:
		}
		for m.raiseNoSpace() != nil {
			select {
			case <-m.stopping:
				return
			case <-time.After(quotaRetryInterval):
			}
		}
	}
}

func (m *Member) raiseNoSpace() error {
	err := m.raise(context.Background(), m.id, pb.AlarmType_NOSPACE)
	if err != nil {
		m.logger.Warn("failed to raise the NOSPACE alarm, which is tried again", zap.Error(err))
	}
	return err
}

// raise activates an alarm for a member, unless it is active.
func (m *Member) raise(ctx context.Context, member uint64, alarm pb.AlarmType) error {
	active := false
	err := m.View(func(s *apply.State) error {
		active = s.Alarms.Raised(member, alarm)
		return nil
	})
	if err != nil || active {
		return err
	}
	m.logger.Warn("raising an alarm", zap.Stringer("alarm", alarm), zap.String("member-id", fmt.Sprintf("%x", member)),
		zap.Int64("quota-bytes", m.cfg.Storage.Quota()), zap.String("next-step", nextStep[alarm]))
	_, err = m.Propose(ctx, &pb.InternalRaftRequest{
		Alarm: &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: member, Alarm: alarm},
	})
	return err
}

// nextStep is what an operator does about an alarm.
var nextStep = map[pb.AlarmType]string{
	pb.AlarmType_NOSPACE: "compact, defragment every member, then `alarm disarm`; or raise --quota-backend-bytes of every member first",
	pb.AlarmType_CORRUPT: "remove the member and add it again with an empty data directory, then `alarm disarm`",
}

// token is a channel of capacity 1: a signal that is not lost and does not wait.
type token chan struct{}

func (t token) signal() {
	select {
	case t <- struct{}{}:
	default:
	}
}
