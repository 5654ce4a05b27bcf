package member

import (
	"io"
	"testing"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// TestSendingThatEndsEarlyGivesBackItsPages also keeps count: the log is not shortened while a snapshot is on its way.
func TestSendingThatEndsEarlyGivesBackItsPages(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	m.snapshots.sending.Add(1)
	db, err := m.openSnapshot(new(raftpb.Message))
	w.Expect(err).NotTo(HaveOccurred())
	_, err = io.ReadFull(db, make([]byte, 100))
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(m.snapshots.mayShortenLog(farAway())).To(BeFalse())
	w.Expect(db.Close()).To(Succeed())
	w.Expect(m.snapshots.mayShortenLog(farAway())).To(BeTrue())
	w.Expect(proto.Equal(m.position().confState, &raftpb.ConfState{Voters: []uint64{m.id}, AutoLeave: new(false)})).To(BeTrue())
	m.put(t, "a", "1")
}
