package interop

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// history is every event that one watcher has seen, from the first revision on.
type history struct {
	of string

	mu     sync.Mutex // guards the rest
	events []string
	err    error
	head   int64 // revision of the newest event
}

// watchAll watches all keys through each member. A client that loses its connection goes on from where it was.
func watchAll(t *testing.T, members []*lab.Member) (all []*history) {
	t.Helper()
	for _, m := range members {
		h := &history{of: m.Name + " " + string(m.Kind)}
		all = append(all, h)
		ch := lab.Client(t, m).Watch(t.Context(), "", clientv3.WithPrefix(), clientv3.WithRev(1))
		go func() {
			for r := range ch {
				h.take(r)
			}
		}()
	}
	return all
}

func (h *history) take(r clientv3.WatchResponse) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = errors.Join(h.err, r.Err())
	for _, e := range r.Events {
		if e.Kv.ModRevision < h.head {
			h.err = errors.Join(h.err, fmt.Errorf("revision %d came after %d", e.Kv.ModRevision, h.head))
		}
		h.head = e.Kv.ModRevision
		h.events = append(h.events, fmt.Sprintf("%d %s %q version %d since %d with %d bytes, lease %d", e.Kv.ModRevision, e.Type, e.Kv.Key,
			e.Kv.Version, e.Kv.CreateRevision, len(e.Kv.Value), e.Kv.Lease))
	}
}

// expectOneHistory holds what watchers have seen to what a new watcher at one member is told of the whole past.
func expectOneHistory(t *testing.T, by *lab.Member, seen []*history) {
	t.Helper()
	all := append(watchAll(t, []*lab.Member{by}), seen...)
	head := must[*pb.RangeResponse](t)(pb.NewKVClient(by.Conn(t)).Range(deadline(t), everything(0))).Header.Revision
	for end := time.Now().Add(agreeWithin); ; time.Sleep(50 * time.Millisecond) {
		late := ""
		for _, h := range all {
			h.mu.Lock()
			if h.err != nil {
				t.Errorf("the watcher at %s: %v", h.of, h.err)
			}
			if h.head < head {
				late = fmt.Sprintf("the watcher at %s has seen revision %d of %d", h.of, h.head, head)
			}
			h.mu.Unlock()
		}
		switch {
		case t.Failed():
			t.FailNow()
		case late == "":
			compareHistories(t, all, head)
			return
		case time.Now().After(end):
			t.Fatal(late)
		}
	}
}

// compareHistories compares histories up to a revision, which all have reached.
func compareHistories(t *testing.T, all []*history, head int64) {
	t.Helper()
	var want []string
	for i, h := range all {
		h.mu.Lock()
		got := h.upTo(head)
		h.mu.Unlock()
		if i == 0 {
			want = got
		}
		if d := firstDifference(want, got); d != "" {
			t.Errorf("watchers at %s and %s have seen %d and %d events, first different ones:\n%s", all[0].of, h.of, len(want), len(got), d)
		}
	}
	if len(want) < 50 {
		t.Errorf("only %d events", len(want))
	}
}

func (h *history) upTo(revision int64) []string {
	for i, e := range h.events {
		var r int64
		if _, err := fmt.Sscan(e, &r); err == nil && r > revision {
			return h.events[:i]
		}
	}
	return h.events
}
