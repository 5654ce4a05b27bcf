// Package compactor compacts a store by itself: what is older than a time, or further back than a number of revisions.
package compactor

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// Store is what is compacted.
type Store struct {
	// Leads reports whether this member leads: one compacts for all.
	Leads func() bool
	// Revision is the current one.
	Revision func() (int64, error)
	// Compact compacts at a revision; at one that is compacted already it does nothing.
	Compact func(ctx context.Context, revision int64) error
	Logger  *zap.Logger
}

// Timing of compactions; etcd's.
const (
	// longestPause is the longest time between two compactions in periodic mode.
	longestPause = time.Hour
	// samples is how many revisions are noted in the time from one compaction to the next.
	samples = 10
	// shortestSample keeps a retention of next to nothing from taking all the time there is.
	shortestSample = 10 * time.Millisecond
	// revisionInterval is the time between two compactions in revision mode.
	revisionInterval = 5 * time.Minute
)

// sample is the revision that was current at a time.
type sample struct {
	at       time.Time
	revision int64
}

// Periodic keeps what is younger than a retention until ctx ends. Every member notes the revisions of the past, so that the next
// leader knows them; only the leader compacts. The first time is after one retention, further ones are an hour apart, or a
// retention if that is shorter. A compaction that failed is tried again with the next sample.
func Periodic(ctx context.Context, s Store, retention time.Duration) {
	pause := min(retention, longestPause)
	ticker := time.NewTicker(max(pause/samples, shortestSample))
	defer ticker.Stop()
	var past []sample // oldest first; bounded by the retention
	c := once{s: s}
	for last, now := (time.Time{}), time.Now(); ; {
		if revision, err := s.Revision(); err == nil {
			past = append(past, sample{now, revision})
		}
		for len(past) > 1 && now.Sub(past[1].at) >= retention {
			past = past[1:]
		}
		if len(past) > 0 && now.Sub(past[0].at) >= retention && now.Sub(last) >= pause && c.compact(ctx, past[0].revision) {
			last = now
		}
		select {
		case now = <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Revisions keeps so many revisions behind the current one until ctx ends.
func Revisions(ctx context.Context, s Store, retention int64) {
	ticker := time.NewTicker(revisionInterval)
	defer ticker.Stop()
	c := once{s: s}
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if revision, err := s.Revision(); err == nil && revision > retention {
			c.compact(ctx, revision-retention)
		}
	}
}

// once compacts at each revision once.
type once struct {
	s    Store
	last int64
}

// compact reports whether the store is compacted at a revision by this member.
func (c *once) compact(ctx context.Context, revision int64) bool {
	if revision == c.last || !c.s.Leads() {
		return false
	}
	begun := time.Now()
	if err := c.s.Compact(ctx, revision); err != nil {
		if ctx.Err() == nil {
			c.s.Logger.Warn("failed auto compaction, which is tried again", zap.Int64("revision", revision), zap.Error(err))
		}
		return false
	}
	c.last = revision
	c.s.Logger.Info("completed auto compaction", zap.Int64("revision", revision), zap.Duration("took", time.Since(begun)))
	return true
}
