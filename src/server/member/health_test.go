package member

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"

	"quoin.dev/pkg/vfs"
)

// onDisk starts a member alone whose write-ahead log is on fs, and returns where its reason to give up appears.
func onDisk(t *testing.T, fs vfs.FS) (*Member, <-chan error) {
	t.Helper()
	fatal := make(chan error, 1)
	m, err := Start(Options{Config: alone(t), Logger: zap.NewNop(), FS: fs, Fatal: func(err error) { fatal <- err }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	NewWithT(t).Eventually(m.Ready(), "30s").Should(BeClosed())
	return m, fatal
}

func (m *Member) reasons() []error {
	reasons, _ := m.Health()
	return reasons
}

// etcd#13527
func TestStuckDiskIsReported(t *testing.T) {
	w := NewWithT(t)
	fault := vfs.NewFault(vfs.OS())
	m, _ := onDisk(t, fault)
	w.Eventually(m.reasons, "30s").Should(BeEmpty(), "the disk may have been slow at the start")
	_, changed := m.Health()
	gate := make(chan struct{})
	release := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	fault.Add(vfs.Rule{Op: vfs.OpSync, Do: func() { <-gate }})
	put := make(chan error, 1)
	go func() { put <- m.do(t, putOf("k", 1)) }()
	w.Eventually(changed, "30s").Should(BeClosed())
	w.Expect(m.reasons()).To(Equal([]error{ErrDiskStalled}))
	w.Expect(m.Status().Unwell).To(Equal([]error{ErrDiskStalled}))
	w.Expect(put).NotTo(Receive())
	release()
	w.Eventually(put, "30s").Should(Receive(BeNil()))
	w.Eventually(m.reasons, "30s").Should(BeEmpty())
	m.Stop()
	w.Expect(m.reasons()).To(Equal([]error{ErrStopped}))
}

// A failed write or sync ends the member: what it wrote may or may not be there, and a second try could say that all is well.
func TestFailedDiskEndsTheMember(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpSync, vfs.OpWrite} {
		t.Run(string(op), func(t *testing.T) {
			w := NewWithT(t)
			fault := vfs.NewFault(vfs.OS())
			m, fatal := onDisk(t, fault)
			m.put(t, "before", "1")
			broken := errors.New("broken")
			fault.Add(vfs.Rule{Op: op, Err: broken})
			put := make(chan error, 1)
			go func() { put <- m.do(t, putOf("k", 1)) }()
			w.Eventually(fatal, "30s").Should(Receive(MatchError(broken)))
			fault.Heal() // too late
			m.Stop()
			w.Eventually(put, "30s").Should(Receive(MatchError(ErrStopped)), "nothing more is acknowledged")
		})
	}
}

// A leader that should not lead for a reason of its own hands over, and takes part in everything else.
func TestUnfitLeaderHandsOver(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	first := c.awaitLeader(t)
	c.members[first].differs(true)
	w.Eventually(c.leader, "30s").ShouldNot(Or(Equal(-1), Equal(first)))
	w.Consistently(c.leader, "300ms").ShouldNot(Equal(first))
	c.members[(first+1)%3].put(t, "k", "v")
	w.Expect(c.members[first].ReadIndex(t.Context())).To(Succeed(), "it is part of the cluster")
}

// The reasons come and go one by one.
func TestReasonsOfHealth(t *testing.T) {
	w := NewWithT(t)
	h := health{changed: make(chan struct{})}
	one, two := errors.New("one"), errors.New("two")
	_, changed := h.get()
	w.Expect(h.set(one, false)).To(BeFalse())
	w.Expect(changed).NotTo(BeClosed())
	w.Expect(h.set(one, true)).To(BeTrue())
	w.Expect(changed).To(BeClosed())
	w.Expect(h.set(one, true)).To(BeFalse())
	w.Expect(h.set(two, true)).To(BeTrue())
	w.Expect(h.set(one, false)).To(BeTrue())
	reasons, changed := h.get()
	w.Expect(reasons).To(Equal([]error{two}))
	w.Consistently(changed, 10*time.Millisecond).ShouldNot(BeClosed())
}

// The watchdog hears of a log that is stuck, and of a core that does not answer.
func TestProbe(t *testing.T) {
	w := NewWithT(t)
	fault := vfs.NewFault(vfs.OS())
	m, _ := onDisk(t, fault)
	w.Expect(m.Probe(t.Context(), time.Minute)).To(Succeed())
	w.Expect(m.Condition()).To(HavePrefix("leads its cluster, term "))
	gate := make(chan struct{})
	release := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	fault.Add(vfs.Rule{Op: vfs.OpSync, Do: func() { <-gate }})
	put := make(chan error, 1)
	go func() { put <- m.do(t, putOf("k", 1)) }()
	w.Eventually(func() error { return m.Probe(t.Context(), time.Millisecond) }, "30s").Should(MatchError(ContainSubstring("the log has been waiting for the disk")))
	w.Expect(m.Probe(t.Context(), time.Minute)).To(Succeed(), "the bound is for the caller to choose")
	w.Eventually(m.Condition, "30s").Should(HavePrefix("not ready: "))
	release()
	w.Eventually(put, "30s").Should(Receive(BeNil()))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w.Eventually(func() error { return m.Probe(ended, time.Minute) }, "30s").Should(MatchError(ContainSubstring("raft does not answer")))
	m.Stop()
	w.Expect(m.Probe(t.Context(), time.Minute)).To(Succeed())
}
