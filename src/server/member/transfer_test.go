package member

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"quoin.dev/server/membership"
	"quoin.dev/storage/backend"
)

// received stores what m would send as a snapshot the way its receiver does, and returns the snapshot.
func received(t *testing.T, m *Member) *raftpb.Snapshot {
	t.Helper()
	w := NewWithT(t)
	message := new(raftpb.Message)
	out, err := m.openSnapshot(message)
	w.Expect(err).NotTo(HaveOccurred())
	_, err = m.snaps.SaveDB(out, message.GetSnapshot().GetMetadata().GetIndex())
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(out.Close()).To(Succeed())
	return message.GetSnapshot()
}

// The log of a receiver ends at the place of the snapshot until it has got more: a start in between would find a database
// that knows more than the log, and take the log for one that lost its end (etcd#14685).
func TestSentDatabaseEndsAtItsPlace(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	var writers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 32 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					m.put(t, fmt.Sprint("key", i), "value")
				}
			}
		})
	}
	for i := range 40 {
		message := new(raftpb.Message)
		out, err := m.openSnapshot(message)
		w.Expect(err).NotTo(HaveOccurred())
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		f, err := os.Create(path)
		w.Expect(err).NotTo(HaveOccurred())
		_, err = io.Copy(f, out)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(f.Close()).To(Succeed())
		w.Expect(out.Close()).To(Succeed())
		b, err := backend.Open(backend.Options{Path: path, ReadOnly: true})
		w.Expect(err).NotTo(HaveOccurred())
		index, term := b.Applied()
		w.Expect(b.Close()).To(Succeed())
		meta := message.GetSnapshot().GetMetadata()
		w.Expect([]uint64{index, term}).To(Equal([]uint64{meta.GetIndex(), meta.GetTerm()}))
	}
	close(stop)
	writers.Wait()
}

// quiet starts a member and waits until it has nothing left to write by itself.
func quiet(t *testing.T) *Member {
	t.Helper()
	m := beginReady(t, alone(t))
	NewWithT(t).Eventually(m.storageVersion, "30s").ShouldNot(BeEmpty())
	m.put(t, "a", "1")
	return m
}

// A snapshot may arrive while another one is being received, one is being saved, and the database that it replaces is on
// its way to a slow member: none of them may suffer, and none may hold it up (etcd#18055, etcd#20553).
func TestInstallLeavesTheWorkOfOthers(t *testing.T) {
	w := NewWithT(t)
	m := quiet(t)
	snapshot := received(t, m)
	out, err := m.openSnapshot(new(raftpb.Message))
	w.Expect(err).NotTo(HaveOccurred())
	unfinished := filepath.Join(m.cfg.SnapDir(), "tmp-9-0000000000000063.snap.db.part")
	w.Expect(os.WriteFile(unfinished, nil, 0o600)).To(Succeed())

	w.Expect((&machine{m: m}).install(snapshot)).To(Succeed())
	w.Expect(unfinished).To(BeARegularFile())
	w.Expect(m.get(t, "a")).To(Equal("1"))
	n, err := io.Copy(io.Discard, out)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(n).To(Equal(out.Size()))
	w.Expect(out.Close()).To(Succeed())
	m.put(t, "a", "2")
	m.Stop()

	m = beginReady(t, m.cfg)
	w.Expect(unfinished).NotTo(BeAnExistingFile())
	w.Expect(m.get(t, "a")).To(Equal("2"))
}

// What a damaged transfer left must not take the place of a database that is whole.
func TestDamagedDatabaseIsNotPutIntoPlace(t *testing.T) {
	w := NewWithT(t)
	m := quiet(t)
	snapshot := received(t, m)
	before, err := os.Stat(m.dbPath())
	w.Expect(err).NotTo(HaveOccurred())
	path, err := m.snaps.DBPath(snapshot.GetMetadata().GetIndex())
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(os.Truncate(path, 10_000)).To(Succeed())

	w.Expect((&machine{m: m}).install(snapshot)).To(MatchError(backend.ErrCorrupt))
	after, err := os.Stat(m.dbPath())
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(os.SameFile(before, after)).To(BeTrue())
}

// A member that could not install a snapshot has a hole in its state: until its process ends it must not apply, since that
// would let reads through.
func TestNothingIsAppliedAfterAFailedInstall(t *testing.T) {
	w := NewWithT(t)
	m := quiet(t)
	m.failing.Do(func() {}) // the end of the process is not under test
	a := &machine{m: m}
	applied := m.applied.index()
	a.Install(&raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: new(applied + 5), Term: new(uint64(1))}})
	a.Apply([]*raftpb.Entry{{Index: new(applied + 6), Term: new(uint64(1))}})
	w.Expect(m.applied.index()).To(Equal(applied))
}

// A change of membership that is applied while the member stops must not reach the database without the configuration that
// goes with it: its entry is applied at the next start instead.
func TestMembershipChangeWhileStoppingIsLeftForTheNextStart(t *testing.T) {
	w := NewWithT(t)
	m := quiet(t)
	applied := m.applied.index()
	m.node.Stop()
	data, err := proto.Marshal(membership.AddChange(membership.Member{ID: 7, PeerURLs: []string{"http://127.0.0.1:2"}, IsLearner: true}))
	w.Expect(err).NotTo(HaveOccurred())
	a := &machine{m: m}
	a.Apply([]*raftpb.Entry{
		{Index: new(applied + 1), Term: new(uint64(2)), Type: raftpb.EntryConfChange.Enum(), Data: data},
		{Index: new(applied + 2), Term: new(uint64(2))},
	})
	index, _ := m.backend.Applied()
	w.Expect(index).To(Equal(applied))
	w.Expect(m.applied.index()).To(Equal(applied))
}
