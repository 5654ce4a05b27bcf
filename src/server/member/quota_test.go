package member

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/config"
)

// do sends one request through the log and returns how it ended.
func (m *Member) do(t testing.TB, r *pb.InternalRaftRequest) error {
	t.Helper()
	_, err := m.Propose(t.Context(), r)
	return err
}

func putOf(key string, bytes int) *pb.InternalRaftRequest {
	return &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte(key), Value: []byte(strings.Repeat("x", bytes))}}
}

func (m *Member) raised(t testing.TB) (list []string) {
	t.Helper()
	for _, a := range m.Status().Alarms {
		list = append(list, fmt.Sprintf("%x %s", a.MemberID, a.Alarm))
	}
	return list
}

func (m *Member) disarm(t testing.TB, a pb.AlarmType) {
	t.Helper()
	r := &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: m.id, Alarm: a}
	if err := m.do(t, &pb.InternalRaftRequest{Alarm: r}); err != nil {
		t.Fatal(err)
	}
}

const smallQuota = 512 << 10

func TestFullDatabaseRefusesWhatGrowsIt(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	cfg.Storage.QuotaBytes = smallQuota
	m := beginReady(t, cfg)
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = m.do(t, putOf(fmt.Sprint("k", n), 16<<10))
	}
	w.Expect(err).To(MatchError(apply.ErrNoSpace))
	w.Expect(n).To(BeNumerically(">", 10), "there was room for these")
	full := fmt.Sprintf("%x NOSPACE", m.id)
	w.Eventually(func() []string { return m.raised(t) }, "30s").Should(Equal([]string{full}))

	check := func() {
		t.Helper()
		// A put that is small enough for what is left is refused, too: all members agree on the alarm, not on a size.
		w.Expect(m.do(t, putOf("small", 1))).To(MatchError(apply.ErrNoSpace))
		w.Expect(m.do(t, &pb.InternalRaftRequest{LeaseGrant: &pb.LeaseGrantRequest{ID: 5, TTL: 100}})).To(MatchError(apply.ErrNoSpace))
		nested := &pb.TxnRequest{Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{
			Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("x")}}}}}}}}}
		w.Expect(m.do(t, &pb.InternalRaftRequest{Txn: nested})).To(MatchError(apply.ErrNoSpace), "etcd#22139")
		w.Expect(m.ReadIndex(t.Context())).To(Succeed())
		w.Expect(m.get(t, "k0")).NotTo(BeEmpty())
		w.Expect(m.do(t, &pb.InternalRaftRequest{DeleteRange: &pb.DeleteRangeRequest{Key: []byte("k1")}})).To(Succeed())
	}
	check()
	m.Stop()
	m = beginReady(t, cfg)
	w.Expect(m.raised(t)).To(Equal([]string{full}), "after a restart")
	check()
	w.Expect(m.do(t, &pb.InternalRaftRequest{Compaction: &pb.CompactionRequest{Revision: 10}})).To(Succeed())

	// The alarm comes back for as long as there is no room.
	m.disarm(t, pb.AlarmType_NOSPACE)
	w.Expect(m.raised(t)).To(BeEmpty())
	w.Expect(m.do(t, putOf("large", smallQuota))).To(MatchError(apply.ErrNoSpace))
	w.Eventually(func() []string { return m.raised(t) }, "30s").Should(Equal([]string{full}))
	m.Stop()

	cfg.Storage.QuotaBytes = -1
	m = beginReady(t, cfg)
	m.disarm(t, pb.AlarmType_NOSPACE)
	w.Expect(m.do(t, putOf("large", smallQuota))).To(Succeed(), "a negative quota is none")
}

// Requests that come at once all see room. What does not fit any more is applied like on every other member, and the
// alarm comes then.
func TestQuotaIsHeldAgainstWhatIsApplied(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	cfg.Storage.QuotaBytes = smallQuota
	m := beginReady(t, cfg)
	var puts sync.WaitGroup
	for i := range 64 {
		puts.Go(func() {
			if err := m.do(t, putOf(fmt.Sprint("k", i), 32<<10)); err != nil && !errors.Is(err, apply.ErrNoSpace) {
				t.Error(err)
			}
		})
	}
	puts.Wait()
	w.Eventually(func() []string { return m.raised(t) }, "30s").Should(HaveLen(1))
	w.Expect(m.do(t, putOf("small", 1))).To(MatchError(apply.ErrNoSpace))
}

// The member with the smallest quota stops all of them, whichever member is asked, and a snapshot carries the alarm.
func TestSmallestQuotaStopsTheCluster(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, func(cfg *config.Config) { cfg.Raft.SnapshotCount, cfg.Raft.SnapshotCatchupEntries = 20, 5 })
	c.cfgs[0].Storage.QuotaBytes = smallQuota
	c.start(t, 0, 1, 2)
	c.stop(2)
	c.awaitLeader(t)
	w.Expect(c.members[1].do(t, putOf("large", smallQuota))).To(Succeed())
	full := []string{fmt.Sprintf("%x NOSPACE", c.members[0].id)}
	w.Eventually(func() []string { return c.members[1].raised(t) }, "30s").Should(Equal(full))
	for range 50 {
		w.Expect(c.members[1].do(t, putOf("small", 1))).To(MatchError(apply.ErrNoSpace))
	}
	w.Eventually(func() uint64 { return c.members[c.awaitLeader(t)].snapshots.last.Load() }, "30s").Should(BeNumerically(">", 20))
	c.start(t, 2)
	w.Expect(c.members[2].ReadIndex(t.Context())).To(Succeed())
	w.Expect(c.members[2].raised(t)).To(Equal(full))
	w.Expect(c.members[2].do(t, putOf("small", 1))).To(MatchError(apply.ErrNoSpace))
}
