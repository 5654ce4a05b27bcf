package peer

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/server/peer/memnet"
)

// loopback starts members 1..n on 127.0.0.1 that know each other.
func loopback(t testing.TB, n int, adjust func(*Config)) []*member {
	t.Helper()
	noLeaks(t)
	members := make([]*member, n)
	for i := range members {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		members[i] = startMember(t, uint64(i+1), l, nil, "http://"+l.Addr().String(), adjust)
	}
	connect(members)
	return members
}

// simulated starts members 1..n on an in-memory network, as hosts m1, m2, …, and returns when all streams are up, which
// takes a second dial where a member was asked before it knew the other. The caller is in a bubble.
func simulated(t testing.TB, n int, adjust func(*Config)) ([]*member, *memnet.Network) {
	t.Helper()
	network := memnet.New()
	members := make([]*member, n)
	for i := range members {
		name := "m" + formatID(uint64(i+1))
		l, err := network.Host(name).Listen(name + ":2380")
		if err != nil {
			t.Fatal(err)
		}
		members[i] = startMember(t, uint64(i+1), l, network.Host(name), "http://"+name+":2380", adjust)
	}
	connect(members)
	pass(time.Second)
	if !connected(members) {
		t.Fatal("the streams did not come up")
	}
	return members, network
}

func startMember(t testing.TB, id uint64, l net.Listener, d Dialer, url string, adjust func(*Config)) *member {
	m := &member{raft: newFakeRaft(), sink: newSink(), url: url}
	c := testConfig(id, m.raft, m.sink, quiet(t))
	c.PeerURLs, c.Dialer = []string{url}, d
	if adjust != nil {
		adjust(&c)
	}
	if c.Raft == nil {
		t.Fatal("a member needs a raft")
	}
	m.Transport = New(c)
	m.server = NewServer(m.Handler())
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = m.server.Serve(l)
	}()
	t.Cleanup(func() {
		m.Stop()
		m.server.Close()
		<-served
	})
	return m
}

func connect(members []*member) {
	for _, m := range members {
		for _, other := range members {
			if m != other {
				m.AddPeer(other.local, []string{other.url})
			}
		}
	}
}

// noLeaks fails the test when goroutines of this package outlive it.
func noLeaks(t testing.TB) {
	t.Helper()
	ours := func() []string {
		buf := make([]byte, 8<<20)
		stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
		return slices.DeleteFunc(stacks, func(s string) bool {
			return !strings.Contains(s, "quoin.dev/server/peer") && !strings.Contains(s, "net/http.(*persistConn)") ||
				strings.Contains(s, "testing.(") || strings.Contains(s, "testing.tRunner")
		})
	}
	t.Cleanup(func() { eventually(t, "all goroutines have ended", func() bool { return len(ours()) == 0 }) })
}

func connected(members []*member) bool {
	for _, m := range members {
		for _, other := range members {
			if m == other {
				continue
			}
			p := m.directory.Load().peers[other.local]
			if !p.appWriter.attached.Load() || !p.messageWriter.attached.Load() || m.ActiveSince(other.local).IsZero() {
				return false
			}
		}
	}
	return true
}

func TestThreeMembersTalkOverLoopback(t *testing.T) {
	members := loopback(t, 3, nil)
	eventually(t, "all streams are up", func() bool { return connected(members) })
	for i := range uint64(200) {
		for _, from := range members {
			var batch []*raftpb.Message
			for _, to := range members {
				if to != from {
					batch = append(batch, appTo(from.local, to.local, 10+3*i, 3), heartbeat(from.local, to.local, i))
				}
			}
			from.Send(batch)
		}
	}
	for _, m := range members {
		eventually(t, "all messages are there", func() bool { return len(m.raft.received()) == 800 })
		next := map[uint64]uint64{}
		for _, got := range m.raft.received() {
			if got.GetType() != raftpb.MsgApp {
				continue
			}
			// One stream keeps its order, and what comes out is what went in.
			i := next[got.GetFrom()]
			next[got.GetFrom()]++
			if want := appTo(got.GetFrom(), m.local, 10+3*i, 3); !proto.Equal(got, want) {
				t.Fatalf("member %d got %v, want %v", m.local, got, want)
			}
		}
	}
}

func TestMessagesAreOnTheWireAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, _ := simulated(t, 2, nil)
		a, b := members[0], members[1]
		before := time.Now()
		a.Send([]*raftpb.Message{appTo(1, 2, 7, 1)})
		synctest.Wait()
		if b.raft.count(raftpb.MsgApp) != 1 || time.Since(before) != 0 {
			t.Fatal("a message waited before it was written")
		}
	})
}

func TestMessagesTakeTheirWay(t *testing.T) {
	tr := New(testConfig(1, newFakeRaft(), newSink(), zap.NewNop()))
	defer tr.Stop()
	urls, err := parseURLs([]string{"http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		app, message bool // streams that are up
		m            *raftpb.Message
		way          int // 0 msgapp stream, 1 message stream, 2 pipeline
	}{
		{true, true, appTo(1, 2, 5, 1), 0},
		{true, true, heartbeat(1, 2, 1), 1},
		{false, true, appTo(1, 2, 5, 1), 1},
		{true, false, heartbeat(1, 2, 1), 2},
		{true, false, appTo(1, 2, 5, 1), 0},
		{false, false, appTo(1, 2, 5, 1), 2},
	} {
		p := newPeer(tr, 2, urls)
		p.pipeline.start.Do(func() {}) // no workers: what is queued stays queued
		p.appWriter.attached.Store(c.app)
		p.messageWriter.attached.Store(c.message)
		p.send(c.m)
		queues := []int{len(p.appWriter.queue), len(p.messageWriter.queue), len(p.pipeline.queue)}
		for way, n := range queues {
			if (way == c.way) != (n == 1) {
				t.Errorf("streams up %v %v, message %s: queues %v, want way %d", c.app, c.message, c.m.GetType(), queues, c.way)
				break
			}
		}
	}
}

func TestIdleStreamsStayUpAndSilentOnesGoDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, network := simulated(t, 3, nil)
		synctest.Wait()
		since := members[0].ActiveSince(2)
		pass(20 * time.Minute) // longer than any timeout of a server
		if got := members[0].ActiveSince(2); got.IsZero() || !got.Equal(since) {
			t.Fatalf("active since %v, at first %v", got, since)
		}
		network.Cut("m1", "m2")
		pass(6 * time.Second)
		if !members[0].ActiveSince(2).IsZero() || !members[1].ActiveSince(1).IsZero() {
			t.Fatal("a cut link still counts as active after the read timeout")
		}
		if members[0].ActiveSince(3).IsZero() || members[2].ActiveSince(1).IsZero() {
			t.Fatal("the other links suffered")
		}
		healed := time.Now()
		network.Heal("m1", "m2")
		pass(3 * time.Second)
		if got := members[0].ActiveSince(2); got.Before(healed) {
			t.Fatalf("active since %v, healed at %v", got, healed)
		}
		network.Break("m1", "m2")
		pass(time.Second)
		if got := members[0].ActiveSince(2); !got.After(healed.Add(3 * time.Second).Add(-1)) {
			t.Fatalf("active since %v after the connections broke", got)
		}
		members[0].Send([]*raftpb.Message{appTo(1, 2, 5, 1)})
		synctest.Wait()
		if members[1].raft.count(raftpb.MsgApp) != 1 {
			t.Fatal("no traffic after the connections were dialled again")
		}
		for _, m := range members {
			for id := range uint64(4) {
				if m.raft.goneReports(id) > 0 {
					t.Fatalf("member %d is reported as gone because of its link", id)
				}
			}
		}
	})
}

func TestRedialsAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		network := memnet.New()
		l, _ := network.Host("m1").Listen("m1:2380")
		m := startMember(t, 1, l, dialFunc(func(ctx context.Context, nw, addr string) (net.Conn, error) {
			dials.Add(1)
			return network.Host("m1").DialContext(ctx, nw, addr)
		}), "http://m1:2380", nil)
		m.AddPeer(2, []string{"http://m2:2380"})
		pass(10 * time.Second)
		// Two streams ten times a second, and a few probes.
		if n := dials.Load(); n < 190 || n > 206 {
			t.Fatalf("%d dials in ten seconds", n)
		}
	})
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

func TestSlowMemberBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, network := simulated(t, 3, nil)
		synctest.Wait()
		network.Cut("m1", "m2")
		big := appTo(1, 2, 5, 1)
		big.Entries[0].Data = make([]byte, 64<<10)
		before := time.Now()
		for i := range uint64(6000) {
			members[0].Send([]*raftpb.Message{big})
			members[0].Send([]*raftpb.Message{heartbeat(1, 3, i)})
			if i%1000 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if time.Since(before) != 0 {
			t.Fatal("Send waited")
		}
		if members[0].raft.lost(2) == 0 {
			t.Fatal("a full queue was not reported")
		}
		if members[0].raft.lost(3) != 0 || members[2].raft.count(raftpb.MsgHeartbeat) != 6000 {
			t.Fatalf("member 3 got %d of 6000 messages", members[2].raft.count(raftpb.MsgHeartbeat))
		}
	})
}

func TestBlockedProposalDelaysNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, _ := simulated(t, 2, func(c *Config) {
			c.Raft.(*fakeRaft).process = func(ctx context.Context, m *raftpb.Message) error {
				if m.GetType() == raftpb.MsgProp {
					<-ctx.Done()
				}
				return ctx.Err()
			}
		})
		synctest.Wait()
		prop := &raftpb.Message{Type: new(raftpb.MsgProp), From: new(uint64(1)), To: new(uint64(2))}
		for range 10 {
			members[0].Send([]*raftpb.Message{prop})
		}
		members[0].Send([]*raftpb.Message{heartbeat(1, 2, 1), appTo(1, 2, 5, 1)})
		synctest.Wait()
		if got := len(members[1].raft.received()); got != 2 {
			t.Fatalf("%d messages came past the proposals", got)
		}
	})
}

func TestOverloadedRaftLosesMessagesButNoStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		members, _ := simulated(t, 2, func(c *Config) {
			c.Raft.(*fakeRaft).process = func(context.Context, *raftpb.Message) error { <-release; return nil }
		})
		synctest.Wait()
		for i := range uint64(3) {
			for range 3000 {
				members[0].Send([]*raftpb.Message{heartbeat(1, 2, i)})
			}
			synctest.Wait()
		}
		pass(time.Minute)
		if members[0].ActiveSince(2).IsZero() || time.Since(members[1].ActiveSince(1)) < time.Minute {
			t.Fatal("the streams broke")
		}
		close(release)
		synctest.Wait()
		if got := members[1].raft.count(raftpb.MsgHeartbeat); got != receiveQueueLen+1 {
			t.Fatalf("%d messages were kept, want the queue and the one in work", got)
		}
	})
}

func TestOnlyTheNewestAcknowledgementOfABatchIsSent(t *testing.T) {
	ack := func(to, term, index uint64, reject bool) *raftpb.Message {
		return &raftpb.Message{
			Type: new(raftpb.MsgAppResp), From: new(uint64(1)), To: new(to), Term: new(term), Index: new(index), Reject: new(reject),
		}
	}
	batch := []*raftpb.Message{
		ack(2, 5, 10, false), ack(3, 5, 10, false), ack(2, 5, 9, true), ack(2, 5, 11, false), ack(2, 6, 11, false), ack(2, 5, 12, false),
	}
	kept := []bool{false, true, true, false, true, true}
	for i, m := range batch {
		if supersededByLater(m, batch[i+1:]) == kept[i] {
			t.Errorf("message %d: kept is %v", i, !kept[i])
		}
	}
}

func TestRemovedMemberIsToldOnceByEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		members, network := simulated(t, 3, func(c *Config) {
			if c.LocalID == 1 {
				c.OnRemoved = func(uint64) { told.Add(1) }
			}
		})
		synctest.Wait()
		for _, m := range members[1:] {
			m.raft.remove(1)
			m.RemovePeer(1)
		}
		network.Break("m1", "m2")
		pass(10 * time.Second)
		if told.Load() != 2 {
			t.Fatalf("told %d times", told.Load())
		}
		if !members[1].ActiveSince(1).IsZero() {
			t.Fatal("a removed peer counts as active")
		}
	})
}

func TestUnknownSenderBecomesARemote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New()
		start := func(id uint64, name string) *member {
			l, _ := network.Host(name).Listen(name + ":2380")
			return startMember(t, id, l, network.Host(name), "http://"+name+":2380", nil)
		}
		a, b := start(1, "m1"), start(2, "m2")
		a.Send([]*raftpb.Message{heartbeat(1, 2, 1)}) // to nobody known: ignored
		a.AddRemote(2, []string{b.url})
		a.Send([]*raftpb.Message{heartbeat(1, 2, 2)})
		synctest.Wait()
		if len(b.raft.received()) != 1 {
			t.Fatal("no message arrived from a member that knows the other as remote")
		}
		// The request has made the sender known, so it can be answered; then it becomes a peer.
		b.Send([]*raftpb.Message{heartbeat(2, 1, 3)})
		synctest.Wait()
		if len(a.raft.received()) != 1 {
			t.Fatal("a remote got no answer")
		}
		a.AddPeer(2, []string{b.url})
		b.AddPeer(1, []string{a.url})
		pass(time.Second)
		if len(a.directory.Load().remotes)+len(b.directory.Load().remotes) != 0 || !connected([]*member{a, b}) {
			t.Fatal("remotes did not become peers")
		}
	})
}

func TestURLsAreTriedInTurnAndCanChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, _ := simulated(t, 2, nil)
		a, b := members[0], members[1]
		a.RemovePeer(2)
		a.AddPeer(2, []string{"http://nowhere:1", "http://nowhere:2", b.url})
		pass(time.Second)
		if a.ActiveSince(2).IsZero() {
			t.Fatal("the third URL was not tried")
		}
		a.RemovePeer(2)
		a.AddPeer(2, []string{"http://nowhere:1"})
		pass(time.Second)
		a.UpdatePeer(2, []string{b.url})
		a.UpdatePeer(2, []string{"ftp://x"})
		pass(time.Second)
		if a.ActiveSince(2).IsZero() {
			t.Fatal("the new URL was not used")
		}
		a.RemoveAll()
		synctest.Wait()
		if !a.ActiveSince(2).IsZero() || len(a.directory.Load().peers) != 0 {
			t.Fatal("RemoveAll left somebody")
		}
	})
}

func TestNewStreamReplacesTheOldOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, network := simulated(t, 2, nil)
		synctest.Wait()
		// Somebody dials in the name of member 2: the stream moves over, member 2 dials again and gets it back.
		u, _ := url.Parse(members[0].url)
		stranger := newClient(&members[1].identity, Config{Dialer: network.Host("m2"), DialTimeout: time.Second}.withDefaults())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req := stranger.request(ctx, http.MethodGet, u, pathStream+"/msgapp/2", nil)
		req.Header.Set(headerTo, "1")
		res, err := stranger.streams.RoundTrip(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%v, error %v", res, err)
		}
		pass(time.Second)
		if _, err := res.Body.Read(make([]byte, 1)); err == nil {
			t.Fatal("the replaced stream is still open")
		}
		members[0].Send([]*raftpb.Message{appTo(1, 2, 5, 1)})
		synctest.Wait()
		if !connected(members) || members[1].raft.count(raftpb.MsgApp) != 1 {
			t.Fatal("member 2 did not get its stream back")
		}
		stranger.closeIdle()
	})
}

func TestStopEndsEverythingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, network := simulated(t, 3, nil)
		synctest.Wait()
		network.Cut("m1", "m2") // writes to member 2 are stuck
		big := appTo(1, 2, 5, 1)
		big.Entries[0].Data = make([]byte, 8<<20)
		members[0].Send([]*raftpb.Message{big})
		synctest.Wait()
		before := time.Now()
		members[0].Stop()
		members[0].Stop()
		if took := time.Since(before); took != 0 {
			t.Fatalf("Stop took %v", took)
		}
		members[0].Send([]*raftpb.Message{heartbeat(1, 2, 1)})
		members[0].AddPeer(4, []string{"http://m4:1"})
		members[0].AddRemote(5, []string{"http://m5:1"})
		members[0].RemoveAll()
	})
}

func TestUselessURLsAreRefused(t *testing.T) {
	tr := New(testConfig(1, newFakeRaft(), newSink(), zap.NewNop()))
	defer tr.Stop()
	for _, urls := range [][]string{nil, {""}, {"ftp://h:1"}, {"http://"}, {"http://h:1", "::"}} {
		tr.AddPeer(2, urls)
		tr.AddRemote(3, urls)
	}
	if d := tr.directory.Load(); len(d.peers)+len(d.remotes) != 0 {
		t.Fatalf("%d peers, %d remotes", len(d.peers), len(d.remotes))
	}
}
