package raftnode

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// disk is a WAL that knows what was synced, and can be told to fail or to wait.
type disk struct {
	mu       sync.Mutex
	written  []*raftpb.Entry
	synced   int // entries of written that a crash would leave
	syncs    int
	failSync error
	gate     chan struct{} // if set, Sync takes a token from it
}

func (d *disk) Append(_ *raftpb.HardState, entries []*raftpb.Entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written = append(d.written, entries...)
	return nil
}

func (d *disk) Sync() error {
	if d.gate != nil {
		<-d.gate
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failSync != nil {
		return d.failSync
	}
	d.synced = len(d.written)
	d.syncs++
	return nil
}

// hang lets no Sync begin any more, until there are tokens again.
func (d *disk) hang() {
	for {
		select {
		case <-d.gate:
		default:
			return
		}
	}
}

// log records what a member applied.
type log struct {
	mu      sync.Mutex
	applied []string
	changes []uint64 // ids of the changes of membership
	disk    *disk
	early   bool // an entry was applied that this member had not synced
}

func (l *log) Apply(entries []*raftpb.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		l.disk.mu.Lock()
		l.early = l.early || int(e.GetIndex()) > l.disk.synced
		l.disk.mu.Unlock()
		if e.GetType() == raftpb.EntryNormal && len(e.GetData()) > 0 {
			l.applied = append(l.applied, string(e.GetData()))
		}
	}
}

func (l *log) Install(*raftpb.Snapshot) {}

func (l *log) changed(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, id)
}

func (l *log) changeList() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]uint64(nil), l.changes...)
}

func (l *log) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.applied...)
}

// group is a set of nodes in one process whose messages can be cut.
type group struct {
	nodes map[uint64]*Node
	logs  map[uint64]*log
	disks map[uint64]*disk
	fatal chan error
	mu    sync.Mutex
	cut   map[uint64]bool
}

// confLog applies configuration changes to raft, as a member does.
type confLog struct {
	*log
	node func() *Node
}

func (l confLog) Apply(entries []*raftpb.Entry) {
	for _, e := range entries {
		if e.GetType() == raftpb.EntryConfChange {
			change := new(raftpb.ConfChange)
			if err := proto.Unmarshal(e.GetData(), change); err != nil {
				panic(err)
			}
			l.node().ApplyConfChange(change)
			if change.GetType() == raftpb.ConfChangeUpdateNode {
				l.changed(change.GetId())
			}
		}
	}
	l.log.Apply(entries)
}

// newHung starts a node that leads alone, and whose disk hangs from then on.
func newHung(t *testing.T) (*group, *disk) {
	t.Helper()
	g := newGroup(t, 1, func(d *disk) { d.gate = make(chan struct{}, 10_000) })
	d := g.disks[1]
	for range 3 {
		d.gate <- struct{}{} // founding, electing itself, its first entry
	}
	g.nodes[1].Campaign()
	NewWithT(t).Eventually(g.leader, "10s").ShouldNot(BeZero())
	d.hang()
	return g, d
}

// newGroup starts nodes whose election timeout is short. The caller is in a bubble: there a machine that is slow does not make
// them elect, which would lose proposals.
func newGroup(t *testing.T, size int, prepare func(*disk)) *group {
	t.Helper()
	g := &group{nodes: map[uint64]*Node{}, logs: map[uint64]*log{}, disks: map[uint64]*disk{}, fatal: make(chan error, size), cut: map[uint64]bool{}}
	var peers []raft.Peer
	for id := range size {
		peers = append(peers, raft.Peer{ID: uint64(id + 1)})
	}
	ready := make(chan struct{})
	for _, p := range peers {
		d := &disk{}
		if prepare != nil {
			prepare(d)
		}
		g.disks[p.ID], g.logs[p.ID] = d, &log{disk: d}
		n, err := New(Config{
			ID: p.ID, TickInterval: 10 * time.Millisecond, ElectionTicks: 10, PreVote: true,
			Storage: raft.NewMemoryStorage(), Bootstrap: peers, WAL: d,
			Machine:       confLog{g.logs[p.ID], func() *Node { <-ready; return g.nodes[p.ID] }},
			SaveSnapshot:  func(*raftpb.Snapshot) error { return nil },
			Send:          func(m []*raftpb.Message) { <-ready; g.deliver(p.ID, m) },
			SendSnapshot:  func(*raftpb.Message) {},
			LeaderChanged: func(uint64, uint64) {},
			ReadReady:     func(raft.ReadState) {},
			Fatal:         func(err error) { g.fatal <- err },
			Logger:        zap.NewNop(),
		})
		if err != nil {
			t.Fatal(err)
		}
		g.nodes[p.ID] = n
	}
	close(ready)
	for _, n := range g.nodes {
		n.Run()
	}
	t.Cleanup(func() {
		for _, d := range g.disks {
			if d.gate != nil {
				close(d.gate)
			}
		}
		for _, n := range g.nodes {
			n.Stop()
		}
	})
	return g
}

func (g *group) deliver(from uint64, messages []*raftpb.Message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range messages {
		if n := g.nodes[m.GetTo()]; n != nil && !g.cut[from] && !g.cut[m.GetTo()] {
			n.Step(m)
		}
	}
}

func (g *group) leader() uint64 {
	for id, n := range g.nodes {
		if n.Leader() == id {
			return id
		}
	}
	return 0
}

func TestProposalsReachEveryMemberInOneOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := newGroup(t, 3, nil)
		w.Eventually(g.leader, "10s").ShouldNot(BeZero())
		var want []string
		for i := range 200 {
			data := fmt.Sprint("p", i)
			want = append(want, data)
			w.Expect(g.nodes[uint64(i%3+1)].Propose(Proposal{Data: []byte(data)})).To(Succeed())
		}
		w.Eventually(func() []string { return g.logs[1].list() }, "10s").Should(ConsistOf(want))
		for id := uint64(2); id <= 3; id++ {
			w.Eventually(func() []string { return g.logs[id].list() }, "10s").Should(Equal(g.logs[1].list()))
		}
		for _, l := range g.logs {
			w.Expect(l.early).To(BeFalse(), "a member applied what its own disk did not have")
		}
	})
}

// etcd#14370: with one member there is nobody else to wait for, and it acknowledged before its own disk had the entry.
func TestOneMemberWaitsForItsDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g, d := newHung(t)
		w.Expect(g.nodes[1].Propose(Proposal{Data: []byte("x")})).To(Succeed())
		w.Consistently(func() []string { return g.logs[1].list() }, "200ms").Should(BeEmpty())
		for range 10 {
			d.gate <- struct{}{}
		}
		w.Eventually(func() []string { return g.logs[1].list() }, "10s").Should(Equal([]string{"x"}))
	})
}

func TestManyProposalsShareOneSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g, d := newHung(t)
		for i := range 500 {
			w.Expect(g.nodes[1].Propose(Proposal{Data: []byte(fmt.Sprint(i))})).To(Succeed())
		}
		g.nodes[1].Status() // comes behind them, so the core has seen them all
		d.mu.Lock()
		before := d.syncs
		d.mu.Unlock()
		for range 1000 {
			d.gate <- struct{}{}
		}
		w.Eventually(func() int { return len(g.logs[1].list()) }, "10s").Should(Equal(500))
		d.mu.Lock()
		defer d.mu.Unlock()
		w.Expect(d.syncs - before).To(BeNumerically("<", 50))
	})
}

func TestFailedSyncStopsBeforeAcknowledging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := newGroup(t, 1, nil)
		g.nodes[1].Campaign()
		w.Eventually(g.leader, "10s").ShouldNot(BeZero())
		g.disks[1].mu.Lock()
		g.disks[1].failSync = errors.New("the disk is gone")
		g.disks[1].mu.Unlock()
		w.Expect(g.nodes[1].Propose(Proposal{Data: []byte("x")})).To(Succeed())
		w.Eventually(g.fatal, "10s").Should(Receive(MatchError(ContainSubstring("the disk is gone"))))
		w.Consistently(func() []string { return g.logs[1].list() }, "200ms").Should(BeEmpty())
	})
}

// patience is an owner that waits until it is told not to.
type patience struct {
	mu   sync.Mutex
	over bool
}

func (p *patience) Gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

func (*patience) Taken(uint64, bool) {}

func TestProposalsWithoutALeaderWaitOrAreWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := newGroup(t, 3, nil)
		w.Eventually(g.leader, "10s").ShouldNot(BeZero())
		g.mu.Lock()
		g.cut[1] = true
		g.mu.Unlock()
		w.Eventually(g.nodes[1].Leader, "10s").Should(BeZero())
		impatient := &patience{}
		w.Expect(g.nodes[1].Propose(Proposal{Data: []byte("withdrawn"), Owner: impatient})).To(Succeed())
		w.Expect(g.nodes[1].Propose(Proposal{Data: []byte("kept"), Owner: &patience{}})).To(Succeed())
		impatient.mu.Lock()
		impatient.over = true
		impatient.mu.Unlock()
		g.nodes[1].Status() // the core has seen both
		g.mu.Lock()
		g.cut[1] = false
		g.mu.Unlock()
		for id := range g.nodes {
			w.Eventually(func() []string { return g.logs[id].list() }, "10s").Should(ContainElement("kept"))
			w.Expect(g.logs[id].list()).NotTo(ContainElement("withdrawn"))
		}
	})
}

func TestInboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g := newGroup(t, 3, nil)
		g.mu.Lock()
		for id := range g.nodes {
			g.cut[id] = true
		}
		g.mu.Unlock()
		w.Eventually(func() uint64 { return g.nodes[1].Leader() }, "10s").Should(BeZero())
		for range maxPendingProposals {
			if err := g.nodes[1].Propose(Proposal{Data: []byte("x")}); err != nil {
				w.Expect(err).To(MatchError(ErrTooManyProposals))
				return
			}
		}
		w.Expect(g.nodes[1].Propose(Proposal{Data: []byte("x")})).To(MatchError(ErrTooManyProposals))
	})
}

// A disk that hangs, as one that syncs for minutes, must not fill the memory with what waits for it.
func TestAHangingDiskBoundsWhatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		g, d := newHung(t)
		data := make([]byte, 1<<20)
		const most = (maxUncommittedBytes+maxPendingProposalBytes)>>20 + 1
		taken := 0
		for taken <= most {
			if err := g.nodes[1].Propose(Proposal{Data: data}); err != nil {
				w.Expect(err).To(MatchError(ErrTooManyProposals))
				break
			}
			taken++
			g.nodes[1].Status() // the core has seen it
		}
		w.Expect(taken).To(BeNumerically("<=", most))
		for range 900 {
			d.gate <- struct{}{}
		}
		w.Eventually(func() int { return len(g.logs[1].list()) }, "60s").Should(Equal(taken))
	})
}
