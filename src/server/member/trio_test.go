package member

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/server/config"
)

func TestThreeMembersHoldTheSame(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	for i, m := range c.members {
		m.put(t, "from", strconv.Itoa(i))
		for _, reader := range c.members {
			w.Expect(reader.ReadIndex(t.Context())).To(Succeed())
			w.Expect(reader.get(t, "from")).To(Equal(strconv.Itoa(i)))
		}
	}
	gone := c.awaitLeader(t)
	c.stop(gone)
	left := c.members[(gone+1)%3]
	left.put(t, "without", "it")
	c.start(t, gone)
	w.Expect(c.members[gone].ReadIndex(t.Context())).To(Succeed())
	w.Expect(c.members[gone].get(t, "without")).To(Equal("it"))
	for _, m := range c.members {
		w.Expect(m.ReadIndex(t.Context())).To(Succeed())
		w.Expect(m.hash(t)).To(Equal(left.hash(t)))
	}
}

// etcd#13933: a member that got a snapshot, and stops at once, has to come back with it.
func TestMemberIsBroughtUpToDateBySnapshot(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, func(cfg *config.Config) { cfg.Raft.SnapshotCount, cfg.Raft.SnapshotCatchupEntries = 20, 5 })
	c.start(t, 0, 1, 2)
	late := (c.awaitLeader(t) + 1) % 3
	c.stop(late)
	from := c.members[(late+1)%3]
	for i := range 100 {
		from.put(t, "k"+strconv.Itoa(i%7), strconv.Itoa(i))
	}
	for i, m := range c.members {
		if i != late {
			w.Eventually(func() uint64 { first, _ := m.log.FirstIndex(); return first }, "30s").Should(BeNumerically(">", 20), "the log is cut")
		}
	}
	for range 2 {
		c.start(t, late)
		w.Expect(c.members[late].snapshots.last.Load()).To(BeNumerically(">=", 20))
		w.Expect(c.members[late].hash(t)).To(Equal(from.hash(t)))
		w.Expect(c.members[late].Members()).To(Equal(from.Members()))
		c.stop(late)
	}
	c.start(t, late)
	c.members[late].put(t, "from", "the late one")
	w.Expect(from.ReadIndex(t.Context())).To(Succeed())
	w.Expect(from.get(t, "from")).To(Equal("the late one"))
}

// etcd#21375, etcd#20418: while leadership moves all the time, no read may show less than what was acknowledged before.
func TestReadsWhileLeadershipMoves(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	acknowledged := int64(0)
	for n := range 20 {
		if leads := c.leader(); leads >= 0 {
			c.members[leads].node.TransferLeader(c.members[(leads+1+n%2)%3].id)
		}
		// A proposal that is forwarded to a leader on its way out may be lost, so this one may have to be repeated.
		for revision := int64(0); revision == 0; acknowledged = max(acknowledged, revision) {
			revision = c.members[n%3].tryPut(t, "n", 200*time.Millisecond)
		}
		results := make(chan error, 3)
		for _, m := range c.members {
			go func() { results <- m.ReadIndex(t.Context()) }()
		}
		for range c.members {
			w.Expect(<-results).To(Succeed())
		}
		for _, m := range c.members {
			w.Expect(m.Status().Revision).To(BeNumerically(">=", acknowledged))
		}
	}
}

// A member without a quorum says so in the words of etcd, and serves what it can by itself.
func TestWithoutAQuorum(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	c.members[0].put(t, "a", "1")
	w.Expect(c.members[0].ReadIndex(t.Context())).To(Succeed())
	c.stop(1)
	c.stop(2)
	m := c.members[0]
	w.Eventually(m.node.Leader, "30s").Should(BeZero())
	w.Expect(m.get(t, "a")).To(Equal("1"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	w.Expect(m.ReadIndex(ctx)).To(MatchError(context.DeadlineExceeded))
	w.Expect(m.Status().Leader).To(BeZero())
	w.Expect(m.timeoutError(time.Now())).To(MatchError(ErrTimeout))
	w.Expect(m.quorumConnected(time.Now())).To(BeFalse())
	c.start(t, 1)
	m.put(t, "a", "2")
}

func TestStoppedMembersLeaveNothingRunning(t *testing.T) {
	w := NewWithT(t)
	c := newTrio(t, nil)
	c.start(t, 0, 1, 2)
	c.members[0].put(t, "a", "1")
	for i := range c.members {
		c.stop(i)
	}
	w.Eventually(func() string {
		stacks := make([]byte, 1<<20)
		var left []string
		for _, stack := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			// What the test server of the peer port still holds is not the member's.
			if strings.Contains(stack, "quoin.dev/") && !strings.Contains(stack, "testing.tRunner") || strings.Contains(stack, "http.(*persistConn)") {
				left = append(left, stack)
			}
		}
		return strings.Join(left, "\n\n")
	}, "30s").Should(BeEmpty())
}
