package member

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"

	"quoin.dev/api/mvccpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/config"
	"quoin.dev/server/watch"
)

// watcher is one watch of a member.
type watcher struct {
	stream *watch.Stream
	next   int64 // revision that has to come next
}

func (m *Member) watch(t testing.TB, key, end string, start int64) *watcher {
	t.Helper()
	w := &watcher{stream: m.NewWatchStream()}
	t.Cleanup(w.stream.Close)
	err := m.View(func(s *apply.State) error {
		if w.next = start; start == 0 {
			w.next = s.KV.Revision() + 1
		}
		return w.stream.Watch(watch.Options{Key: []byte(key), End: []byte(end), Start: start}, s.KV.Revision(), s.KV.CompactRevision())
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// expect reads until the event at revision last, and fails unless every revision comes once and in order.
func (w *watcher) expect(t testing.TB, last int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for w.next <= last {
		r, err := w.stream.Next(ctx, nil)
		if err != nil {
			t.Fatalf("waiting for revision %d: %v", w.next, err)
		}
		if r.Canceled {
			t.Fatalf("canceled at revision %d: %+v", w.next, r)
		}
		for _, frame := range r.Frames {
			_, _, n := protowire.ConsumeTag(frame)
			body, _ := protowire.ConsumeBytes(frame[n:])
			e := new(mvccpb.Event)
			if err := e.UnmarshalVT(body); err != nil {
				t.Fatal(err)
			}
			if e.Kv.ModRevision != w.next {
				t.Fatalf("revision %d instead of %d", e.Kv.ModRevision, w.next)
			}
			w.next++
		}
	}
}

// TestWatchesOutliveASnapshot: etcd#15271, #8411, #9281, #9775. A member that was cut off is brought up to date by a snapshot
// while it serves watches: those that were up to date, behind, and in the future go on without a gap and without repeating.
func TestWatchesOutliveASnapshot(t *testing.T) {
	g := NewWithT(t)
	c := newTrio(t, func(cfg *config.Config) { cfg.Raft.SnapshotCount, cfg.Raft.SnapshotCatchupEntries = 20, 5 })
	c.start(t, 0, 1, 2)
	from := c.members[c.awaitLeader(t)]
	late := (place(c, from) + 1) % 3
	m := c.members[late]
	for i := range 5 {
		from.put(t, "k", strconv.Itoa(i))
	}
	g.Expect(m.ReadIndex(t.Context())).To(Succeed())
	live, past, future := m.watch(t, "k", "", 0), m.watch(t, "k", "", 2), m.watch(t, "k", "", 60)
	past.expect(t, 4)
	c.isolate(late)
	for i := range 100 {
		from.put(t, "k", fmt.Sprint("while it is away ", i))
	}
	before := m.snapshots.last.Load()
	c.heal()
	g.Eventually(m.snapshots.last.Load, "30s").Should(BeNumerically(">", before+50), "a snapshot came")
	from.put(t, "k", "afterwards")
	for _, w := range []*watcher{live, past, future} {
		w.expect(t, 107)
	}
}
