package peer

import (
	"context"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

// BenchmarkRoundTrip is an append of one entry and its acknowledgement over loopback, one at a time.
func BenchmarkRoundTrip(b *testing.B) {
	acked := make(chan struct{}, 1)
	members := loopback(b, 2, nil)
	members[1].raft.process = func(_ context.Context, m *raftpb.Message) error {
		members[1].Send([]*raftpb.Message{{Type: new(raftpb.MsgAppResp), From: new(uint64(2)), To: new(uint64(1)), Index: m.Index}})
		return errTest
	}
	members[0].raft.process = func(context.Context, *raftpb.Message) error {
		acked <- struct{}{}
		return errTest
	}
	eventually(b, "all streams are up", func() bool { return connected(members) })
	index := uint64(1)
	for b.Loop() {
		members[0].Send([]*raftpb.Message{appTo(1, 2, index, 1)})
		index++
		<-acked
	}
}

// BenchmarkBurst is appends of 16 entries of 256 bytes, as many as the stream takes without losing any.
func BenchmarkBurst(b *testing.B) {
	room := make(chan struct{}, streamQueueLen/2)
	members := loopback(b, 2, nil)
	members[1].raft.process = func(context.Context, *raftpb.Message) error {
		<-room
		return errTest
	}
	eventually(b, "all streams are up", func() bool { return connected(members) })
	m := appTo(1, 2, 5, 16)
	for _, e := range m.Entries {
		e.Data = make([]byte, 256)
	}
	b.SetBytes(16 * 256)
	b.ReportAllocs()
	for b.Loop() {
		room <- struct{}{}
		members[0].Send([]*raftpb.Message{m})
	}
}
