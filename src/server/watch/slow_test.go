package watch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// memory returns how many bytes the events in the queues of all streams take, where one that waits in many counts once, and queued
// that which copies would take.
func memory(streams []*Stream) (held, queued int) {
	seen := map[*Event]bool{}
	for _, s := range streams {
		s.mu.Lock()
		for _, e := range s.queue[s.head:] {
			for _, ev := range e.events {
				if queued += len(ev.frame); !seen[ev] {
					seen[ev] = true
					held += len(ev.frame)
				}
			}
		}
		s.mu.Unlock()
	}
	return held, queued
}

// TestStarvedStreams: etcd#16839. Streams that nobody reads, or that are read a little now and then and so are all behind at
// places of their own, have bounded queues and share what waits in them.
func TestStarvedStreams(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 16839))
	s := newBench(t)
	s.hub.allBytes = 64 << 20
	value := strings.Repeat("v", 8<<10)
	var streams []*Stream
	for range 200 {
		stream := s.stream()
		check(t, s.watch(stream, Options{Key: []byte("a")}))
		streams = append(streams, stream)
	}
	for range 8 {
		for range 250 {
			s.put("a", value)
		}
		s.settle()
		for _, stream := range streams[50:] {
			for range rng.IntN(3) {
				stream.pop()
			}
		}
	}
	s.settle()
	held, queued := memory(streams)
	t.Logf("%d kB held, %d kB queued", held>>10, queued>>10)
	if limit := int(s.hub.allBytes) + len(streams)*2*len(value); queued > limit || queued < limit/4 {
		t.Errorf("%d bytes are queued, the limit is %d", queued, limit)
	}
	if held > queued/4 { // what a pass at a place of its own encodes is its own; without sharing all of it would be held
		t.Errorf("%d bytes are held for %d that are queued: events are copied", held, queued)
	}
	// All of them still hear of everything.
	for i, stream := range []*Stream{streams[0], streams[199]} {
		for next := int64(0); next <= s.store.Revision(); {
			for _, e := range events(t, s.next(stream)) {
				if next != 0 && e.Kv.ModRevision != next {
					t.Fatalf("stream %d: revision %d instead of %d", i, e.Kv.ModRevision, next)
				}
				next = e.Kv.ModRevision + 1
			}
		}
	}
}

// TestWritesDoNotWaitForWatchers: etcd#22264, etcd#4567, etcd#18109. A watcher that is far behind, and whoever works for it, never
// holds up who writes; and others, which are not behind, hear of the writes before it has come along.
func TestWritesDoNotWaitForWatchers(t *testing.T) {
	s := newBench(t)
	value := strings.Repeat("v", 8<<10)
	const backlog = 2000 // more than its stream takes
	for range backlog {
		s.put("a", value)
	}
	slow, live := s.stream(), s.stream()
	check(t, s.watch(slow, Options{Key: []byte("a"), Start: 1}))
	check(t, s.watch(live, Options{Key: []byte("b")}))
	s.created(live, 0)
	s.settle()
	if slow.room() {
		t.Fatal("the watcher is not behind")
	}
	rev := s.put("b", "while it is behind")
	s.expect(live, fmt.Sprintf("PUT b=while it is behind @%d", rev))

	s.hub.mu.Lock() // somebody matches, or takes a step for those that are behind, and does not come to an end
	for i := range 100 {
		s.put("b", fmt.Sprint(i))
	}
	s.hub.mu.Unlock()
	for next := int64(1); next <= backlog; {
		for range events(t, s.next(slow)) {
			next++
		}
	}
	for heard := 0; heard < 100; {
		heard += len(events(t, s.next(live)))
	}
}

// TestWatchesComeAndGo: etcd#13505. Watches are made and canceled, streams opened and closed, while others write and compact;
// the race detector looks on. A watch that stays hears of everything.
func TestWatchesComeAndGo(t *testing.T) {
	s := newBench(t)
	stays := s.stream()
	check(t, s.watch(stays, Options{Key: []byte("k"), End: []byte("l")}))
	s.created(stays, 0)
	const writes = 2000
	ctx, cancel := context.WithCancel(t.Context())
	var visitors sync.WaitGroup
	for v := range 4 {
		visitors.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				stream := s.hub.NewStream()
				for id := range int64(8) {
					o := Options{Key: fmt.Appendf(nil, "k%d", id), Start: int64(i+v) % 3, PrevKV: id%2 == 0}
					if err := s.watch(stream, o); err != nil {
						t.Error(err)
					}
				}
				for id := range int64(8) {
					stream.Progress()
					stream.Cancel(id, 1)
					_ = stream.pop()
				}
				stream.Close()
			}
		})
	}
	for i := range writes {
		s.put(fmt.Sprintf("k%d", i%10), "v")
		if i%500 == 499 {
			s.compact(s.store.Revision() - 100)
		}
	}
	cancel()
	visitors.Wait()
	for next := int64(2); next < writes+2; {
		for _, e := range events(t, s.next(stays)) {
			if e.Kv.ModRevision != next {
				t.Fatalf("revision %d instead of %d", e.Kv.ModRevision, next)
			}
			next++
		}
	}
}

// TestARefusalIsOfNoWatch: etcd#14563. Watch 0 lives on when another one is refused.
func TestARefusalIsOfNoWatch(t *testing.T) {
	s := newBench(t)
	stream := s.stream()
	check(t, s.watch(stream, Options{Key: []byte("a")}))
	s.created(stream, 0)
	stream.Refuse("permission denied", s.store.Revision())
	if r := s.next(stream); r.ID != -1 || !r.Created || !r.Canceled || r.Reason != "permission denied" {
		t.Fatalf("got %+v", r)
	}
	s.put("a", "1")
	if r := s.expect(stream, "PUT a=1 @2"); r.ID != 0 {
		t.Fatalf("watch %d", r.ID)
	}
}
