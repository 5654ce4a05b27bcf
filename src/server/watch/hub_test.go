package watch

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protowire"

	"quoin.dev/api/mvccpb"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc"
)

// patience is how long a condition may take that is sure to come.
const patience = 60 * time.Second

// bench is a store with a hub, and everything that happened to it.
type bench struct {
	t     testing.TB
	b     *backend.Backend
	store *mvcc.Store
	hub   *Hub
	index uint64

	mu      sync.Mutex
	history []mvcc.Change
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b, err := backend.Open(backend.Options{Path: filepath.Join(t.TempDir(), "db")})
	check(t, err)
	store, err := mvcc.Open(b, mvcc.Options{CompactionPause: time.Millisecond})
	check(t, err)
	s := &bench{t: t, b: b, store: store, hub: New(zap.NewNop())}
	s.hub.Attach(store)
	t.Cleanup(func() {
		s.hub.Close()
		store.Close()
		check(t, b.Close())
	})
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write runs one transaction and publishes it.
func (s *bench) write(fn func(*mvcc.Txn)) int64 {
	txn := s.store.Begin()
	fn(txn)
	s.mu.Lock() // watchers that catch up may be told of it as soon as it has ended
	changes := txn.End()
	s.history = append(s.history, changes...)
	s.mu.Unlock()
	s.hub.Publish(changes)
	s.commit()
	return s.store.Revision()
}

func (s *bench) commit() {
	s.index++
	s.b.Commit(backend.Applied{Index: s.index, Term: 1})
}

func (s *bench) put(key, value string) int64 {
	return s.write(func(t *mvcc.Txn) { t.Put([]byte(key), []byte(value), 0) })
}

func (s *bench) del(key, end string) int64 {
	return s.write(func(t *mvcc.Txn) { t.DeleteRange([]byte(key), []byte(end)) })
}

func (s *bench) compact(rev int64) {
	_, err := s.store.Compact(rev)
	check(s.t, err)
	s.commit()
}

func (s *bench) watch(stream *Stream, o Options) error {
	return stream.Watch(o, s.store.Revision(), s.store.CompactRevision())
}

func (s *bench) stream() *Stream {
	stream := s.hub.NewStream()
	s.t.Cleanup(stream.Close)
	return stream
}

// next is the next reply of a stream; it has to come.
func (s *bench) next(stream *Stream) Reply {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	r, err := stream.Next(ctx, nil)
	check(s.t, err)
	return r
}

// silent fails if there is a reply although everything that was published has been dispatched.
func (s *bench) silent(stream *Stream) {
	s.t.Helper()
	s.settle()
	if e := stream.pop(); e != nil {
		s.t.Fatalf("expected nothing, got %+v", s.hub.reply(e))
	}
}

// settle waits until the hub has done everything that it can do.
func (s *bench) settle() {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Microsecond) {
		s.hub.mu.Lock()
		done := s.hub.dispatched >= s.store.Revision() || s.hub.upToDate.count+s.hub.late.count == 0
		s.hub.late.all(func(w *Watcher) { done = done && !w.stream.room() })
		s.hub.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the hub does not come to rest")
		}
	}
}

func events(t testing.TB, r Reply) []*mvccpb.Event {
	t.Helper()
	var all []*mvccpb.Event
	for _, frame := range r.Frames {
		num, _, n := protowire.ConsumeTag(frame)
		body, m := protowire.ConsumeBytes(frame[n:])
		if num != responseEventsField || n+m != len(frame) {
			t.Fatalf("not one event field: %x", frame)
		}
		e := new(mvccpb.Event)
		check(t, e.UnmarshalVT(body))
		all = append(all, e)
	}
	return all
}

func (s *bench) expect(stream *Stream, want ...string) Reply {
	s.t.Helper()
	r := s.next(stream)
	var got []string
	for _, e := range events(s.t, r) {
		text := fmt.Sprintf("%s %s=%s @%d", e.Type, e.Kv.Key, e.Kv.Value, e.Kv.ModRevision)
		if e.PrevKv != nil {
			text += fmt.Sprintf(" was %s @%d", e.PrevKv.Value, e.PrevKv.ModRevision)
		}
		got = append(got, text)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Fatalf("got %q, want %q", got, want)
	}
	return r
}

func (s *bench) created(stream *Stream, id int64) {
	s.t.Helper()
	if r := s.next(stream); !r.Created || r.ID != id || r.Canceled {
		s.t.Fatalf("expected watch %d to be created, got %+v", id, r)
	}
}

func TestEvents(t *testing.T) {
	s := newBench(t)
	s.put("a", "old")
	stream := s.stream()
	check(t, s.watch(stream, Options{Key: []byte("a"), PrevKV: true}))
	s.created(stream, 0)
	s.put("b", "unseen")
	s.put("a", "1")
	s.expect(stream, "PUT a=1 @4 was old @2")
	s.del("a", "")
	s.expect(stream, "DELETE a= @5 was 1 @4")
	s.put("a", "2")
	s.expect(stream, "PUT a=2 @6")
	s.silent(stream)

	if !stream.Cancel(0, 6) || stream.Cancel(0, 6) {
		t.Fatal("a watch can be canceled once")
	}
	if r := s.next(stream); !r.Canceled || r.ID != 0 || r.CompactRevision != 0 {
		t.Fatalf("got %+v", r)
	}
	s.put("a", "3")
	s.silent(stream)
}

// TestOneRevisionIsOneReply: also when it is read from the past.
func TestOneRevisionIsOneReply(t *testing.T) {
	s := newBench(t)
	live, past := s.stream(), s.stream()
	check(t, s.watch(live, Options{Key: []byte("a"), End: []byte("c")}))
	s.created(live, 0)
	s.write(func(txn *mvcc.Txn) {
		txn.Put([]byte("a"), []byte("1"), 0)
		txn.Put([]byte("x"), []byte("1"), 0)
		txn.Put([]byte("b"), []byte("2"), 0)
	})
	if r := s.expect(live, "PUT a=1 @2", "PUT b=2 @2"); r.Revision != 2 {
		t.Fatalf("header says %d", r.Revision)
	}
	s.put("c", "unseen")
	check(t, s.watch(past, Options{Key: []byte("a"), End: []byte("c"), Start: 1}))
	s.created(past, 0)
	if r := s.expect(past, "PUT a=1 @2", "PUT b=2 @2"); r.Revision != 3 {
		t.Fatalf("header says %d", r.Revision)
	}
}

func TestFilters(t *testing.T) {
	s := newBench(t)
	stream := s.stream()
	check(t, s.watch(stream, Options{Key: []byte("a"), NoPut: true, ID: 7}))
	check(t, s.watch(stream, Options{Key: []byte("a"), NoDelete: true}))
	s.created(stream, 7)
	s.created(stream, 0)
	s.put("a", "1")
	if r := s.expect(stream, "PUT a=1 @2"); r.ID != 0 {
		t.Fatalf("watch %d", r.ID)
	}
	s.del("a", "")
	if r := s.expect(stream, "DELETE a= @3"); r.ID != 7 {
		t.Fatalf("watch %d", r.ID)
	}
}

func TestRefusals(t *testing.T) {
	s := newBench(t)
	stream := s.stream()
	if err := s.watch(stream, Options{Key: []byte("b"), End: []byte("a")}); err != ErrEmptyRange {
		t.Fatalf("got %v", err)
	}
	check(t, s.watch(stream, Options{Key: []byte("a"), ID: 1}))
	if err := s.watch(stream, Options{Key: []byte("a"), ID: 1}); err != ErrDuplicateID {
		t.Fatalf("got %v", err)
	}
	check(t, s.watch(stream, Options{Key: []byte("a")}))
	check(t, s.watch(stream, Options{Key: []byte("a")})) // 1 is taken
	for _, id := range []int64{1, 0, 2} {
		s.created(stream, id)
	}
}

// TestCompacted: etcd#17529, #18089, #19179. Who needs a compacted revision is told; the compact revision itself can be read,
// deletions at it included.
func TestCompacted(t *testing.T) {
	s := newBench(t)
	s.put("a", "1")
	s.put("a", "2")
	rev := s.del("a", "")
	s.put("b", "1")
	s.compact(rev)
	stream := s.stream()
	check(t, s.watch(stream, Options{Key: []byte("a"), Start: rev}))
	check(t, s.watch(stream, Options{Key: []byte("a"), Start: rev - 1}))
	s.created(stream, 0)
	var canceled bool
	for range 3 {
		switch r := s.next(stream); {
		case r.Created:
		case r.Canceled:
			canceled = r.ID == 1 && r.CompactRevision == rev && r.Reason == ""
		default:
			if e := events(t, r); r.ID != 0 || len(e) != 1 || e[0].Type != mvccpb.Event_DELETE || e[0].Kv.ModRevision != rev {
				t.Fatalf("got %v", e)
			}
		}
	}
	if !canceled {
		t.Fatal("the watch from below was not canceled")
	}
}

// TestFutureRevision: etcd#20221, #19487. Nothing below the revision that was asked for, neither events nor progress.
func TestFutureRevision(t *testing.T) {
	s := newBench(t)
	stream := s.stream()
	check(t, s.watch(stream, Options{Key: []byte("a"), Start: 5, Progress: true}))
	s.created(stream, 0)
	for range 3 {
		s.put("a", "early")
		s.settle()
		stream.Progress()
		stream.Tick()
	}
	s.silent(stream)
	s.put("a", "wanted")
	s.expect(stream, "PUT a=wanted @5")
	stream.Progress()
	if r := s.next(stream); r.ID != -1 || r.Revision != 5 {
		t.Fatalf("got %+v", r)
	}
}

// TestProgressKeepsTheOrder: etcd#15220. A progress reply never says more than was delivered before it.
func TestProgressKeepsTheOrder(t *testing.T) {
	s := newBench(t)
	stream := s.stream()
	check(t, s.watch(stream, Options{Key: []byte("a")}))
	s.created(stream, 0)
	const last = 3000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range last {
			s.put("a", fmt.Sprint(i))
			if i%3 == 0 {
				stream.Progress()
			}
		}
	}()
	defer func() { <-done }()
	progressed := 0
	for seen := int64(1); seen < last+1; {
		r := s.next(stream)
		for _, e := range events(t, r) {
			if e.Kv.ModRevision != seen+1 {
				t.Fatalf("revision %d follows %d", e.Kv.ModRevision, seen)
			}
			seen++
		}
		if r.ID == -1 {
			progressed++
			if r.Revision != seen {
				t.Fatalf("progress says %d, and %d was delivered", r.Revision, seen)
			}
		}
	}
	if progressed == 0 { // the watch was behind all the time
		<-done
		stream.Progress()
		if r := s.next(stream); r.ID != -1 || r.Revision != last+1 {
			t.Fatalf("no progress was told: got %+v", r)
		}
	}
}

// TestTick: etcd#17566. A watch that never had an event is told the revision, and one that just had one is not.
func TestTick(t *testing.T) {
	s := newBench(t)
	stream := s.stream()
	check(t, s.watch(stream, Options{Key: []byte("quiet"), Progress: true}))
	check(t, s.watch(stream, Options{Key: []byte("quiet too")}))
	s.created(stream, 0)
	s.created(stream, 1)
	rev := s.put("a", "1")
	s.settle()
	stream.Tick()
	if r := s.next(stream); r.ID != 0 || r.Revision != rev || len(r.Frames) != 0 || r.Created || r.Canceled {
		t.Fatalf("got %+v", r)
	}
	s.put("quiet", "1")
	s.expect(stream, "PUT quiet=1 @3")
	stream.Tick()
	s.silent(stream)
	stream.Tick()
	if r := s.next(stream); r.ID != 0 || r.Revision != 3 {
		t.Fatalf("got %+v", r)
	}
}

// TestRequestsWithoutReading: the replies to a client that asks and does not listen stay bounded.
func TestRequestsWithoutReading(t *testing.T) {
	s := newBench(t)
	stream := s.stream()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range streamReplies {
		check(t, stream.Ready(ctx))
		check(t, s.watch(stream, Options{Key: []byte("a"), Progress: true}))
	}
	over, now := context.WithCancel(ctx)
	now()
	if err := stream.Ready(over); err == nil {
		t.Fatal("the stream takes any number of requests")
	}
	stream.Tick()
	for id := range int64(streamReplies) {
		s.created(stream, id)
	}
	check(t, stream.Ready(ctx))
	s.silent(stream)
}
