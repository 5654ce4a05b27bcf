package watch

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"quoin.dev/api/mvccpb"

	"quoin.dev/storage/mvcc"
)

// TestTwin has many watchers of every kind, readers that stop now and then, compactions and replacements of the store, and
// compares what each watcher was told with what happened. etcd#15271, #15274, #17529, #8411, #9281,
// #9086, #9297, #9775.
func TestTwin(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := newBench(t)
	rng := rand.New(rand.NewPCG(seed, 2))
	key := func() string { return string("abcdef"[rng.IntN(6)]) + string("xyz"[rng.IntN(3)]) }
	pad := bytes.Repeat([]byte("v"), 8<<10)

	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var streams []*twinStream
	for i := range 12 {
		ts := &twinStream{s: s, stream: s.stream(), slow: i%3 == 0, rng: rand.New(rand.NewPCG(seed, uint64(100+i))), watches: map[int64]*twinWatch{}}
		streams = append(streams, ts)
		readers.Go(func() { ts.read(ctx) })
	}
	const steps = 4000
	for i := range steps {
		switch n := rng.IntN(100); {
		case n < 60:
			s.put(key(), string(pad[:rng.IntN(len(pad))]))
		case n < 70:
			s.del(key(), "")
		case n < 72:
			s.del("a", key())
		case n < 80:
			s.write(func(txn *mvcc.Txn) {
				txn.Put([]byte(key()), []byte("1"), 0)
				txn.Put([]byte("g"), []byte("2"), 0)
				txn.DeleteRange([]byte(key()), nil)
			})
		case n < 96:
			ts := streams[rng.IntN(len(streams))]
			o := Options{Key: []byte(key()), PrevKV: rng.IntN(3) == 0, NoPut: rng.IntN(8) == 0, NoDelete: rng.IntN(8) == 0}
			if rng.IntN(2) == 0 {
				o.End = []byte{0}
			}
			switch rng.IntN(4) {
			case 0:
				o.Start = max(1, s.store.CompactRevision()-2+rng.Int64N(s.store.Revision()))
			case 1:
				o.Start = s.store.Revision() + rng.Int64N(20)
			}
			ts.watch(o)
		case n < 98 && rng.IntN(4) == 0:
			if c, r := max(s.store.CompactRevision(), 0), s.store.Revision(); r > c+50 {
				s.compact(c + rng.Int64N(r-c-20) + 1)
			}
		case n == 99 && rng.IntN(5) == 0:
			s.hub.Detach()
			s.put(key(), "while nobody looked")
			s.hub.Attach(s.store)
		}
		if i%500 == 499 {
			for _, ts := range streams {
				ts.stream.Progress()
			}
		}
	}
	end := s.store.Revision()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		open := 0
		for _, ts := range streams {
			open += ts.unfinished(end)
		}
		if open == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d watches have not been told everything", open)
		}
	}
	stop()
	readers.Wait()
	watches, canceled, told := 0, 0, 0
	for _, ts := range streams {
		for _, w := range ts.watches {
			watches++
			told += w.told
			if w.canceled {
				canceled++
			}
		}
	}
	t.Logf("%d watches, %d of them canceled by a compaction, %d events", watches, canceled, told)
	if canceled == 0 || told < steps {
		t.Fatal("too little happened")
	}
}

// twinStream reads a stream and holds every reply to what happened.
type twinStream struct {
	s      *bench
	stream *Stream
	slow   bool
	rng    *rand.Rand

	mu      sync.Mutex
	watches map[int64]*twinWatch
}

type twinWatch struct {
	in       interval
	o        Options
	at       int // place in the history up to which everything was told
	started  bool
	canceled bool
	told     int
}

func (ts *twinStream) watch(o Options) {
	now := ts.s.store.Revision()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	in, err := newInterval(o.Key, o.End)
	check(ts.s.t, err)
	w := &twinWatch{in: in, o: o}
	if o.Start == 0 {
		w.o.Start = now + 1
	}
	ts.watches[int64(len(ts.watches))] = w
	check(ts.s.t, ts.stream.Watch(o, now, ts.s.store.CompactRevision()))
}

func (w *twinWatch) wants(c *mvcc.Change) bool {
	return c.Revision >= w.o.Start && w.in.contains(c.Key) && (!c.Tombstone || !w.o.NoDelete) && (c.Tombstone || !w.o.NoPut)
}

// skip moves on to the next change that the watch wants.
func (w *twinWatch) skip(history []mvcc.Change) *mvcc.Change {
	for ; w.at < len(history); w.at++ {
		if c := &history[w.at]; w.wants(c) {
			return c
		}
	}
	return nil
}

func (ts *twinStream) read(ctx context.Context) {
	t := ts.s.t
	for {
		if ts.slow && ts.rng.IntN(20) == 0 {
			time.Sleep(time.Duration(ts.rng.IntN(30)) * time.Millisecond)
		}
		r, err := ts.stream.Next(ctx, nil)
		if err != nil {
			return
		}
		ts.s.mu.Lock()
		history := ts.s.history
		ts.s.mu.Unlock()
		ts.mu.Lock()
		w := ts.watches[r.ID]
		switch {
		case r.ID == -1:
			for id, w := range ts.watches {
				if c := w.skip(history); c != nil && c.Revision <= r.Revision && w.started && !w.canceled {
					t.Errorf("progress says %d before watch %d was told of revision %d", r.Revision, id, c.Revision)
				}
			}
		case r.Created:
			w.started = true
		case r.Canceled:
			if c := w.skip(history); r.CompactRevision == 0 || (c != nil && c.Revision >= r.CompactRevision && w.o.Start >= r.CompactRevision) {
				t.Errorf("watch %d was canceled at %d, and needs %v", r.ID, r.CompactRevision, c)
			}
			w.canceled = true
		default:
			ts.compare(r, w, history)
		}
		ts.mu.Unlock()
	}
}

func (ts *twinStream) compare(r Reply, w *twinWatch, history []mvcc.Change) {
	for _, e := range events(ts.s.t, r) {
		c := w.skip(history)
		if c == nil || !bytes.Equal(c.Key, e.Kv.Key) || c.Revision != e.Kv.ModRevision || c.Tombstone != (e.Type == mvccpb.Event_DELETE) {
			ts.s.t.Errorf("watch %d from %d was told of %s %q at %d, expected %+v", r.ID, w.o.Start, e.Type, e.Kv.Key, e.Kv.ModRevision, c)
			return
		}
		if !c.Tombstone && !bytes.Equal(e.Kv.Value, mvcc.Value(c.Raw)) {
			ts.s.t.Errorf("watch %d: another value at %d", r.ID, c.Revision)
		}
		if p := e.PrevKv; p != nil && (!w.o.PrevKV || p.ModRevision >= c.Revision || !bytes.Equal(p.Key, c.Key)) {
			ts.s.t.Errorf("watch %d: previous value of revision %d at %d", r.ID, p.ModRevision, c.Revision)
		}
		w.at++
		w.told++
		if r.Revision < c.Revision {
			ts.s.t.Errorf("header %d of an event at %d", r.Revision, c.Revision)
		}
	}
}

// unfinished counts the watches that wait for something up to end.
func (ts *twinStream) unfinished(end int64) (n int) {
	ts.s.mu.Lock()
	history := ts.s.history
	ts.s.mu.Unlock()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, w := range ts.watches {
		if c := w.skip(history); !w.canceled && (!w.started || (c != nil && c.Revision <= end)) {
			n++
		}
	}
	return n
}
