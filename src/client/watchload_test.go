package client_test

import (
	"testing"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
)

// A reader who does not read delays no other, and what waits for him is bounded.
func TestSlowReader(t *testing.T) {
	_, c, d, slow := watchOne(t, client.Config{}, client.WithWatchBufLog())
	began := begin(t, c, t.Context())
	accepts(t, d, 1, 0, 7)
	quick := next(t, "watch", began)
	value := make([]byte, 1<<20)
	rev := int64(8)
	for ; len(d.requests) == 0; rev++ {
		large := told(0, rev)
		large.Events[0].Kv.Value = value
		d.say(t, large, told(1, rev))
		expect(t, quick, rev)
		if rev > 100 {
			t.Fatal("the buffer has no bound")
		}
	}
	if r := d.request(t).GetCancelRequest(); r == nil || r.WatchId != 0 {
		t.Fatalf("asked %v, want the end of the slow watch", r)
	}
	d.say(t, told(0, rev), &pb.WatchResponse{WatchId: 0, Canceled: true, Header: header(rev)})
	first := int64(8)
	for ; first < 28; first++ { // more than half
		expect(t, slow, first)
	}
	again := d.request(t).GetCreateRequest().GetStartRevision()
	if again > rev || again < rev-2 {
		t.Fatalf("the watch goes on at %d, want about %d", again, rev)
	}
	d.say(t, created(2, 100))
	for r := again; r <= 100; r++ {
		d.say(t, told(2, r))
	}
	for ; first <= 100; first++ {
		expect(t, slow, first)
	}
}

func TestManyWatches(t *testing.T) {
	m := start(t, &member{}, listen(t))
	c := open(t, client.Config{}, m)
	const n = 200
	var began []<-chan client.WatchChan
	for range n {
		began = append(began, begin(t, c, t.Context()))
	}
	for round := range 3 {
		d := m.stream(t)
		for i := range n {
			d.request(t)
			d.say(t, created(int64(i), int64(7+round)))
		}
		for i := range n {
			d.say(t, told(int64(i), int64(8+round)))
		}
		for _, b := range began {
			select {
			case ch := <-b:
				expect(t, ch, int64(8+round))
				b := make(chan client.WatchChan, 1)
				b <- ch
				began = append(began[1:], b)
			case <-time.After(30 * time.Second):
				t.Fatal("no watch")
			}
		}
		m.conns.cut()
	}
}
