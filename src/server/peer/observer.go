package peer

import "time"

// Observer is told what happens on the network, for metrics. Its methods are called on hot paths by many goroutines: they
// must be fast and must not call back.
type Observer interface {
	// Sent and Received count bytes of raft traffic with another member, snapshots included.
	Sent(to uint64, bytes int)
	Received(from uint64, bytes int)
	// SendFailed and ReceiveFailed count messages that were lost, and connections that broke.
	SendFailed(to uint64)
	ReceiveFailed(from uint64)
	// RoundTrip is the duration of one probe.
	RoundTrip(to uint64, d time.Duration)
	// Active says that the link to a member came up or went down.
	Active(id uint64, up bool)
	// SnapshotSend and SnapshotReceive are called when a transfer begins; the function they return, never nil, is
	// called once when it ends.
	SnapshotSend(to uint64) func(ok bool)
	SnapshotReceive(from uint64) func(ok bool)
}

// noObserver is the observer of a transport whose owner did not give one.
type noObserver struct{}

func (noObserver) Sent(uint64, int)                  {}
func (noObserver) Received(uint64, int)              {}
func (noObserver) SendFailed(uint64)                 {}
func (noObserver) ReceiveFailed(uint64)              {}
func (noObserver) RoundTrip(uint64, time.Duration)   {}
func (noObserver) Active(uint64, bool)               {}
func (noObserver) SnapshotSend(uint64) func(bool)    { return func(bool) {} }
func (noObserver) SnapshotReceive(uint64) func(bool) { return func(bool) {} }
