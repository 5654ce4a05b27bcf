package member

import (
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestRequestIDsHaveTheFormOfEtcd(t *testing.T) {
	w := NewWithT(t)
	start := time.UnixMilli(0x123_4567_89ab) // 41 bits: the uppermost is cut off
	ids := newRequestIDs(0xfedc_ba98_7654_3210, start)
	w.Expect(ids.next()).To(Equal(uint64(0x3210_2345_6789_ab01)))
	w.Expect(ids.next()).To(Equal(uint64(0x3210_2345_6789_ab02)))
	for range 0xff {
		ids.next()
	}
	w.Expect(ids.next()).To(Equal(uint64(0x3210_2345_6789_ac02)), "the counter carries into the time")
}

func TestRequestIDsStayBelowTheMember(t *testing.T) {
	w := NewWithT(t)
	ids := newRequestIDs(5, time.UnixMilli(1<<40-1))
	for range 0x200 { // beyond the end of time, which is in the year 2004 and every 35 years
		w.Expect(ids.next() >> 48).To(Equal(uint64(5)))
	}
}

func TestRequestIDsDoNotRepeat(t *testing.T) {
	w := NewWithT(t)
	start := time.Now()
	const each = 5000
	made := map[uint64]bool{}
	collect := func(ids *requestIDs) (largest uint64) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range each {
					id := ids.next()
					mu.Lock()
					made[id] = true
					largest = max(largest, id)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		return largest
	}
	before := collect(newRequestIDs(1, start))
	collect(newRequestIDs(2, start))
	again := newRequestIDs(1, start.Add(time.Second))
	w.Expect(again.next()).To(BeNumerically(">", before), "after a restart ids go on above")
	collect(again)
	w.Expect(made).To(HaveLen(3 * 4 * each))
}
