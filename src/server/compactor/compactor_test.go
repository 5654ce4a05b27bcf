package compactor

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
)

// world is a store that gets a revision a second, in a bubble with a clock of its own.
type world struct {
	mu        sync.Mutex // guards what follows
	begun     time.Time
	leads     bool
	quiet     bool // no new revisions
	fails     error
	compacted []string // "after so long, at revision"
	at        []int64
}

func (w *world) store() Store {
	w.begun, w.leads = time.Now(), true
	return Store{
		Leads: func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.leads
		},
		Revision: func() (int64, error) { return w.revision(), nil },
		Compact: func(_ context.Context, revision int64) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.fails != nil {
				return w.fails
			}
			w.compacted = append(w.compacted, time.Since(w.begun).String())
			w.at = append(w.at, revision)
			return nil
		},
		Logger: zap.NewNop(),
	}
}

// set changes something of the world while the compactor runs.
func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) revision() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.quiet {
		return 1
	}
	return 1 + int64(time.Since(w.begun)/time.Second)
}

// play runs f beside a compactor.
func play(t *testing.T, run func(context.Context, Store), f func(*GomegaWithT, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := new(world)
		s := w.store()
		done := make(chan struct{})
		go func() {
			defer close(done)
			run(ctx, s)
		}()
		synctest.Wait()
		f(NewWithT(t), w)
		cancel()
		<-done
	})
}

func periodic(retention time.Duration) func(context.Context, Store) {
	return func(ctx context.Context, s Store) { Periodic(ctx, s, retention) }
}

// pass lets time pass, and the compactor do what is due then.
func (w *world) pass(d time.Duration) {
	w.set(func() {}) // what was looked at and changed so far comes before what others do now
	time.Sleep(d)
	synctest.Wait()
}

func TestPeriodicKeepsItsRetention(t *testing.T) {
	for _, c := range []struct {
		retention, run time.Duration
		when           []string
		at             []int64
	}{
		{10 * time.Minute, 35 * time.Minute, []string{"10m0s", "20m0s", "30m0s"}, []int64{1, 601, 1201}},
		{time.Hour, 150 * time.Minute, []string{"1h0m0s", "2h0m0s"}, []int64{1, 3601}},
		{5 * time.Hour, 7*time.Hour + time.Minute, []string{"5h0m0s", "6h0m0s", "7h0m0s"}, []int64{1, 3601, 7201}},
		{time.Nanosecond, 35 * time.Millisecond, []string{"0s"}, []int64{1}}, // its revision is compacted already
	} {
		t.Run(c.retention.String(), func(t *testing.T) {
			play(t, periodic(c.retention), func(g *GomegaWithT, w *world) {
				w.pass(c.run)
				if c.retention > time.Second {
					g.Expect(w.compacted).To(Equal(c.when))
				}
				g.Expect(w.at).To(Equal(c.at))
			})
		})
	}
}

func TestPeriodicSkipsWhatIsCompacted(t *testing.T) {
	play(t, periodic(time.Hour), func(g *GomegaWithT, w *world) {
		w.set(func() { w.quiet = true })
		w.pass(10 * time.Hour)
		g.Expect(w.at).To(Equal([]int64{1}))
		w.set(func() { w.quiet = false })
		w.pass(2 * time.Hour)
		g.Expect(w.at).To(Equal([]int64{1, 1 + 606*60}))
	})
}

// A member that becomes leader goes on where the last one was: it has noted the past, too.
func TestOnlyTheLeaderCompacts(t *testing.T) {
	play(t, periodic(time.Hour), func(g *GomegaWithT, w *world) {
		w.set(func() { w.leads = false })
		w.pass(150 * time.Minute)
		g.Expect(w.at).To(BeEmpty())
		w.set(func() { w.leads = true })
		w.pass(6 * time.Minute)
		g.Expect(w.at).To(Equal([]int64{1 + 96*60}), "an hour ago")
		w.set(func() { w.leads = false })
		w.pass(10 * time.Hour)
		g.Expect(w.at).To(HaveLen(1))
	})
	play(t, func(ctx context.Context, s Store) { Revisions(ctx, s, 100) }, func(g *GomegaWithT, w *world) {
		w.set(func() { w.leads = false })
		w.pass(time.Hour)
		g.Expect(w.at).To(BeEmpty())
	})
}

func TestFailedCompactionIsTriedAgain(t *testing.T) {
	play(t, periodic(time.Hour), func(g *GomegaWithT, w *world) {
		w.set(func() { w.fails = errors.New("no quorum") })
		w.pass(70 * time.Minute)
		w.set(func() { w.fails = nil })
		w.pass(3 * time.Minute)
		g.Expect(w.compacted).To(Equal([]string{"1h12m0s"}))
		g.Expect(w.at).To(Equal([]int64{1 + 12*60}), "what is too old by now")
	})
}

func TestRevisionsKeepsSoMany(t *testing.T) {
	play(t, func(ctx context.Context, s Store) { Revisions(ctx, s, 400) }, func(g *GomegaWithT, w *world) {
		w.pass(16 * time.Minute)
		g.Expect(w.compacted).To(Equal([]string{"10m0s", "15m0s"}), "after five minutes there are not so many")
		g.Expect(w.at).To(Equal([]int64{201, 501}))
		w.set(func() { w.quiet = true })
		w.pass(time.Hour)
		g.Expect(w.at).To(HaveLen(2))
	})
}
