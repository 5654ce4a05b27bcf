package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"quoin.dev/api/etcdserverpb"
)

func TestGaugeFindsTheLongestGap(t *testing.T) {
	var g gauge
	began := time.Now()
	at := func(ms int) {
		g.succeed(func() time.Time { return began.Add(time.Duration(ms) * time.Millisecond) })
	}
	expect := func(count int, gap time.Duration) {
		t.Helper()
		if n, longest := g.read(); n != count || longest != gap*time.Millisecond {
			t.Errorf("%d successes, longest gap %v; want %d, %v", n, longest, count, gap*time.Millisecond)
		}
	}
	expect(0, 0)
	at(500) // what came before the first success is no gap
	expect(1, 0)
	at(700)
	at(710)
	expect(3, 200)
	g.forget()
	expect(3, 0)
	at(760) // began before forget
	at(761)
	expect(5, 50)
}

// fakeKV takes puts while it is up, never answers while it is asleep, and refuses otherwise.
type fakeKV struct {
	etcdserverpb.KVClient
	state atomic.Value // a string
	puts  atomic.Int64
}

func newFakeKV(state string) *fakeKV {
	f := &fakeKV{}
	f.state.Store(state)
	return f
}

func (f *fakeKV) Put(ctx context.Context, _ *etcdserverpb.PutRequest, _ ...grpc.CallOption) (*etcdserverpb.PutResponse, error) {
	switch f.state.Load() {
	case "up":
		f.puts.Add(1)
		return &etcdserverpb.PutResponse{}, nil
	case "asleep":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, errors.New("refused")
}

// TestWritersGoOnWithOtherMembers: while one is down or asleep the cluster takes puts all the time, and only good answers count.
func TestWritersGoOnWithOtherMembers(t *testing.T) {
	for _, first := range []string{"up", "down", "asleep"} {
		synctest.Test(t, func(t *testing.T) {
			fakes := []*fakeKV{newFakeKV(first), newFakeKV("up"), newFakeKV("up")}
			var nodes []*node
			for _, f := range fakes {
				nodes = append(nodes, &node{remote: &remote{kv: f}})
			}
			w := startWriters(t.Context(), nodes)
			time.Sleep(4 * putTimeout)
			w.stop()
			count, longest := w.gauge.read()
			if want := fakes[0].puts.Load() + fakes[1].puts.Load() + fakes[2].puts.Load(); int64(count) != want || count == 0 {
				t.Errorf("first %s: %d successes counted of %d", first, count, want)
			}
			if (fakes[0].puts.Load() > 0) != (first == "up") || longest > writerPause {
				t.Errorf("first %s: %d puts there, longest gap %v", first, fakes[0].puts.Load(), longest)
			}
		})
	}
}

func TestAllMembersDownIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeKV("up")
		w := startWriters(t.Context(), []*node{{remote: &remote{kv: f}}})
		defer w.stop()
		time.Sleep(time.Second)
		synctest.Wait()
		f.state.Store("down")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		f.state.Store("up")
		if err := w.enough(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, longest := w.gauge.read(); longest < 2*time.Second || longest > 2*time.Second+2*writerPause {
			t.Errorf("longest gap %v", longest)
		}
		synctest.Wait()
		f.state.Store("down")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.enough(ctx); err == nil {
			t.Error("a cluster that is down took enough puts")
		}
	})
}

func TestAgreedLeader(t *testing.T) {
	says := func(id, leader uint64) *etcdserverpb.StatusResponse {
		return &etcdserverpb.StatusResponse{Header: &etcdserverpb.ResponseHeader{MemberId: id}, Leader: leader}
	}
	for _, c := range []struct {
		states []*etcdserverpb.StatusResponse
		want   int
	}{
		{nil, -1},
		{[]*etcdserverpb.StatusResponse{says(1, 2), says(2, 2), says(3, 2)}, 1},
		{[]*etcdserverpb.StatusResponse{says(1, 2), says(3, 2)}, -1}, // the leader is down
		{[]*etcdserverpb.StatusResponse{says(1, 2), says(2, 2), says(3, 1)}, -1},
		{[]*etcdserverpb.StatusResponse{says(1, 0), says(3, 0)}, -1},
	} {
		if got := agreed(c.states); got != c.want {
			t.Errorf("agreed(%v) = %d, want %d", c.states, got, c.want)
		}
	}
}

// TestOutageOfRealMembers plays the shortest of them, and then interrupts another one.
func TestOutageOfRealMembers(t *testing.T) {
	if _, err := repositoryRoot(); err != nil || testing.Short() {
		t.Skip("builds and starts quoin, from a working tree")
	}
	server, err := binary(t.Context(), "quoin", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	play := func(ctx context.Context, row string) (string, error) {
		o, err := parseOptions([]string{"-quick", "-rows", row, "-a", server, "-b", server, "-dir", t.TempDir()}, os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		err = bench(ctx, o, &out)
		if left, readErr := os.ReadDir(o.dir); readErr != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, readErr)
		}
		return out.String(), err
	}
	table, err := play(t.Context(), "move-leader")
	if err != nil || !strings.Contains(table, string(metricGap)) || !strings.Contains(table, string(metricGapWorst)) {
		t.Errorf("%v; table:\n%s", err, table)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := play(ctx, "leader-pause"); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("error = %v", err)
	}
}
