package member

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
)

func TestWhatIsUnderWayIsBounded(t *testing.T) {
	for _, ending := range []struct {
		name string
		end  func(*waitlist, uint64)
	}{
		{"taken", func(l *waitlist, id uint64) { l.take(id) }},
		{"abandoned", func(l *waitlist, id uint64) { l.abandon(id) }},
		{"swept", func(l *waitlist, _ uint64) { l.sweep(farAway().Add(time.Hour)) }},
	} {
		t.Run(ending.name, func(t *testing.T) {
			w := NewWithT(t)
			l := newWaitlist(time.Second)
			for id := range uint64(maxUnderWay) {
				w.Expect(l.add(id, farAway(), 1, false) != nil).To(BeTrue())
			}
			w.Expect(l.add(maxUnderWay, farAway(), 1, false)).To(BeNil(), "in number")
			w.Expect(l.add(maxUnderWay, farAway(), 1, true)).NotTo(BeNil(), "but for what makes room")
			for id := range uint64(2) {
				ending.end(l, id)
			}
			w.Expect(l.add(maxUnderWay+1, farAway(), 1, false)).NotTo(BeNil(), "for each that ends, one gets in")

			l = newWaitlist(time.Second)
			w.Expect(l.add(0, farAway(), maxUnderWayBytes, false)).NotTo(BeNil())
			w.Expect(l.add(1, farAway(), 1, false)).To(BeNil(), "in bytes")
			w.Expect(l.add(1, farAway(), maxUnderWayBytes, true)).NotTo(BeNil())
			w.Expect(l.add(2, farAway(), 1, true)).To(BeNil())
			ending.end(l, 0)
			ending.end(l, 1)
			w.Expect(l.underWay.requests.Load()).To(BeZero())
			w.Expect(l.underWay.bytes.Load()).To(BeZero())
		})
	}
}

// etcd#16287: the lag at which requests are refused is a setting, and what makes room is refused later.
func TestRequestsAreRefusedWhenApplyingIsBehind(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	cfg.Limits.MaxApplyLag = 10
	cfg.Raft.ElectionTimeout = 20 * time.Second // requests wait in vain for so much longer
	m := beginReady(t, cfg)
	m.speaks(t, "3.7.0")
	w.Expect(m.do(t, &pb.InternalRaftRequest{LeaseGrant: &pb.LeaseGrantRequest{ID: 7, TTL: 1000}})).To(Succeed())
	m.applyMu.Lock() // nothing is applied any more
	locked := true
	defer func() {
		if locked {
			m.applyMu.Unlock()
		}
	}()
	results := make(chan error, 100)
	sent := 0
	refused := false
	for range 50 {
		sent++
		go func() { results <- m.do(t, putOf("k", 1)) }()
		w.Eventually(func() bool { return m.node.Commit() >= m.applied.index()+uint64(sent) || len(results) > 0 }, "30s").Should(BeTrue())
		if refused = len(results) > 0; refused {
			break
		}
	}
	w.Expect(refused).To(BeTrue())
	w.Expect(<-results).To(MatchError(ErrTooManyRequests))
	w.Expect(sent).To(BeNumerically("~", cfg.Limits.MaxApplyLag+2, 2))

	revoked := make(chan error, 1)
	go func() { revoked <- m.do(t, &pb.InternalRaftRequest{LeaseRevoke: &pb.LeaseRevokeRequest{ID: 7}}) }()
	w.Eventually(func() uint64 { return m.node.Commit() - m.applied.index() }, "30s").Should(BeNumerically(">=", sent))
	w.Expect(revoked).NotTo(Receive(), "it is in the log")
	m.applyMu.Unlock()
	locked = false
	w.Eventually(revoked, "30s").Should(Receive(BeNil()))
	for range sent - 1 {
		w.Eventually(results, "30s").Should(Receive(BeNil()))
	}
}

// Under as many writes as there can be, a read and the end of a lease wait for what is under way, not for the end of writes.
// What is counted is how many writes get through meanwhile, which does not depend on how fast the machine is.
func TestWritesStarveNobody(t *testing.T) {
	t.Run("alone", func(t *testing.T) { starveNobody(t, beginReady(t, alone(t))) })
	t.Run("through a follower", func(t *testing.T) {
		c := newTrio(t, longReign)
		c.start(t, 0, 1, 2)
		starveNobody(t, c.members[(c.awaitLeader(t)+1)%3])
	})
}

func starveNobody(t *testing.T, m *Member) {
	const writers, tries = 64, 31
	w := NewWithT(t)
	for id := range int64(tries) {
		w.Expect(m.do(t, &pb.InternalRaftRequest{LeaseGrant: &pb.LeaseGrantRequest{ID: id + 1, TTL: 1000}})).To(Succeed())
	}
	var written atomic.Int64
	stop := make(chan struct{})
	ended := make(chan error, writers)
	for i := range writers {
		go func() {
			for {
				select {
				case <-stop:
					ended <- nil
					return
				default:
				}
				if err := m.do(t, putOf(fmt.Sprint("k", i), 100)); err != nil && !errors.Is(err, ErrTooManyRequests) {
					ended <- err
					return
				}
				written.Add(1)
			}
		}()
	}
	during := func(f func(i int) error) (median int64) {
		var counts []int64
		for i := range tries {
			before := written.Load()
			w.Expect(f(i)).To(Succeed())
			counts = append(counts, written.Load()-before)
		}
		slices.Sort(counts)
		return counts[len(counts)/2]
	}
	w.Eventually(written.Load, "30s").Should(BeNumerically(">", 10*writers))
	reads := during(func(int) error { return m.ReadIndex(t.Context()) })
	revokes := during(func(i int) error {
		return m.do(t, &pb.InternalRaftRequest{LeaseRevoke: &pb.LeaseRevokeRequest{ID: int64(i + 1)}})
	})
	close(stop)
	for range writers {
		w.Expect(<-ended).To(Succeed())
	}
	t.Logf("writes during a read: %d, during a revoke: %d", reads, revokes)
	w.Expect(reads).To(BeNumerically("<=", 16*writers))
	w.Expect(revokes).To(BeNumerically("<=", 16*writers))
}
