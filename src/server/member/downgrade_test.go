package member

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/membershippb"

	"quoin.dev/server/config"
	"quoin.dev/server/membership"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

// speaks waits until a member speaks a version, and its file says so.
func (m *Member) speaks(t testing.TB, want string) {
	t.Helper()
	NewWithT(t).Eventually(func() [2]string { return [2]string{m.clusterVersion(), m.storageVersion()} }, "30s").
		Should(Equal([2]string{want, want}))
}

// ask is a GET or another request on the peer port.
func (m *Member) ask(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m.PeerHandler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestDowngradeAndBack(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	for _, m := range c.members {
		m.put(t, "written by", m.cfg.Name)
		m.speaks(t, "3.7.0")
	}
	_, follower := c.leading(t)
	for target, want := range map[string]error{
		"x": ErrDowngradeFormat, "": ErrDowngradeFormat, "3.7": ErrDowngradeTarget, "3.5": ErrDowngradeTarget, "3.8": ErrDowngradeTarget, "2.6": ErrDowngradeTarget,
	} {
		_, err := follower.EnableDowngrade(t.Context(), target)
		w.Expect(err).To(MatchError(want), target)
	}
	w.Expect(follower.ValidateDowngrade(t.Context(), "3.6.1")).To(Equal("3.7"))
	w.Expect(follower.CancelDowngrade(t.Context())).To(Equal("3.7"), "there is none, so it has ended")
	w.Expect(follower.ask(http.MethodGet, "/downgrade/enabled").Body.String()).To(Equal("false"))

	w.Expect(follower.EnableDowngrade(t.Context(), "3.6.1")).To(Equal("3.7"))
	if follower.clusterVersion() == "3.7.0" { // the leader has a look every few seconds
		_, err := follower.EnableDowngrade(t.Context(), "3.6")
		w.Expect(err).To(Or(MatchError(ErrDowngradeRuns), MatchError(ErrDowngradeTarget)))
	}
	for i, m := range c.members {
		m.speaks(t, "3.6.0")
		w.Expect(m.Status().Downgrade).To(Equal(membership.Downgrade{Enabled: true, TargetVersion: "3.6.0"}))
		w.Eventually(m.snapshots.last.Load, "30s").ShouldNot(BeZero(), "an older server would read the log from its beginning")
		_, err := m.ValidateDowngrade(t.Context(), "3.6")
		w.Expect(err).To(MatchError(ErrDowngradeTarget))
		_, err = m.ValidateDowngrade(t.Context(), "3.5")
		w.Expect(err).To(MatchError(ErrDowngradeRuns))
		answer := m.ask(http.MethodGet, "/downgrade/enabled")
		w.Expect(answer.Body.String()).To(Equal("true"))
		w.Expect(answer.Header().Get(membership.ClusterIDHeader)).To(Equal(membership.FormatID(m.clusterID)))
		w.Expect(m.ask(http.MethodPost, "/downgrade/enabled").Code).To(Equal(http.StatusMethodNotAllowed))
		c.stop(i)
		c.start(t, i)
		c.members[i].put(t, "written later by", c.cfgs[i].Name)
		c.members[i].speaks(t, "3.6.0")
	}

	w.Expect(c.members[0].CancelDowngrade(t.Context())).To(Equal("3.6"))
	for _, m := range c.members {
		m.speaks(t, "3.7.0")
		w.Expect(m.Status().Downgrade).To(Equal(membership.Downgrade{}))
		w.Expect(m.hash(t)).To(Equal(c.members[0].hash(t)))
	}
}

// A member may be killed right after it has lowered its version; it makes the snapshot up.
func TestSnapshotForADowngradeIsMadeUp(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	m := beginReady(t, cfg)
	m.speaks(t, "3.7.0")
	entries := m.Status().Commit
	w.Expect(m.CancelDowngrade(t.Context())).To(Equal("3.7"))
	w.Expect(m.Status().Commit).To(Equal(entries), "what is not there needs no entry to end")
	w.Expect(m.EnableDowngrade(t.Context(), "3.6")).To(Equal("3.7"))
	m.speaks(t, "3.6.0")
	m.Stop()
	snapshots, err := filepath.Glob(filepath.Join(cfg.SnapDir(), "*.snap"))
	w.Expect(err).NotTo(HaveOccurred())
	for _, name := range snapshots { // as if it had not come so far
		w.Expect(os.Remove(name)).To(Succeed())
	}
	m = beginReady(t, cfg)
	w.Eventually(func() ([]string, error) { return filepath.Glob(filepath.Join(cfg.SnapDir(), "*.snap")) }, "30s").Should(HaveLen(1))
	w.Eventually(m.snapshots.taking.Load, "30s").Should(BeFalse())
	last := m.snapshots.last.Load()
	w.Expect(m.CancelDowngrade(t.Context())).To(Equal("3.6"))
	m.speaks(t, "3.7.0")
	m.Stop()
	m = beginReady(t, cfg)
	m.put(t, "a", "1")
	w.Expect(m.snapshots.last.Load()).To(Equal(last), "without a downgrade there is no need")
}

// The snapshot that is under way may be of a place before the entry that asks for one.
func TestSnapshotThatIsWantedDuringAnother(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	m.speaks(t, "3.7.0")
	m.applyMu.Lock() // a snapshot begins with the place of it, and waits for that here
	m.snapshots.forced.Store(true)
	m.maybeSnapshot()
	m.snapshots.forced.Store(true)
	m.applyMu.Unlock()
	w.Eventually(func() bool { return m.snapshots.forced.Load() || m.snapshots.taking.Load() }, "30s").Should(BeFalse())
}

// The members here can not become older. So the job is one whose target they have reached.
func TestLeaderEndsADowngrade(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, func(cfg *config.Config) { cfg.Cluster.DowngradeCheckTime = 20 * time.Millisecond })
	c.start(t, 0, 1, 2)
	m := c.members[0]
	m.speaks(t, "3.7.0")
	w.Expect(m.setDowngrade(t.Context(), &membershippb.DowngradeInfoSetRequest{Enabled: true, Ver: "3.7.0"})).To(Succeed())
	for _, m := range c.members {
		w.Eventually(func() membership.Downgrade { return m.cluster().Downgrade() }, "30s").Should(BeZero())
	}
}

// While one member is away nobody can say that all run the target.
func TestDowngradeWaitsForAll(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	leader, follower := c.leading(t)
	leader.speaks(t, "3.7.0")
	for i, m := range c.members {
		if m == follower {
			c.stop(i)
		}
	}
	w.Expect(leader.setDowngrade(t.Context(), &membershippb.DowngradeInfoSetRequest{Enabled: true, Ver: "3.7.0"})).To(Succeed())
	w.Expect(leader.endDowngrade(t.Context())).To(Succeed())
	w.Expect(leader.cluster().Downgrade().Enabled).To(BeTrue())
	w.Expect(leader.setDowngrade(t.Context(), &membershippb.DowngradeInfoSetRequest{Enabled: true, Ver: "3.6.0"})).To(Succeed())
	w.Expect(leader.decideVersion(t.Context())).To(Succeed())
	w.Expect(leader.clusterVersion()).To(Equal("3.7.0"))
}

// A cluster that goes on without a member, to a version that it can not speak, must not take it along.
func TestMemberEndsBeforeAVersionThatItCanNotSpeak(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	for range 2 { // and it ends again when it is started again
		gone := make(chan error, 1)
		m, err := Start(Options{Config: cfg, Logger: zap.NewNop(), Fatal: func(err error) { gone <- err }})
		w.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(m.Stop)
		if m.clusterVersion() == "" {
			w.Eventually(m.Ready(), "30s").Should(BeClosed())
			m.speaks(t, "3.7.0")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() {
				_, _ = m.Propose(ctx, &pb.InternalRaftRequest{ClusterVersionSet: &membershippb.ClusterVersionSetRequest{Ver: "3.8.0"}})
			}()
		}
		var reason error
		w.Eventually(gone, "30s").Should(Receive(&reason))
		w.Expect(reason).To(MatchError(ContainSubstring("the cluster speaks version 3.8.0, this member only 3.7.3: start it with a version of at least 3.8")))
		w.Expect(m.clusterVersion()).To(Equal("3.7.0"))
		m.Stop()
	}
}

// etcd writes the storage version a moment after the cluster version, and may be stopped in between.
func TestStorageVersionIsMadeUp(t *testing.T) {
	w := NewWithT(t)
	cfg := alone(t)
	m := beginReady(t, cfg)
	m.speaks(t, "3.7.0")
	m.Stop()
	b, err := backend.Open(backend.Options{Path: m.dbPath()})
	w.Expect(err).NotTo(HaveOccurred())
	schema.PutClusterVersion(b, "3.6.0")
	schema.PutDowngrade(b, schema.Downgrade{TargetVersion: "3.6.0", Enabled: true})
	b.Commit(backend.Applied{})
	w.Expect(b.Close()).To(Succeed())

	m = beginReady(t, cfg)
	m.Stop()
	b, err = backend.Open(backend.Options{Path: m.dbPath(), ReadOnly: true})
	w.Expect(err).NotTo(HaveOccurred())
	defer b.Close()
	view := b.View()
	defer view.Close()
	w.Expect(schema.StorageVersion(view)).To(Equal("3.6.0"))
}
