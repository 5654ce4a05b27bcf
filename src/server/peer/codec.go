package peer

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// encoder appends the frame of one message; it may remember what the frames before told the other end.
type encoder interface {
	encode(dst []byte, m *raftpb.Message) []byte
}

// decoder reads the next message of a stream, link heartbeats included.
type decoder interface {
	decode() (*raftpb.Message, error)
}

// linkHeartbeat keeps an idle stream from timing out; it comes from nobody and goes to nobody.
var linkHeartbeat = &raftpb.Message{Type: new(raftpb.MsgHeartbeat)}

func isLinkHeartbeat(m *raftpb.Message) bool {
	return m.GetType() == raftpb.MsgHeartbeat && m.GetFrom() == 0 && m.GetTo() == 0
}

// checkReceived refuses messages that no correct member sends over a stream or POST /raft. Besides what checkAddressed
// refuses: a snapshot, which without its database would leave the member with a log it has no data for, and an append
// whose entries do not follow each other.
func checkReceived(m *raftpb.Message, local uint64) error {
	if err := checkAddressed(m, local); err != nil {
		return err
	}
	switch m.GetType() {
	case raftpb.MsgSnap:
		return errors.New("snapshot arrived without its database")
	case raftpb.MsgApp:
		return checkConsecutive(m)
	}
	return nil
}

// checkAddressed refuses messages for somebody else, and those that raft would not survive or would believe: types
// outside of its table, which it indexes arrays with, and the types and senders of its own storage threads.
func checkAddressed(m *raftpb.Message, local uint64) error {
	t := m.GetType()
	switch {
	case t < 0 || t > raftpb.MsgForgetLeader:
		return fmt.Errorf("unknown message type %d", t)
	case m.GetTo() != local:
		return fmt.Errorf("message %s is for member %x, this is member %x", t, m.GetTo(), local)
	case raft.IsLocalMsg(t) || raft.IsLocalMsgTarget(m.GetFrom()) || len(m.Responses) > 0:
		return fmt.Errorf("message %s from %x is for use inside one member only", t, m.GetFrom())
	}
	return nil
}

func checkConsecutive(m *raftpb.Message) error {
	for i, e := range m.Entries {
		if want := m.GetIndex() + 1 + uint64(i); e.GetIndex() != want {
			return fmt.Errorf("entry %d of an append after index %d has index %d, want %d", i, m.GetIndex(), e.GetIndex(), want)
		}
	}
	return nil
}
