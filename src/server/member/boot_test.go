package member

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/pkg/vfs"

	"quoin.dev/server/apply"
	"quoin.dev/server/config"
	"quoin.dev/server/membership"
	"quoin.dev/server/raftnode"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/snap"
	"quoin.dev/storage/wal"
)

func TestKeysSurviveARestart(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	m := beginReady(t, cfg)
	id, cluster := m.ID(), m.ClusterID()
	m.put(t, "a", "1")
	m.put(t, "a", "2")
	before := m.hash(t)
	m.Stop()

	m = beginReady(t, cfg)
	w.Expect(m.get(t, "a")).To(Equal("2"))
	w.Expect(m.hash(t)).To(Equal(before))
	w.Expect(m.ID()).To(Equal(id))
	w.Expect(m.ClusterID()).To(Equal(cluster))
	m.put(t, "b", "3")
	w.Expect(m.Members()).To(HaveExactElements(HaveField("Name", "m0")))
}

// TestTheLogAloneIsEnough takes the database away, as a power cut before its first flush would.
func TestTheLogAloneIsEnough(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	m := beginReady(t, cfg)
	m.put(t, "a", "1")
	before := m.hash(t)
	m.Stop()
	w.Expect(os.Remove(m.dbPath())).To(Succeed())
	m = beginReady(t, cfg)
	w.Expect(m.hash(t)).To(Equal(before))
}

func TestRestartFromASnapshot(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	cfg.Raft.SnapshotCount, cfg.Raft.SnapshotCatchupEntries = 10, 5
	m := beginReady(t, cfg)
	for range 30 {
		m.put(t, "a", "1")
	}
	w.Eventually(m.snapshots.last.Load, "30s").ShouldNot(BeZero())
	w.Eventually(m.snapshots.taking.Load, "30s").Should(BeFalse())
	before := m.hash(t)
	m.Stop()
	m = beginReady(t, cfg)
	w.Expect(m.snapshots.last.Load()).NotTo(BeZero())
	w.Expect(m.hash(t)).To(Equal(before))
	m.put(t, "b", "2")
}

// A change of membership that the list refuses is nothing to raft. A restart that replays the entry must come to the
// same end, though it finds the list as it became later: else the member waits for the vote of somebody who is not there.
func TestRefusedMembershipChangesStayRefused(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	m := beginReady(t, cfg)
	same := membership.Member{ID: 77, PeerURLs: m.Members()[0].PeerURLs}
	change := membership.AddChange(same)
	change.Id = new(m.ids.next())
	data, err := proto.Marshal(change)
	w.Expect(err).NotTo(HaveOccurred())
	waiter := m.waits.add(change.GetId(), farAway(), 10, false)
	w.Expect(m.node.Propose(raftnode.Proposal{Data: data, Type: raftpb.EntryConfChange, Owner: waiter})).To(Succeed())
	var o outcome
	w.Eventually(waiter.done, soon).Should(Receive(&o))
	w.Expect(o.result.Err).To(MatchError(membership.ErrPeerURLExists))
	m.put(t, "a", "1")
	m.Stop()

	for range 2 {
		m = beginReady(t, cfg)
		w.Expect(m.node.Status().Config.Voters.IDs()).To(Equal(map[uint64]struct{}{m.id: {}}))
		w.Expect(m.get(t, "a")).To(Equal("1"))
		m.put(t, "b", "2")
		m.Stop()
	}
}

// stopped returns the settings and identity of a member that has written something and was stopped, and the index of the
// last entry.
func stopped(t *testing.T) (*Member, uint64) {
	t.Helper()
	m := beginReady(t, alone(t))
	for _, value := range []string{"1", "2", "3"} {
		m.put(t, "a", value)
	}
	m.Stop()
	return m, m.applied.index()
}

// copyDB copies the database of a stopped member; the copy claims to go to index, if that is further.
func copyDB(t *testing.T, m *Member, to string, index uint64) {
	t.Helper()
	w := NewWithT(t)
	data, err := os.ReadFile(m.dbPath())
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(os.WriteFile(to, data, 0o600)).To(Succeed())
	b, err := backend.Open(backend.Options{Path: to})
	w.Expect(err).NotTo(HaveOccurred())
	applied, term := b.Applied()
	if index > applied {
		b.Commit(backend.Applied{Index: index, Term: term})
	}
	w.Expect(b.Close()).To(Succeed())
}

// receive leaves the directory of m as a member does that has received and recorded a snapshot at index, and was stopped
// before its database was put into place.
func receive(t *testing.T, m *Member, index uint64) {
	t.Helper()
	w := NewWithT(t)
	dir, err := snap.Open(m.cfg.SnapDir(), snap.Options{})
	w.Expect(err).NotTo(HaveOccurred())
	db := filepath.Join(t.TempDir(), "db")
	copyDB(t, m, db, index)
	f, err := os.Open(db)
	w.Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	_, err = dir.SaveDB(f, index)
	w.Expect(err).NotTo(HaveOccurred())
	confState := &raftpb.ConfState{Voters: []uint64{m.id}}
	snapshot := &raftpb.Snapshot{Data: []byte("{}"), Metadata: &raftpb.SnapshotMetadata{Index: new(index), Term: new(m.appliedTerm), ConfState: confState}}
	w.Expect(dir.Save(snapshot)).To(Succeed())
	log, _, err := wal.Open(m.cfg.WALPath(), wal.Mark{}, wal.Options{FS: vfs.OS()})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(log.AppendSnapshot(wal.Mark{Index: index, Term: m.appliedTerm, ConfState: confState})).To(Succeed())
	w.Expect(log.Append(&raftpb.HardState{Term: new(m.appliedTerm), Vote: new(m.id), Commit: new(index)}, nil)).To(Succeed())
	w.Expect(log.Sync()).To(Succeed())
	w.Expect(log.Close()).To(Succeed())
}

func TestInterruptedInstallIsCompleted(t *testing.T) {
	w := NewWithT(t)
	m, last := stopped(t)
	receive(t, m, last+100)
	w.Expect(os.Remove(m.dbPath())).To(Succeed()) // to see which database it takes
	m = beginReady(t, m.cfg)
	w.Expect(m.get(t, "a")).To(Equal("3"))
	w.Expect(m.snapshots.last.Load()).To(Equal(last + 100))
	_, err := m.snaps.DBPath(last + 100)
	w.Expect(err).To(MatchError(snap.ErrNoDB), "it is in place now")
	m.put(t, "b", "1")
	m.Stop()
	m = beginReady(t, m.cfg)
	w.Expect(m.get(t, "b")).To(Equal("1"))
}

// etcd#13933: a database in place that is ahead of a received one must not be replaced by it.
func TestCompletedInstallIsNotUndone(t *testing.T) {
	w := NewWithT(t)
	m, last := stopped(t)
	receive(t, m, last+100)
	received, err := m.snaps.DBPath(last + 100)
	w.Expect(err).NotTo(HaveOccurred())
	left, err := os.ReadFile(received)
	w.Expect(err).NotTo(HaveOccurred())
	m = beginReady(t, m.cfg)
	m.put(t, "a", "newer")
	m.Stop()
	w.Expect(os.WriteFile(received, left, 0o600)).To(Succeed())
	m = beginReady(t, m.cfg)
	w.Expect(m.get(t, "a")).To(Equal("newer"))
}

// A snapshot whose database is neither received nor in place is a directory that lost a file.
func TestSnapshotWithoutItsDatabaseIsRefused(t *testing.T) {
	w := NewWithT(t)
	m, last := stopped(t)
	receive(t, m, last+100)
	received, err := m.snaps.DBPath(last + 100)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(os.Remove(received)).To(Succeed())
	w.Expect(refused(t, m.cfg)).To(MatchError(ContainSubstring(m.dbPath())))
}

func TestDatabaseAheadOfTheLogIsRefused(t *testing.T) {
	w := NewWithT(t)
	m, last := stopped(t)
	copyDB(t, m, m.dbPath(), last+1)
	w.Expect(refused(t, m.cfg)).To(MatchError(And(ContainSubstring("goes to log index"), ContainSubstring("do not belong together"))))
	w.Expect(refused(t, m.cfg)).To(MatchError(ContainSubstring("do not belong together")), "again: the refusal has left nothing open")
}

func TestDatabaseWithoutALogIsRefused(t *testing.T) {
	w := NewWithT(t)
	m, _ := stopped(t)
	w.Expect(os.RemoveAll(m.cfg.WALPath())).To(Succeed())
	w.Expect(refused(t, m.cfg)).To(MatchError(ContainSubstring("no write-ahead log")))
	m.cfg.WALDir = filepath.Join(t.TempDir(), "elsewhere")
	w.Expect(refused(t, m.cfg)).To(MatchError(ContainSubstring("give the --wal-dir that belongs to it")))
}

// foundingStopped is a directory whose member stopped between creating its log and founding its cluster.
func foundingStopped(t *testing.T) *config.Config {
	t.Helper()
	cfg := alone(t)
	founders, err := membership.ParseInitialCluster(cfg.Cluster.InitialCluster, cfg.Cluster.InitialClusterToken)
	w := NewWithT(t)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(os.MkdirAll(cfg.SnapDir(), 0o700)).To(Succeed())
	metadata := identity(founders[0].ID, membership.ClusterID(membership.IDs(founders)))
	log, err := wal.Create(cfg.WALPath(), metadata, wal.Options{FS: vfs.OS()})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(log.Close()).To(Succeed())
	return cfg
}

func TestInterruptedFoundingIsContinued(t *testing.T) {
	w := NewWithT(t)
	cfg := foundingStopped(t)
	m := beginReady(t, cfg)
	m.put(t, "a", "1")
	w.Expect(m.get(t, "a")).To(Equal("1"))
}

func TestOtherFlagsAfterAnInterruptedFoundingAreRefused(t *testing.T) {
	w := NewWithT(t)
	cfg := foundingStopped(t)
	other := *cfg
	other.Cluster.InitialClusterToken = "another"
	w.Expect(refused(t, &other)).To(MatchError(And(ContainSubstring("was made for member"), ContainSubstring("give the flags it was made with"))))
	other.Cluster.InitialCluster = "somebody=http://127.0.0.1:1"
	w.Expect(refused(t, &other)).To(HaveOccurred())
	beginReady(t, cfg) // the refusals changed nothing
}

func TestDirectoryInUseIsRefused(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	w.Expect(errors.Is(refused(t, m.cfg), backend.ErrLocked)).To(BeTrue())
	m.put(t, "a", "1")
}

func TestStopTwiceIsStopOnce(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	m.Stop()
	m.Stop()
	w.Expect(m.ReadIndex(t.Context())).To(MatchError(ErrStopped))
}

// TestStoppedMembersMayBeAsked: a peer port is closed after its member, and requests may be under way.
func TestStoppedMembersMayBeAsked(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	m.Stop()
	w.Expect(m.View(func(*apply.State) error { return nil })).To(MatchError(ErrStopped))
	w.Expect(m.Status().StorageVersion).To(BeEmpty())
	_, _, err := m.Hash()
	w.Expect(err).To(MatchError(ErrStopped))
	_, err = m.Propose(t.Context(), &pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte("a")}})
	w.Expect(err).To(MatchError(ErrStopped))
	for path, code := range map[string]int{"/version": 200, "/members": 200, "/members/hashkv": 503} {
		answer := httptest.NewRecorder()
		m.PeerHandler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", path, bodyOf("{}")))
		w.Expect(answer.Code).To(Equal(code), path)
	}
}

func TestPeerEndpoints(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	m.put(t, "a", "1")
	ask := func(method, path, body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, bodyOf(body))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer := httptest.NewRecorder()
		m.PeerHandler().ServeHTTP(answer, r)
		return answer
	}
	h := m.hash(t)
	w.Expect(ask("GET", "/members/hashkv", "{}").Body.String()).To(MatchJSON(hashJSON(h)))
	w.Expect(ask("GET", "/members/hashkv", `{"revision":2}`).Body.String()).To(MatchJSON(hashJSON(h)))
	w.Expect(ask("GET", "/members/hashkv", "{}").Header().Get("X-Etcd-Cluster-ID")).To(Equal(membership.FormatID(m.clusterID)))
	w.Expect(ask("GET", "/members/hashkv", `{"revision":99}`).Code).To(Equal(400))
	w.Expect(ask("GET", "/members/hashkv", `x`).Code).To(Equal(400))
	w.Expect(ask("GET", "/members/hashkv", `{}`, "X-Etcd-Cluster-ID", "1").Code).To(Equal(412))
	w.Expect(ask("POST", "/members/hashkv", `{}`).Code).To(Equal(405))
	w.Expect(ask("GET", "/members", "").Body.String()).To(ContainSubstring(`"name":"m0"`))
	w.Expect(ask("GET", "/version", "").Body.String()).To(ContainSubstring(`"etcdserver":"3.7.3"`))
	w.Expect(ask("PUT", "/version", "").Header().Get("Allow")).To(Equal("GET"))
	w.Expect(ask("GET", "/nothing", "").Code).To(Equal(404))
}
