package peer

import (
	"sync"
	"sync/atomic"
	"time"

	"quoin.dev/pkg/meter"
)

// Meter is an Observer that counts, apart for each other member. The zero value works.
type Meter struct{ links sync.Map } // *Link by id

// Link is what was counted about one other member, for as long as the process runs.
type Link struct {
	SentBytes, ReceivedBytes      meter.Counter
	SendFailures, ReceiveFailures meter.Counter
	RoundTrip                     *meter.Histogram
	Up                            atomic.Bool
	Losses                        meter.Counter // times that the link went down
	SnapshotsSent, SnapshotsTaken Transfers
}

// Transfers is what became of snapshots on one way.
type Transfers struct {
	UnderWay     atomic.Int64
	Done, Failed meter.Counter
	Took         *meter.Histogram // of those that were done
}

func newTransfers() Transfers {
	return Transfers{Took: meter.New(meter.Seconds(100*time.Millisecond, 10))}
}

// Each calls f for every other member that there has been traffic with.
func (m *Meter) Each(f func(id uint64, l *Link)) {
	m.links.Range(func(id, l any) bool {
		f(id.(uint64), l.(*Link))
		return true
	})
}

func (m *Meter) link(id uint64) *Link {
	if l, ok := m.links.Load(id); ok {
		return l.(*Link)
	}
	l, _ := m.links.LoadOrStore(id, &Link{
		RoundTrip:     meter.New(meter.Seconds(100*time.Microsecond, 16)),
		SnapshotsSent: newTransfers(), SnapshotsTaken: newTransfers(),
	})
	return l.(*Link)
}

// Sent implements Observer.
func (m *Meter) Sent(to uint64, bytes int) { m.link(to).SentBytes.Add(uint64(bytes)) }

// Received implements Observer.
func (m *Meter) Received(from uint64, bytes int) { m.link(from).ReceivedBytes.Add(uint64(bytes)) }

// SendFailed implements Observer.
func (m *Meter) SendFailed(to uint64) { m.link(to).SendFailures.Inc() }

// ReceiveFailed implements Observer.
func (m *Meter) ReceiveFailed(from uint64) { m.link(from).ReceiveFailures.Inc() }

// RoundTrip implements Observer.
func (m *Meter) RoundTrip(to uint64, d time.Duration) { m.link(to).RoundTrip.Observe(d) }

// Active implements Observer.
func (m *Meter) Active(id uint64, up bool) {
	l := m.link(id)
	if l.Up.Swap(up) && !up {
		l.Losses.Inc()
	}
}

// SnapshotSend implements Observer.
func (m *Meter) SnapshotSend(to uint64) func(ok bool) { return m.link(to).SnapshotsSent.begin() }

// SnapshotReceive implements Observer.
func (m *Meter) SnapshotReceive(from uint64) func(ok bool) {
	return m.link(from).SnapshotsTaken.begin()
}

func (t *Transfers) begin() func(ok bool) {
	begun := time.Now()
	t.UnderWay.Add(1)
	return func(ok bool) {
		t.UnderWay.Add(-1)
		if !ok {
			t.Failed.Inc()
			return
		}
		t.Done.Inc()
		t.Took.Since(begun)
	}
}
