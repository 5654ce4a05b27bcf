// Package corrupt finds out whether the members of a cluster hold the same keys.
//
// Members that have applied the same log have to agree on the hash of every revision. Three occasions to compare are taken: a
// start, before clients are served; a compaction, whose hash was taken while it read every row anyway; and the clock, where
// there is nothing to compact. What most members hold is taken for right. Every member looks after itself, so that one that
// differs stops to show what it holds at once; the leader looks after all, and raises the alarm for others.
package corrupt

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"quoin.dev/storage/mvcc"
)

// ErrDiffers means that this member holds something else than the others.
var ErrDiffers = errors.New("etcdserver: this member holds something else than the others; ask another member")

// Host is the member that compares, and its way to the others.
type Host struct {
	ID     uint64
	Others func() []uint64
	// Revision is the current one here.
	Revision func() (int64, error)
	// Hash is that of this member's keys at a revision.
	Hash func(revision int64) (mvcc.HashKV, error)
	// Compactions are the hashes that the last compactions took, oldest first.
	Compactions func() []mvcc.HashKV
	// Ask is Hash of another member; any error means that it can not tell now.
	Ask func(ctx context.Context, member uint64, revision int64) (mvcc.HashKV, error)
	// ReadIndex returns when everything that is committed at the time of the call is applied here.
	ReadIndex func(context.Context) error
	// Leads reports whether this member leads.
	Leads func() bool
	// Differs is called when this member holds something else than most.
	Differs func()
	// Alarm raises CORRUPT for a member, 0 for nobody knows which.
	Alarm  func(ctx context.Context, member uint64) error
	Logger *zap.Logger
}

// Options say how often members are compared.
type Options struct {
	// Patience is how long another member may take to answer; one that takes no longer than this one may take longer.
	Patience time.Duration
	// CompactionInterval is the time between two tries to compare the hash of a compaction; 0: they are not compared.
	CompactionInterval time.Duration
	// FullInterval is the time between two comparisons of all that there is; 0: never.
	FullInterval time.Duration
	// FullWhenIdle leaves those out that follow a comparison of a compaction with every other member.
	FullWhenIdle bool
}

// Checker compares a member with the others.
type Checker struct {
	h Host
	o Options

	compared time.Time // when the last compaction was compared with every other member
}

// New returns a checker that does nothing by itself.
func New(h Host, o Options) *Checker { return &Checker{h: h, o: o} }

// Limits of comparisons.
const (
	// initialTries is how often a start compares when there was nothing to compare: a compaction may have come between.
	initialTries = 3
	// lookInterval is how often a new compaction is looked for. Its hash is asked for at the second look: the others have
	// theirs by then, and need not take one for the question.
	lookInterval = time.Second
	// triesPerMember is how often another member is asked for the hash of one compaction.
	triesPerMember = 3
)

// Initial compares this member with the others before it is asked anything. It returns ErrDiffers when it is not among most
// members, nil when it is or when nobody could be compared. It waits no longer than it has to: until most members agree.
func (c *Checker) Initial(ctx context.Context) error {
	for range initialTries {
		revision, err := c.h.Revision()
		if err != nil {
			return err
		}
		v, err := c.compare(ctx, revision, func() (mvcc.HashKV, error) { return c.h.Hash(revision) }, untilMostAgree)
		switch {
		case errors.Is(err, mvcc.ErrCompacted):
			continue
		case err != nil:
			return err
		case len(v.wrong) > 0 && !v.rightAbout(c.h.ID):
			c.log(v, revision)
			return ErrDiffers
		case len(v.wrong) > 0:
			c.log(v, revision) // the leader does what has to be done about it
			return nil
		case v.compared > 0:
			c.h.Logger.Info("this member holds what the others hold", zap.Int64("revision", revision), zap.Int("members-compared", v.compared))
			return nil
		}
	}
	return nil
}

// Run compares until ctx ends.
func (c *Checker) Run(ctx context.Context) {
	look, full := new(time.Ticker), new(time.Ticker)
	if c.o.CompactionInterval > 0 {
		look = time.NewTicker(lookInterval)
		defer look.Stop()
	}
	if c.o.FullInterval > 0 {
		full = time.NewTicker(c.o.FullInterval)
		defer full.Stop()
	}
	var newest compaction
	for {
		select {
		case now := <-look.C:
			c.look(ctx, &newest, now)
		case now := <-full.C:
			if c.h.Leads() && (!c.o.FullWhenIdle || now.Sub(c.compared) >= c.o.FullInterval) {
				c.full(ctx)
			}
		case <-ctx.Done():
			return
		}
	}
}

// compaction is the comparison of one compaction.
type compaction struct {
	hash    mvcc.HashKV
	due     time.Time // of the next try; zero: none
	answers map[uint64]mvcc.HashKV
	tries   int
}

// look compares the newest compaction, at the second look at it and, while answers are missing, a few times more.
func (c *Checker) look(ctx context.Context, newest *compaction, now time.Time) {
	hashes := c.h.Compactions()
	if len(hashes) == 0 {
		return
	}
	if last := hashes[len(hashes)-1]; last.HashRevision != newest.hash.HashRevision {
		*newest = compaction{hash: last, due: now, answers: map[uint64]mvcc.HashKV{}}
		return
	}
	if newest.due.IsZero() || now.Before(newest.due) {
		return
	}
	var missing []uint64
	others := c.h.Others()
	for _, id := range others {
		if _, ok := newest.answers[id]; !ok {
			missing = append(missing, id)
		}
	}
	c.ask(ctx, missing, newest.hash.HashRevision, func(id uint64, h mvcc.HashKV) {
		if comparable(newest.hash, h) {
			newest.answers[id] = h
		}
	})
	newest.due = time.Time{}
	if newest.tries++; len(newest.answers) < len(others) && newest.tries < triesPerMember {
		newest.due = now.Add(c.o.CompactionInterval)
	}
	v := judge(len(others)+1, c.h.ID, newest.hash, newest.answers)
	if len(v.wrong) == 0 {
		if v.compared == len(others) {
			c.compared = now
		}
		c.h.Logger.Info("finished compaction hash check", zap.Int64("compact-revision", newest.hash.HashRevision),
			zap.Int("number-of-peers-checked", v.compared))
		return
	}
	c.accuse(ctx, v, newest.hash.HashRevision)
}

// full compares everything that there is. Only the leader does so; it is also where a member that is ahead of all that is
// committed, or a hash that does not stay the same, comes to light.
func (c *Checker) full(ctx context.Context) {
	revision, err := c.h.Revision()
	if err != nil {
		return
	}
	v, err := c.compare(ctx, revision, func() (mvcc.HashKV, error) { return c.h.Hash(revision) }, untilAllAnswered)
	if err == nil {
		err = c.h.ReadIndex(ctx)
	}
	var again mvcc.HashKV
	var now int64
	if err == nil {
		again, err = c.h.Hash(revision)
	}
	if err == nil {
		now, err = c.h.Revision()
	}
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, mvcc.ErrCompacted) {
			c.h.Logger.Warn("failed to compare the members", zap.Error(err))
		}
		return
	}
	if comparable(v.mine, again) && v.mine.Hash != again.Hash {
		v.add(c.h.ID)
	}
	for id, h := range v.answers {
		if h.Revision > now || h.CompactRevision > again.CompactRevision {
			v.add(id)
		}
	}
	if len(v.wrong) == 0 {
		c.h.Logger.Info("finished a comparison of the members", zap.Int64("revision", revision), zap.Int("members-compared", v.compared))
		return
	}
	c.accuse(ctx, v, revision)
}

// accuse does what has to be done about members that differ. This member takes itself out of service first, whether the
// alarm gets through or not.
func (c *Checker) accuse(ctx context.Context, v *verdict, revision int64) {
	c.log(v, revision)
	for _, id := range v.wrong {
		if id == c.h.ID {
			c.h.Differs()
		}
	}
	for _, id := range v.wrong {
		if id != c.h.ID && id != nobody && !c.h.Leads() {
			continue
		}
		if err := c.h.Alarm(ctx, id); err != nil && ctx.Err() == nil {
			c.h.Logger.Warn("failed to raise the CORRUPT alarm", zap.Error(err))
		}
	}
}
