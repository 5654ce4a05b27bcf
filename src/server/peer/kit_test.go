package peer

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"go.etcd.io/raft/v3/raftpb"
)

const testCluster = 0xe2efc7004ea73e06

func httpHeader(pairs map[string]string) http.Header {
	h := http.Header{}
	for k, v := range pairs {
		h.Set(k, v)
	}
	return h
}

// fakeRaft records what the transport tells it.
type fakeRaft struct {
	process func(context.Context, *raftpb.Message) error // nil = record only

	mu          sync.Mutex
	messages    []*raftpb.Message
	unreachable map[uint64]int
	snapshots   map[uint64][]bool
	removed     map[uint64]bool
	gone        map[uint64]int
	unsent      []*raftpb.Message
}

func newFakeRaft() *fakeRaft {
	return &fakeRaft{unreachable: map[uint64]int{}, snapshots: map[uint64][]bool{}, removed: map[uint64]bool{}, gone: map[uint64]int{}}
}

func (r *fakeRaft) Process(ctx context.Context, m *raftpb.Message) error {
	if r.process != nil {
		if err := r.process(ctx, m); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, m)
	return nil
}

func (r *fakeRaft) IsRemoved(id uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.removed[id]
}

func (r *fakeRaft) ReportUnreachable(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unreachable[id]++
}

func (r *fakeRaft) ReportUnsent(m *raftpb.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsent = append(r.unsent, m)
}

func (r *fakeRaft) unsentProposals() []*raftpb.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*raftpb.Message(nil), r.unsent...)
}

func (r *fakeRaft) ReportSnapshot(id uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshots[id] = append(r.snapshots[id], ok)
}

func (r *fakeRaft) ReportGone(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone[id]++
}

func (r *fakeRaft) goneReports(id uint64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone[id]
}

func (r *fakeRaft) received() []*raftpb.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*raftpb.Message(nil), r.messages...)
}

// count is how many messages of a type have been received.
func (r *fakeRaft) count(t raftpb.MessageType) int {
	n := 0
	for _, m := range r.received() {
		if m.GetType() == t {
			n++
		}
	}
	return n
}

func (r *fakeRaft) lost(id uint64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unreachable[id]
}

func (r *fakeRaft) reports(id uint64) []bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]bool(nil), r.snapshots[id]...)
}

func (r *fakeRaft) remove(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removed[id] = true
}

// sink is a SnapshotDir that checks and discards.
type sink struct {
	mu    sync.Mutex
	saved map[uint64]int64
	sum   map[uint64]uint32
	fail  error
}

func (s *sink) SaveDB(r io.Reader, index uint64) (int64, error) {
	if s.fail != nil {
		return 0, s.fail
	}
	var n int64
	var sum uint32
	buf := make([]byte, 64<<10)
	for {
		k, err := r.Read(buf)
		n += int64(k)
		sum = crc32.Update(sum, crc32.IEEETable, buf[:k])
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved[index], s.sum[index] = n, sum
	return n, nil
}

func newSink() *sink { return &sink{saved: map[uint64]int64{}, sum: map[uint64]uint32{}} }

func (s *sink) of(index uint64) (int64, uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.saved[index]
	return n, s.sum[index], ok
}

// member is a transport with its server and the fakes around it.
type member struct {
	*Transport
	raft   *fakeRaft
	sink   *sink
	url    string
	server *http.Server
}

func testConfig(id uint64, r Raft, s SnapshotDir, log *zap.Logger) Config {
	return Config{
		LocalID: id, ClusterID: testCluster, PeerURLs: []string{"http://127.0.0.1:1"},
		Version: "3.7.3", MinVersion: "3.0.0", Raft: r, SnapshotDir: s, Logger: log,
	}
}

// quiet keeps the log of a failed test only.
func quiet(t testing.TB) *zap.Logger {
	if _, ok := t.(*testing.B); ok {
		return zap.NewNop()
	}
	return zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func heartbeat(from, to, commit uint64) *raftpb.Message {
	return &raftpb.Message{
		Type: new(raftpb.MsgHeartbeat), From: new(from), To: new(to), Term: new(uint64(2)), Commit: new(commit),
	}
}

func appTo(from, to, index uint64, n int) *raftpb.Message {
	m := app(2, 2, index, n)
	m.From, m.To = new(from), new(to)
	return m
}

var errTest = errors.New("test failure")

// pass lets simulated time go by; the caller is in a bubble, so it takes none.
func pass(d time.Duration) { time.Sleep(d) }
