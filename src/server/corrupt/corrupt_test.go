package corrupt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"

	"quoin.dev/storage/mvcc"
)

// world is a cluster as member 1 sees it, in a bubble with a clock of its own.
type world struct {
	mu          sync.Mutex             // guards what follows
	hashes      map[uint64]mvcc.HashKV // at every revision; a member without one is down
	slow        map[uint64]time.Duration
	compactions []mvcc.HashKV
	leads       bool
	now         int64
	next        []mvcc.HashKV // what member 1 has when it is asked again
	asked       []string
	alarms      []uint64
	differs     int
	readFails   error
	begun       time.Time
}

const patience = 7 * time.Second

func same(hash uint32) mvcc.HashKV {
	return mvcc.HashKV{Hash: hash, CompactRevision: 5, HashRevision: 10, Revision: 10}
}

// three are three members with these hashes.
func three(one, two, three uint32) *world {
	return &world{hashes: map[uint64]mvcc.HashKV{1: same(one), 2: same(two), 3: same(three)}, slow: map[uint64]time.Duration{}, now: 10, begun: time.Now()}
}

// set changes something of the world while the checker runs.
func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// get looks at something of it.
func get[T any](w *world, f func() T) T {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f()
}

// hash is that of a member, after as long as it takes.
func (w *world) hash(ctx context.Context, id uint64) (h mvcc.HashKV, ok bool, err error) {
	select {
	case <-time.After(get(w, func() time.Duration { return w.slow[id] })):
	case <-ctx.Done():
		return h, false, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok = w.hashes[id]
	return h, ok, nil
}

func (w *world) host() Host {
	return Host{
		ID:       1,
		Others:   func() []uint64 { return []uint64{2, 3} },
		Revision: func() (int64, error) { return w.now, nil },
		Hash: func(int64) (mvcc.HashKV, error) {
			h, ok, _ := w.hash(context.Background(), 1)
			if !ok {
				return h, mvcc.ErrCompacted
			}
			w.set(func() {
				if len(w.next) > 0 {
					w.hashes[1], w.next = w.next[0], w.next[1:]
				}
			})
			return h, nil
		},
		Compactions: func() []mvcc.HashKV { return get(w, func() []mvcc.HashKV { return w.compactions }) },
		Ask: func(ctx context.Context, id uint64, revision int64) (mvcc.HashKV, error) {
			h, ok, err := w.hash(ctx, id)
			if err != nil {
				return h, err
			}
			w.set(func() { w.asked = append(w.asked, fmt.Sprint(id, " at ", revision, " after ", time.Since(w.begun))) })
			if !ok {
				return h, errors.New("down")
			}
			return h, nil
		},
		ReadIndex: func(context.Context) error { return get(w, func() error { return w.readFails }) },
		Leads:     func() bool { return get(w, func() bool { return w.leads }) },
		Differs:   func() { w.set(func() { w.differs++ }) },
		Alarm: func(_ context.Context, id uint64) error {
			w.set(func() { w.alarms = append(w.alarms, id) })
			return nil
		},
		Logger: zap.NewNop(),
	}
}

func TestJudge(t *testing.T) {
	other := same(1)
	other.CompactRevision = 6
	old := same(1)
	old.HashRevision = 0 // before etcd 3.6
	for name, c := range map[string]struct {
		members  int
		answers  []mvcc.HashKV // of members 2, 3, …; this one has 1
		compared int
		wrong    []uint64
	}{
		"alone":                         {1, nil, 0, nil},
		"all equal":                     {3, []mvcc.HashKV{same(1), old}, 2, nil},
		"one missing":                   {3, []mvcc.HashKV{same(1)}, 1, nil},
		"another differs":               {3, []mvcc.HashKV{same(1), same(2)}, 2, []uint64{3}},
		"this one differs":              {3, []mvcc.HashKV{same(2), same(2)}, 2, []uint64{1}},
		"all differ":                    {3, []mvcc.HashKV{same(2), same(3)}, 2, []uint64{nobody}},
		"two of two":                    {2, []mvcc.HashKV{same(2)}, 1, []uint64{nobody}},
		"a tie of which one is missing": {3, []mvcc.HashKV{same(2)}, 1, []uint64{nobody}},
		"two of five differ, each in its own way": {5, []mvcc.HashKV{same(2), same(1), same(3), same(1)}, 4, []uint64{2, 4}},
		"two of four is not most":                 {4, []mvcc.HashKV{same(2), same(2), same(1)}, 3, []uint64{nobody}},
		"another compaction in between":           {3, []mvcc.HashKV{other, same(1)}, 1, nil},
		"nothing comparable":                      {2, []mvcc.HashKV{other}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			answers := map[uint64]mvcc.HashKV{}
			for i, h := range c.answers {
				answers[uint64(i+2)] = h
			}
			v := judge(c.members, 1, same(1), answers)
			w := NewWithT(t)
			w.Expect(v.compared).To(Equal(c.compared))
			w.Expect(v.wrong).To(Equal(c.wrong))
		})
	}
}

func TestInitial(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*world)
		world   func() *world
		want    error
		took    time.Duration
	}{
		"equal":                            {world: func() *world { return three(1, 1, 1) }},
		"this one differs":                 {world: func() *world { return three(2, 1, 1) }, want: ErrDiffers},
		"another differs":                  {world: func() *world { return three(1, 1, 2) }},
		"nobody knows who":                 {world: func() *world { return three(1, 2, 3) }, want: ErrDiffers},
		"one other is down, and it agrees": {world: func() *world { return three(1, 1, 1) }, prepare: func(w *world) { delete(w.hashes, 2) }},
		"one other is down, and it differs": {world: func() *world { return three(1, 1, 2) }, want: ErrDiffers,
			prepare: func(w *world) { delete(w.hashes, 2) }},
		"all others are down": {world: func() *world { return three(1, 1, 1) }, prepare: func(w *world) {
			delete(w.hashes, 2)
			delete(w.hashes, 3)
		}},
		"most agree, the last one need not be waited for": {world: func() *world { return three(1, 1, 1) },
			prepare: func(w *world) { w.slow[3] = time.Hour }},
		"the last one is waited for as long as patience goes": {world: func() *world { return three(1, 1, 1) }, took: patience,
			prepare: func(w *world) { delete(w.hashes, 2); w.slow[3] = time.Hour }},
		"a large store takes longer, and the others may": {world: func() *world { return three(2, 1, 1) }, took: 55 * time.Second, want: ErrDiffers,
			prepare: func(w *world) { w.slow[1], w.slow[2], w.slow[3] = 30*time.Second, 50*time.Second, 55*time.Second }},
		"compacted all the time": {world: func() *world { return three(1, 1, 1) }, prepare: func(w *world) { delete(w.hashes, 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, w := NewWithT(t), c.world()
				if c.prepare != nil {
					c.prepare(w)
				}
				err := New(w.host(), Options{Patience: patience}).Initial(t.Context())
				if c.want == nil {
					g.Expect(err).NotTo(HaveOccurred())
				} else {
					g.Expect(err).To(MatchError(c.want))
				}
				if c.took > 0 || w.slow[3] == 0 {
					g.Expect(time.Since(w.begun)).To(And(BeNumerically(">=", c.took), BeNumerically("<=", initialTries*c.took)))
				}
				g.Expect(w.alarms).To(BeEmpty(), "the start does not change anything")
			})
		})
	}
}

func TestInitialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, w := NewWithT(t), three(1, 1, 1)
		w.slow[1] = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		g.Expect(New(w.host(), Options{Patience: patience}).Initial(ctx)).To(MatchError(context.DeadlineExceeded))
		time.Sleep(2 * time.Hour) // the hash ends by itself
	})
}

// play runs a checker beside f.
func play(t *testing.T, cluster func() *world, o Options, f func(*GomegaWithT, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := cluster()
		o.Patience = patience
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		c := New(w.host(), o)
		go func() {
			c.Run(ctx)
			close(ended)
		}()
		f(NewWithT(t), w)
		cancel()
		<-ended
	})
}

func (w *world) pass(d time.Duration) {
	w.set(func() {}) // what was looked at and changed so far comes before what others do now
	time.Sleep(d)
	synctest.Wait()
}

var compactions = Options{CompactionInterval: time.Minute}

func TestCompactionIsCompared(t *testing.T) {
	play(t, func() *world { return three(1, 1, 1) }, compactions, func(g *GomegaWithT, w *world) {
		w.pass(time.Hour)
		g.Expect(w.asked).To(BeEmpty(), "there is nothing to compare")
		w.set(func() { w.compactions = []mvcc.HashKV{same(9), same(1)} })
		w.set(func() { w.begun = time.Now() })
		w.pass(time.Hour)
		w.set(func() { slices.Sort(w.asked) })
		g.Expect(w.asked).To(Equal([]string{"2 at 10 after 2s", "3 at 10 after 2s"}), "each once, and the newest only")
		g.Expect(w.alarms).To(BeEmpty())
		g.Expect(w.differs).To(BeZero())
	})
}

// etcd raises no alarm by itself in its default settings; this is what a member does that finds itself different.
func TestMemberThatDiffersLeavesAndSaysSo(t *testing.T) {
	for _, leads := range []bool{true, false} {
		play(t, func() *world { return three(2, 1, 1) }, compactions, func(g *GomegaWithT, w *world) {
			w.set(func() { w.leads = leads })
			w.set(func() { w.compactions = []mvcc.HashKV{same(2)} })
			w.pass(3 * time.Second)
			g.Expect(w.differs).To(Equal(1))
			g.Expect(w.alarms).To(Equal([]uint64{1}))
		})
	}
}

func TestLeaderRaisesTheAlarmForOthers(t *testing.T) {
	play(t, func() *world { return three(1, 1, 2) }, compactions, func(g *GomegaWithT, w *world) {
		w.set(func() { w.compactions = []mvcc.HashKV{same(1)} })
		w.pass(3 * time.Second)
		g.Expect(w.alarms).To(BeEmpty(), "another member leads")
		w.set(func() { w.leads = true })
		again := same(1)
		again.HashRevision = 11
		w.set(func() {
			for id, h := range w.hashes {
				h.HashRevision = 11
				w.hashes[id] = h
			}
		})
		w.set(func() { w.compactions = append(w.compactions, again) })
		w.pass(3 * time.Second)
		g.Expect(w.alarms).To(Equal([]uint64{3}))
		g.Expect(w.differs).To(BeZero())
	})
	play(t, func() *world { return three(1, 2, 3) }, compactions, func(g *GomegaWithT, w *world) {
		w.set(func() { w.compactions = []mvcc.HashKV{same(1)} })
		w.pass(3 * time.Second)
		g.Expect(w.alarms).To(Equal([]uint64{nobody}))
		g.Expect(w.differs).To(BeZero())
	})
}

// A member that is down, or has another hash to tell, is asked a few times and then left alone: each question may cost it a
// walk over all its rows.
func TestMissingAnswersAreAskedForAFewTimes(t *testing.T) {
	play(t, func() *world { return three(1, 1, 1) }, compactions, func(g *GomegaWithT, w *world) {
		compacted := same(1)
		compacted.CompactRevision = 10
		w.set(func() { w.hashes[3] = compacted })
		w.set(func() { delete(w.hashes, 2) })
		w.set(func() { w.compactions = []mvcc.HashKV{same(1)} })
		w.set(func() { w.begun = time.Now() })
		w.pass(90 * time.Second)
		w.set(func() { w.hashes[2] = same(1) })
		w.pass(time.Hour)
		w.set(func() { slices.Sort(w.asked) })
		g.Expect(w.asked).To(Equal([]string{
			"2 at 10 after 1m2s", "2 at 10 after 2m2s", "2 at 10 after 2s",
			"3 at 10 after 1m2s", "3 at 10 after 2m2s", "3 at 10 after 2s",
		}))
	})
}

func TestFullComparison(t *testing.T) {
	full := Options{FullInterval: time.Hour}
	for name, c := range map[string]struct {
		prepare func(*world)
		alarms  []uint64
		differs int
	}{
		"all equal":                 {func(*world) {}, nil, 0},
		"another differs":           {func(w *world) { w.hashes[2] = same(7) }, []uint64{2}, 0},
		"the leader differs":        {func(w *world) { w.hashes[1] = same(7); w.next = []mvcc.HashKV{same(7)} }, []uint64{1}, 1},
		"the leader does not stay":  {func(w *world) { w.next = []mvcc.HashKV{same(7)} }, []uint64{1}, 1},
		"a member is ahead of all":  {func(w *world) { h := same(1); h.Revision = 11; w.hashes[3] = h }, []uint64{3}, 0},
		"its compaction is ahead":   {func(w *world) { h := same(1); h.CompactRevision = 6; w.hashes[3] = h }, []uint64{3}, 0},
		"its compaction is behind":  {func(w *world) { h := same(7); h.CompactRevision = 4; w.hashes[3] = h }, nil, 0},
		"there is no quorum":        {func(w *world) { w.hashes[2] = same(7); w.readFails = errors.New("no quorum") }, nil, 0},
		"another member leads":      {func(w *world) { w.hashes[2] = same(7); w.leads = false }, nil, 0},
		"one is down, one differs":  {func(w *world) { w.hashes[2] = same(7); delete(w.hashes, 3) }, []uint64{nobody}, 0},
		"it is compacted meanwhile": {func(w *world) { w.hashes[2] = same(7); delete(w.hashes, 1) }, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func() *world { return three(1, 1, 1) }, full, func(g *GomegaWithT, w *world) {
				w.set(func() { w.leads = true })
				w.set(func() { c.prepare(w) })
				w.pass(time.Hour + time.Minute)
				g.Expect(w.alarms).To(Equal(c.alarms))
				g.Expect(w.differs).To(Equal(c.differs))
			})
		})
	}
}

// What the clock asks for costs a walk over all rows; a compaction of the same time has paid for it already.
func TestIdleComparison(t *testing.T) {
	o := Options{FullInterval: 12 * time.Hour, FullWhenIdle: true, CompactionInterval: time.Minute}
	play(t, func() *world { return three(1, 1, 1) }, o, func(g *GomegaWithT, w *world) {
		w.set(func() { w.leads = true })
		w.pass(6 * time.Hour)
		w.set(func() { w.compactions = []mvcc.HashKV{same(1)} })
		w.pass(time.Hour)
		g.Expect(w.asked).To(HaveLen(2))
		w.pass(6 * time.Hour)
		g.Expect(w.asked).To(HaveLen(2), "that was enough")
		w.pass(12 * time.Hour)
		g.Expect(w.asked).To(HaveLen(4))
	})
}
