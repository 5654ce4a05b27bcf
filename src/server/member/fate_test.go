package member

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"

	"quoin.dev/server/apply"
	"quoin.dev/storage/mvcc"
)

func TestFateOfProposalsAtAChangeOfLeader(t *testing.T) {
	const patience = time.Second
	for name, c := range map[string]struct {
		term     uint64 // 0: raft does not have it
		logged   bool
		snapshot bool // brought the new term
		lost     bool
		ended    bool
	}{
		"not taken": {},
		"in the log of this member, of the present":  {term: 5, logged: true},
		"in the log of this member, of a former":     {term: 4, logged: true, lost: true},
		"the same, and a snapshot may have it":       {term: 4, logged: true, snapshot: true, ended: true},
		"sent to the present leader":                 {term: 5},
		"sent to a former leader":                    {term: 4, ended: true},
		"sent to a former leader, before a snapshot": {term: 4, snapshot: true, ended: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			l := newWaitlist(patience)
			l.reached(4)
			waiter := l.add(7, farAway(), 10, false)
			if c.term != 0 {
				waiter.Taken(c.term, c.logged)
			}
			w.Expect(l.sweep(time.Now().Add(time.Minute))).To(BeEmpty(), "there is no other leader yet")
			w.Expect(waiter.Gone()).To(BeFalse())
			if c.snapshot {
				l.skipped()
			}
			l.reached(5)
			l.reached(4) // has no effect: terms only grow
			lost := l.sweep(time.Now())
			w.Expect(waiter.Gone()).To(BeFalse(), "what was sent may still arrive")
			if c.lost {
				w.Expect(lost).To(ConsistOf(waiter))
			} else {
				w.Expect(lost).To(BeEmpty())
			}
			w.Expect(l.sweep(time.Now().Add(2*patience))).To(BeEmpty(), "it is proposed again once")
			if c.ended {
				w.Expect(waiter.done).To(Receive(Equal(outcome{overtaken: true})))
				w.Expect(l.find(7)).To(BeNil())
				w.Expect(l.underWay.requests.Load()).To(BeZero())
			} else {
				w.Expect(waiter.done).NotTo(Receive())
				w.Expect(l.find(7)).To(BeIdenticalTo(waiter))
			}
		})
	}
}

// proposed is the end of a put that goes on by itself.
func (m *Member) proposed(t *testing.T, key string) <-chan error {
	end := make(chan error, 1)
	ctx := soonCtx(t)
	go func() {
		_, err := m.Propose(ctx, &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte(key), Value: []byte("x")}})
		end <- err
	}()
	return end
}

// version is how often a key was put since it is there.
func (m *Member) version(t *testing.T, key string) int64 {
	t.Helper()
	var kv mvccpb.KeyValue
	err := m.View(func(s *apply.State) error {
		_, err := s.KV.Range(context.Background(), []byte(key), nil, mvcc.RangeOptions{}, kv.UnmarshalVT)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return kv.Version
}

// A leader that is cut off puts requests into its log. They are not committed by the next one, and must not wait for their
// timeout: this member proposes them again.
func TestRequestsOfADeposedLeaderAreProposedAgain(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	old := c.awaitLeader(t)
	c.isolate(old)
	end := c.members[old].proposed(t, "a")
	other := c.members[(old+1)%3]
	w.Eventually(func() int64 { return other.tryPut(t, "b", time.Second) }, soon).ShouldNot(BeZero())
	c.heal()
	w.Eventually(end, soon).Should(Receive(BeNil()), "after its timeout it would be an error")
	w.Expect(other.ReadIndex(t.Context())).To(Succeed())
	w.Expect(other.version(t, "a")).To(Equal(int64(1)), "it was applied once")
}

// A request that was sent to a leader which leads no more is answered soon after the next election.
func TestRequestsThatAFormerLeaderHasAreAnswered(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	leader, m := c.leading(t)
	id := m.ids.next()
	waiter := m.waits.add(id, farAway(), 10, false)
	waiter.Taken(m.node.Term(), false) // and it is never heard of again
	w.Expect(leader.MoveLeader(soonCtx(t), m.id)).To(Succeed())
	_, err := m.await(context.Background(), pending{id: id, w: waiter, start: time.Now()})
	w.Expect(err).To(MatchError(ErrTimeoutLeaderFail))
}
