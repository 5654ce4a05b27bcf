package raftnode

import (
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3"
)

// cutOff keeps all messages from and to a member.
func (g *group) cutOff(id uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut[id] = true
}

// settled waits until every member but one follows the same leader, which is not that one. The caller is in a bubble.
func (g *group) settled(t *testing.T, without uint64) (leader uint64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		leaders := map[uint64]int{}
		for id, n := range g.nodes {
			if id != without {
				leaders[n.Leader()]++
			}
		}
		for id := range leaders {
			if len(leaders) == 1 && id != 0 && id != without {
				return id
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no leader: %v", leaders)
		}
	}
}

// TestFollowersOfALeaderThatIsGoneElectAtOnce, whichever of them notices first, and in groups of several sizes.
func TestFollowersOfALeaderThatIsGoneElectAtOnce(t *testing.T) {
	for _, size := range []int{3, 5} {
		synctest.Test(t, func(t *testing.T) {
			g := newGroup(t, size, nil)
			gone := g.settled(t, 0)
			time.Sleep(time.Second)
			synctest.Wait()
			g.cutOff(gone)
			began := time.Now()
			for id, n := range g.nodes {
				if id != gone {
					n.ReportGone(gone)
					n.ReportGone(gone)
				}
			}
			leader := g.settled(t, gone)
			// The turns of all followers together; an election timeout is ten ticks at least.
			if took := time.Since(began); took > time.Duration(size)*10*time.Millisecond {
				t.Errorf("%d members had a leader after %v", size, took)
			}
			if err := g.nodes[leader].Propose(Proposal{Data: []byte("after")}); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(time.Minute); len(g.logs[leader].list()) == 0; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the new leader does not commit")
				}
			}
		})
	}
}

// TestWrongReportDeposesNobody: a member that takes the leader for gone gets no votes from one that hears it.
func TestWrongReportDeposesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, nil)
		leader := g.settled(t, 0)
		term := g.nodes[leader].Term()
		for range 5 {
			for id, n := range g.nodes {
				n.ReportGone(leader)
				n.ReportGone(id) // somebody who does not lead
				time.Sleep(200 * time.Millisecond)
				if now := g.settled(t, 0); now != leader || g.nodes[now].Term() != term {
					t.Fatalf("member %d leads in term %d, it was %d in term %d", now, g.nodes[now].Term(), leader, term)
				}
			}
		}
	})
}

// TestVacancyEndsWithoutAQuorum: one that can not win leaves it to raft, and does not stand for ever.
func TestVacancyEndsWithoutAQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 2, nil)
		gone := g.settled(t, 0)
		left := g.nodes[3-gone]
		term := left.Term()
		g.cutOff(gone)
		left.ReportGone(gone)
		time.Sleep(time.Second)
		open := call(left, func(*raft.RawNode) bool { return left.vacancy.gone != 0 })
		if open || left.Leader() != 0 || left.Term() != term {
			t.Errorf("open %v, leader %d, term %d after %d", open, left.Leader(), left.Term(), term)
		}
	})
}
