package peer

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
)

func proposal(from, to uint64, data string) *raftpb.Message {
	return &raftpb.Message{
		Type: new(raftpb.MsgProp), From: new(from), To: new(to), Entries: []*raftpb.Entry{{Data: []byte(data)}},
	}
}

// withoutConnection is the transport of member 1, whose peer 2 nobody answers for.
func withoutConnection(t *testing.T) (*fakeRaft, *Transport) {
	raft := newFakeRaft()
	transport := New(testConfig(1, raft, newSink(), quiet(t)))
	t.Cleanup(transport.Stop)
	transport.AddPeer(2, []string{"http://127.0.0.1:1"})
	return raft, transport
}

// TestProposalThatFindsNoConnectionIsGivenBack, and nothing else is, since raft repeats it.
func TestProposalThatFindsNoConnectionIsGivenBack(t *testing.T) {
	members := loopback(t, 2, nil)
	eventually(t, "all streams are up", func() bool { return connected(members) })
	gone, left := members[0], members[1]
	gone.server.Close()
	gone.Stop()
	p := left.directory.Load().peers[gone.local]
	eventually(t, "the streams are down", func() bool { return !p.appWriter.attached.Load() && !p.messageWriter.attached.Load() })
	want := proposal(left.local, gone.local, "a")
	left.Send([]*raftpb.Message{heartbeat(left.local, gone.local, 1), want})
	eventually(t, "the proposal is given back", func() bool { return len(left.raft.unsentProposals()) > 0 })
	eventually(t, "the heartbeat is lost, too", func() bool { return left.raft.lost(gone.local) > 0 })
	if unsent := left.raft.unsentProposals(); len(unsent) != 1 || !proto.Equal(unsent[0], want) {
		t.Errorf("given back: %v", unsent)
	}
}

// TestProposalThatWaitsForABrokenConnectionIsGivenBack: nothing of what is still queued was written.
func TestProposalThatWaitsForABrokenConnectionIsGivenBack(t *testing.T) {
	raft, transport := withoutConnection(t)
	w := newStreamWriter(transport.directory.Load().peers[2], streamMessage)
	w.attached.Store(true)
	want := proposal(1, 2, "a")
	for _, m := range []*raftpb.Message{heartbeat(1, 2, 1), want} {
		if w.offer(m) != offerTaken {
			t.Fatal("not queued")
		}
	}
	w.giveUpQueue()
	if unsent := raft.unsentProposals(); len(unsent) != 1 || !proto.Equal(unsent[0], want) {
		t.Errorf("given back: %v", unsent)
	}
}

// TestProposalThatFindsAFullQueueIsGivenBack: it would be lost without a word.
func TestProposalThatFindsAFullQueueIsGivenBack(t *testing.T) {
	raft, transport := withoutConnection(t)
	w := transport.directory.Load().peers[2].messageWriter
	w.attached.Store(true)
	for w.offer(heartbeat(1, 2, 1)) != offerFull {
	}
	want := proposal(1, 2, "a")
	transport.Send([]*raftpb.Message{heartbeat(1, 2, 1), want})
	if unsent := raft.unsentProposals(); len(unsent) != 1 || !proto.Equal(unsent[0], want) {
		t.Errorf("given back: %v", unsent)
	}
}

// TestProposalIsGivenBackWhenItsConnectionHasEnded, whether the writer sees the proposal first, or the end.
func TestProposalIsGivenBackWhenItsConnectionHasEnded(t *testing.T) {
	raft, transport := withoutConnection(t)
	w := newStreamWriter(transport.directory.Load().peers[2], streamMessage)
	ctx, end := context.WithCancelCause(t.Context())
	end(errReplaced)
	for n := range 100 {
		w.attached.Store(true)
		if w.offer(proposal(1, 2, "a")) != offerTaken {
			t.Fatal("not queued")
		}
		body := httptest.NewRecorder()
		if err := w.write(&outgoing{w: body, control: http.NewResponseController(body), ctx: ctx, end: end}); !errors.Is(err, errReplaced) {
			t.Fatal(err)
		}
		w.giveUpQueue()
		if unsent := len(raft.unsentProposals()); unsent != n+1 || body.Body.Len() > 0 {
			t.Fatalf("%d of %d proposals were given back, %d bytes written", unsent, n+1, body.Body.Len())
		}
	}
}

// TestProposalThatWasAnsweredBadlyIsNotGivenBack: it may be in the log all the same.
func TestProposalThatWasAnsweredBadlyIsNotGivenBack(t *testing.T) {
	members := loopback(t, 2, nil)
	eventually(t, "all streams are up", func() bool { return connected(members) })
	from, to := members[0], members[1]
	to.raft.process = func(context.Context, *raftpb.Message) error { return errTest }
	from.directory.Load().peers[to.local].pipeline.offer(proposal(from.local, to.local, "a"))
	eventually(t, "the post has failed", func() bool { return from.raft.lost(to.local) > 0 })
	if unsent := from.raft.unsentProposals(); len(unsent) > 0 {
		t.Errorf("given back: %v", unsent)
	}
}
