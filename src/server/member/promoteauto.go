package member

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"quoin.dev/server/membership"
)

// promoteInterval is how often a leader with --auto-promote-learners looks at the learners.
const promoteInterval = time.Second

// promoteLearners gives learners a vote by itself, while this member leads: those that could be promoted by hand, and are
// connected for as long as --strict-reconfig-check wants it of others.
func (m *Member) promoteLearners() {
	if !m.cfg.Cluster.AutoPromoteLearners {
		return
	}
	ticker := time.NewTicker(promoteInterval)
	defer ticker.Stop()
	for {
		select {
		case <-m.stopping:
			return
		case now := <-ticker.C:
			m.promoteReady(now)
		}
	}
}

func (m *Member) promoteReady(now time.Time) {
	for _, one := range m.Members() {
		if m.node.Leader() != m.id || !one.IsLearner || m.steady([]uint64{one.ID}, now) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), m.cfg.RequestTimeout())
		_, err := m.promoteHere(ctx, one.ID)
		cancel()
		log := m.logger.With(zap.String("member-id", membership.FormatID(one.ID)), zap.String("member-name", one.Name))
		switch {
		case err == nil:
			log.Info("promoted a learner that has caught up")
		case errors.Is(err, ErrLearnerNotReady):
			log.Debug("a learner has not caught up yet")
		case !errors.Is(err, ErrStopped):
			log.Warn("failed to promote a learner", zap.Error(err))
		}
	}
}
