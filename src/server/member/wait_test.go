package member

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestWaiterIsTakenOnce(t *testing.T) {
	w := NewWithT(t)
	l := newWaitlist(time.Second)
	waiter := l.add(7, time.Now().Add(time.Hour), 10, false)
	w.Expect(l.take(8)).To(BeNil())
	w.Expect(l.take(7+waitShards)).To(BeNil(), "another id of the same shard")
	w.Expect(l.take(7)).To(BeIdenticalTo(waiter))
	w.Expect(l.take(7)).To(BeNil())
	w.Expect(waiter.Gone()).To(BeFalse())
}

func TestAbandonedWaiterIsGone(t *testing.T) {
	w := NewWithT(t)
	l := newWaitlist(time.Second)
	waiter := l.add(7, time.Now().Add(time.Hour), 10, false)
	l.abandon(7)
	w.Expect(waiter.Gone()).To(BeTrue())
	w.Expect(l.take(7)).To(BeNil(), "whose result would nobody read")
	l.abandon(7) // twice, or for nobody, is nothing
	w.Expect(waiter.done).NotTo(Receive())
}

func TestSweepEndsWhatIsOverdue(t *testing.T) {
	w := NewWithT(t)
	l := newWaitlist(time.Second)
	start := time.Now()
	var due, later []*waiter
	for id := range uint64(3 * waitShards) {
		due = append(due, l.add(2*id, start.Add(time.Second), 10, false))
		later = append(later, l.add(2*id+1, start.Add(time.Minute), 10, false))
	}
	l.sweep(start.Add(time.Second))
	w.Expect(l.take(0)).NotTo(BeNil(), "the deadline itself is not over")
	l.sweep(start.Add(2 * time.Second))
	for i := range due {
		if i > 0 {
			w.Expect(due[i].done).To(Receive(Equal(outcome{timedOut: true})))
			w.Expect(due[i].Gone()).To(BeTrue(), "so that raft drops a proposal that it has not taken yet")
		}
		w.Expect(later[i].done).NotTo(Receive())
	}
	l.sweep(start.Add(time.Hour))
	for _, waiter := range later {
		w.Expect(waiter.done).To(Receive(Equal(outcome{timedOut: true})))
	}
}

// TestWaitersHearExactlyOnce lets the applier, the sweeper and the caller race for every id.
func TestWaitersHearExactlyOnce(t *testing.T) {
	w := NewWithT(t)
	l := newWaitlist(time.Second)
	const ids = 3000
	start := time.Now()
	waiters := make([]*waiter, ids)
	for id := range waiters {
		waiters[id] = l.add(uint64(id), start, 10, false)
	}
	var applied atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		for id := range waiters {
			if waiter := l.take(uint64(id)); waiter != nil {
				applied.Add(1)
				waiter.done <- outcome{} // blocks for ever if somebody was told before
			}
		}
	})
	all.Go(func() {
		for range 20 {
			l.sweep(start.Add(time.Second))
		}
	})
	all.Go(func() {
		for id := range waiters {
			if id%3 == 0 {
				l.abandon(uint64(ids - 1 - id))
			}
		}
	})
	all.Wait()
	told, gone := 0, 0
	for _, waiter := range waiters {
		heard := len(waiter.done) == 1
		if heard {
			told++
		} else {
			w.Expect(waiter.Gone()).To(BeTrue(), "who was not told has left")
			gone++
		}
	}
	w.Expect(told + gone).To(Equal(ids))
	w.Expect(told).To(BeNumerically(">=", applied.Load()))
}
