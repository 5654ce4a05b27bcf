package peer

import (
	"context"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
)

// pattern is what databases are made of; its length is prime, so that no block size hides a shift.
var pattern = func() []byte {
	p := make([]byte, 65521)
	for i := range p {
		p[i] = byte(i * i >> 3)
	}
	return p
}()

// database is size bytes of a pattern, or fewer, or a failure on the way.
type database struct {
	left   int
	at     int // in the pattern
	fail   error
	wait   <-chan struct{}
	sum    uint32
	closed atomic.Int32
}

func (d *database) Read(p []byte) (int, error) {
	if d.wait != nil {
		<-d.wait
	}
	if d.left == 0 {
		if d.fail != nil {
			return 0, d.fail
		}
		return 0, io.EOF
	}
	n := min(len(p), d.left, len(pattern)-d.at)
	copy(p, pattern[d.at:d.at+n])
	d.sum = crc32.Update(d.sum, crc32.IEEETable, p[:n])
	d.at = (d.at + n) % len(pattern)
	d.left -= n
	return n, nil
}

func (d *database) Close() error {
	d.closed.Add(1)
	return nil
}

func TestSnapshotOf64MiBArrives(t *testing.T) {
	const size = 64 << 20
	members := loopback(t, 2, nil)
	db, m := &database{left: size + 100}, snapshotTo(2, 77) // a database may grow behind the snapshot
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	members[0].SendSnapshot(m, db, size)
	eventually(t, "the snapshot is reported", func() bool { return len(members[0].raft.reports(2)) == 1 })
	runtime.ReadMemStats(&after)
	if !members[0].raft.reports(2)[0] || db.closed.Load() != 1 {
		t.Fatalf("reports %v, database closed %d times", members[0].raft.reports(2), db.closed.Load())
	}
	n, sum, ok := members[1].sink.of(77)
	want := &database{left: size}
	if _, err := io.Copy(io.Discard, want); err != nil {
		t.Fatal(err)
	}
	if !ok || n != size || sum != want.sum {
		t.Fatalf("saved %d bytes with sum %x, want %d with %x", n, sum, size, want.sum)
	}
	if got := members[1].raft.received(); len(got) != 1 || !proto.Equal(got[0], m) {
		t.Fatalf("raft got %v", got)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
		t.Errorf("sending and receiving took %d bytes of memory", took)
	}
}

func TestFailuresOfSnapshotsAreReported(t *testing.T) {
	for name, c := range map[string]struct {
		db     *database
		adjust func(*Config)
		to     uint64
		wrong  func(*raftpb.Message)
	}{
		"short database":        {db: &database{left: 1000}, to: 2},
		"unreadable database":   {db: &database{left: 1 << 20, fail: errTest}, to: 2},
		"unknown member":        {db: &database{left: 5000}, to: 9},
		"receiver cannot store": {db: &database{left: 1 << 20}, to: 2, adjust: func(c *Config) { c.SnapshotDir.(*sink).fail = errTest }},
		"database over limit":   {db: &database{left: 300 << 20}, to: 2, adjust: func(c *Config) { c.SnapshotLimitBytes = 1 << 20 }}, // etcd#22145
		"message not for it":    {db: &database{left: 5000}, to: 2, wrong: func(m *raftpb.Message) { m.From = new(^uint64(0)) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				members, _ := simulated(t, 2, c.adjust)
				size := int64(max(5000, c.db.left))
				if name == "unreadable database" {
					size *= 2
				}
				m := snapshotTo(c.to, 5)
				if c.wrong != nil {
					c.wrong(m)
				}
				members[0].SendSnapshot(m, c.db, size)
				pass(time.Minute)
				if got := members[0].raft.reports(c.to); len(got) != 1 || got[0] {
					t.Errorf("reports %v", got)
				}
				if c.db.closed.Load() != 1 {
					t.Errorf("database closed %d times", c.db.closed.Load())
				}
				if n := len(members[1].raft.received()); n != 0 {
					t.Errorf("raft got %d messages", n)
				}
			})
		})
	}
}

func TestSnapshotOverABrokenOrSilentLinkFails(t *testing.T) {
	for name, disturb := range map[string]string{"broken": "break", "silent": "cut", "removed": "remove", "stopped": "stop"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				members, network := simulated(t, 2, nil)
				synctest.Wait()
				more := make(chan struct{})
				db := &database{left: 1 << 30, wait: more}
				members[0].SendSnapshot(snapshotTo(2, 5), db, 1<<30)
				for range 20 {
					more <- struct{}{}
				}
				switch disturb {
				case "break":
					network.Break("m1", "m2")
				case "cut":
					network.Cut("m1", "m2")
				case "remove":
					members[0].RemovePeer(2)
				case "stop":
					go members[0].Stop()
				}
				synctest.Wait()
				close(more)
				pass(20 * time.Second)
				if got := members[0].raft.reports(2); disturb != "stop" && (len(got) != 1 || got[0]) {
					t.Errorf("reports %v", got)
				}
				if db.closed.Load() != 1 {
					t.Errorf("database closed %d times", db.closed.Load())
				}
				if _, _, saved := members[1].sink.of(5); saved {
					t.Error("a part of a database was taken for the whole")
				}
			})
		})
	}
}

func TestSnapshotWithoutAnswerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, _ := simulated(t, 2, nil)
		members[1].raft.process = func(ctx context.Context, _ *raftpb.Message) error {
			<-ctx.Done()
			return ctx.Err()
		}
		members[0].SendSnapshot(snapshotTo(2, 5), &database{left: 5000}, 5000)
		pass(snapshotReplyTimeout - time.Second)
		if n := len(members[0].raft.reports(2)); n != 0 {
			t.Fatal("gave up too early")
		}
		pass(2 * time.Second)
		if got := members[0].raft.reports(2); len(got) != 1 || got[0] {
			t.Fatalf("reports %v", got)
		}
	})
}

func TestOnlySoManySnapshotsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, _ := simulated(t, 2, nil)
		more := make(chan struct{})
		var dbs []*database
		for i := range maxSnapshots + 1 {
			db := &database{left: 100, wait: more}
			dbs = append(dbs, db)
			members[0].SendSnapshot(snapshotTo(2, uint64(i)), db, 100)
		}
		synctest.Wait()
		if got := members[0].raft.reports(2); len(got) == 0 || got[0] {
			t.Fatalf("reports %v", got)
		}
		// The receiver has a lower limit of its own, since each takes disk space there.
		close(more)
		pass(time.Minute)
		if n := members[1].raft.count(raftpb.MsgSnap); n == 0 || n > maxSnapshots {
			t.Fatalf("%d snapshots arrived", n)
		}
		for i, db := range dbs {
			if db.closed.Load() != 1 {
				t.Errorf("database %d closed %d times", i, db.closed.Load())
			}
		}
	})
}

func TestSnapshotRefusedEarlyClosesTheDatabase(t *testing.T) {
	noLeaks(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "cluster ID mismatch", http.StatusPreconditionFailed)
	}))
	defer server.Close()
	raft, db := newFakeRaft(), &database{left: 1 << 30}
	tr := New(testConfig(1, raft, newSink(), nil))
	defer tr.Stop()
	tr.AddRemote(2, []string{server.URL})
	tr.SendSnapshot(snapshotTo(2, 5), db, 1<<30)
	eventually(t, "the failure is reported", func() bool { return len(raft.reports(2)) == 1 })
	if raft.reports(2)[0] || db.closed.Load() != 1 {
		t.Fatalf("reports %v, database closed %d times", raft.reports(2), db.closed.Load())
	}
}

func TestSnapshotIsNotSentAsAPlainMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, _ := simulated(t, 2, nil)
		members[0].Send([]*raftpb.Message{snapshotTo(2, 5)})
		synctest.Wait()
		if got := members[0].raft.reports(2); len(got) != 1 || got[0] || len(members[1].raft.received()) != 0 {
			t.Fatalf("reports %v", got)
		}
	})
}

func TestStopAbortsAReceivingSnapshot(t *testing.T) {
	members := loopback(t, 2, nil)
	more := make(chan struct{})
	db := &database{left: 1 << 20, wait: more}
	members[0].SendSnapshot(snapshotTo(2, 5), db, 1<<20)
	more <- struct{}{}
	eventually(t, "the receiver is at work", func() bool { return len(members[1].receiving) == 1 })
	before := time.Now()
	members[1].Stop()
	if took := time.Since(before); took > 4*time.Second { // less than any timeout there is
		t.Errorf("Stop took %v", took)
	}
	close(more)
	eventually(t, "the failure is reported", func() bool { return len(members[0].raft.reports(2)) == 1 })
	if members[0].raft.reports(2)[0] {
		t.Error("reported as sent")
	}
}
