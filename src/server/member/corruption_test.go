package member

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/apply"
	"quoin.dev/server/config"
)

// damage changes a text in the database of a member, in place, as a disk does that forgets.
func damage(t testing.TB, cfg *config.Config, from, to string) {
	t.Helper()
	path := cfg.SnapDir() + "/db"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := 0
	for at := 0; ; found++ {
		i := bytes.Index(data[at:], []byte(from))
		if i < 0 {
			break
		}
		at += i
		if _, err := f.WriteAt([]byte(to), int64(at)); err != nil {
			t.Fatal(err)
		}
		at++
	}
	if found == 0 {
		t.Fatalf("%q is not in %s", from, path)
	}
}

func (m *Member) compact(t testing.TB, revision int64) {
	t.Helper()
	if err := m.do(t, &pb.InternalRaftRequest{Compaction: &pb.CompactionRequest{Revision: revision}}); err != nil {
		t.Fatal(err)
	}
}

func TestDamageAtRestIsFoundBeforeServing(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	for i := range 20 {
		c.members[0].put(t, fmt.Sprint("k", i), fmt.Sprint("value-", i, "-is-right"))
	}
	w.Expect(c.members[1].CompareFirst(t.Context())).To(Succeed(), "it is new")
	c.stop(1)
	c.start(t, 1)
	w.Expect(c.members[1].CompareFirst(t.Context())).To(Succeed(), "it holds the same")
	c.stop(1)
	damage(t, c.cfgs[1], "value-7-is-right", "value-7-is-wrong")
	c.start(t, 1)
	w.Expect(c.members[1].CompareFirst(t.Context())).To(MatchError(ErrDiffers))
	c.stop(2)
	c.start(t, 2)
	w.Expect(c.members[2].CompareFirst(t.Context())).To(Succeed(), "another one is damaged, not this")
	c.stop(1)
	w.Expect(c.cfgs[1].Features.Set("InitialCorruptCheck=false")).To(Succeed())
	c.start(t, 1)
	w.Expect(c.members[1].CompareFirst(t.Context())).To(Succeed(), "nobody wants to know")
}

// A member that is damaged while it runs finds out at its next compaction, by itself.
func TestDamageIsFoundByACompaction(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	for i := range 20 {
		c.members[0].put(t, fmt.Sprint("k", i), fmt.Sprint("value-", i, "-is-right"))
	}
	for _, m := range c.members {
		w.Expect(m.ReadIndex(t.Context())).To(Succeed())
		w.Expect(m.backend.Flush()).To(Succeed())
	}
	victim := c.awaitLeader(t)
	m := c.members[victim]
	damage(t, c.cfgs[victim], "value-7-is-right", "value-7-is-wrong")
	w.Expect(m.get(t, "k7")).To(Equal("value-7-is-wrong"), "or the test shows nothing")
	m.compact(t, 15)
	w.Eventually(m.Trusted, "30s").Should(MatchError(ErrDiffers))
	alarm := fmt.Sprintf("%x CORRUPT", m.id)
	for _, other := range c.members {
		w.Eventually(func() []string { return other.raised(t) }, "30s").Should(Equal([]string{alarm}))
	}
	w.Eventually(c.leader, "30s").ShouldNot(Or(Equal(-1), Equal(victim)))
	healthy := c.members[(victim+1)%3]
	w.Expect(healthy.Trusted()).To(Succeed())
	w.Expect(healthy.do(t, putOf("k", 1))).To(MatchError(apply.ErrCorrupt))

	// What belongs to the alarm is there after a restart, and goes with it.
	c.stop(victim)
	c.start(t, victim)
	m = c.members[victim]
	w.Expect(m.Trusted()).To(MatchError(ErrDiffers))
	m.disarm(t, pb.AlarmType_CORRUPT)
	w.Expect(m.Trusted()).To(Succeed())
}

// A snapshot replaces what was wrong.
func TestSnapshotRestoresTrust(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, func(cfg *config.Config) { cfg.Raft.SnapshotCount, cfg.Raft.SnapshotCatchupEntries = 20, 5 })
	c.start(t, 0, 1, 2)
	m := c.members[(c.awaitLeader(t)+1)%3]
	m.differs(true)
	c.isolate(place(c, m))
	other := c.members[(place(c, m)+1)%3]
	for i := range 200 {
		for other.tryPut(t, fmt.Sprint("k", i), time.Second) == 0 {
			continue // what was on the connections that were cut is lost
		}
	}
	c.heal()
	w.Eventually(m.Trusted, "30s").Should(Succeed())
	w.Expect(m.reasons()).To(BeEmpty())
}

func place(c *trio, m *Member) int {
	for i := range c.members {
		if c.members[i] == m {
			return i
		}
	}
	return -1
}

func TestReadsEndWithTrust(t *testing.T) {
	w := NewWithT(t)
	m := beginReady(t, alone(t))
	ctx, cancel := m.WhileTrusted(t.Context())
	defer cancel()
	w.Expect(m.Read(func(*apply.State) error { return nil })).To(Succeed())
	begun := make(chan struct{})
	answer := make(chan error, 1)
	goOn := make(chan struct{})
	go func() {
		answer <- m.Read(func(*apply.State) error {
			close(begun)
			<-goOn
			return nil
		})
	}()
	<-begun
	m.differs(true)
	m.differs(true)
	close(goOn)
	w.Expect(<-answer).To(MatchError(ErrDiffers), "it began before")
	w.Eventually(ctx.Done(), "30s").Should(BeClosed())
	w.Expect(context.Cause(ctx)).To(MatchError(ErrDiffers))
	w.Expect(m.do(t, putOf("k", 1))).To(MatchError(ErrDiffers))
	m.differs(false)
	w.Expect(m.do(t, putOf("k", 1))).To(Succeed())
	ctx, cancel = m.WhileTrusted(t.Context())
	defer cancel()
	w.Consistently(ctx.Done(), 10*time.Millisecond).ShouldNot(BeClosed())
}

// The hash of another member is asked for in etcd's words.
func TestAskHash(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	c.members[0].put(t, "a", "1")
	w.Expect(c.members[1].ReadIndex(t.Context())).To(Succeed())
	want := c.members[0].hash(t)
	w.Expect(c.members[0].askHash(t.Context(), c.members[1].id, want.HashRevision)).To(Equal(want))
	_, err := c.members[0].askHash(t.Context(), c.members[1].id, 1000)
	w.Expect(err).To(MatchError(ContainSubstring("future revision")))
	_, err = c.members[0].askHash(t.Context(), 12345, 1)
	w.Expect(err).To(MatchError(ContainSubstring("no peer URL")))
	c.stop(1)
	_, err = c.members[0].askHash(t.Context(), c.members[1].id, 1)
	w.Expect(err).To(MatchError(ContainSubstring("503")))
}
