package member

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
)

func TestApplyWatchCallsWhenItIsTime(t *testing.T) {
	w := NewWithT(t)
	var watch applyWatch
	watch.advance(3)
	var called []uint64
	for _, index := range []uint64{9, 5, 3, 4, 5, 1} {
		watch.after(index, func() { called = append(called, index) })
	}
	w.Expect(called).To(Equal([]uint64{3, 1}), "what is applied already")
	watch.advance(4)
	watch.advance(5)
	w.Expect(called).To(Equal([]uint64{3, 1, 4, 5, 5}))
	watch.advance(100)
	w.Expect(called).To(Equal([]uint64{3, 1, 4, 5, 5, 9}))
	w.Expect(watch.index()).To(BeEquivalentTo(100))
}

// A callback may ask for another one.
func TestApplyWatchHoldsNoLockAcrossCallbacks(t *testing.T) {
	w := NewWithT(t)
	var watch applyWatch
	nested := 0
	watch.after(1, func() { watch.after(1, func() { nested++ }); watch.after(2, func() { nested++ }) })
	watch.advance(1)
	watch.advance(2)
	w.Expect(nested).To(Equal(2))
}

func TestApplyWatchForgetsNobody(t *testing.T) {
	w := NewWithT(t)
	var watch applyWatch
	var early, called atomic.Int64
	var all sync.WaitGroup
	const last, each = 2000, 500
	for range 4 {
		all.Go(func() {
			for range each {
				index := rand.Uint64N(last) + 1
				watch.after(index, func() {
					if watch.index() < index {
						early.Add(1)
					}
					called.Add(1)
				})
			}
		})
	}
	for index := range uint64(last) {
		watch.advance(index + 1)
	}
	all.Wait()
	w.Expect(early.Load()).To(BeZero())
	w.Expect(called.Load()).To(BeEquivalentTo(4 * each))
}
