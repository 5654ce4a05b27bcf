package raftnode

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// taker is an owner that remembers what became of its proposal.
type taker struct {
	mu    sync.Mutex
	terms []uint64
	inLog bool // of the node that proposed it, the last time
}

func (*taker) Gone() bool { return false }

func (o *taker) Taken(term uint64, logged bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.terms, o.inLog = append(o.terms, term), logged
}

func (o *taker) state() ([]uint64, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.terms), o.inLog
}

// TestProposalTakenBackGetsToTheNextLeader: a follower gives it to a leader that it can not reach any more.
func TestProposalTakenBackGetsToTheNextLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, nil)
		gone := g.settled(t, 0)
		term := g.nodes[gone].Term()
		from := g.nodes[gone%3+1]
		g.cutOff(gone)
		o := new(taker)
		p := Proposal{Data: []byte("a"), Owner: o}
		if err := from.Propose(p); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if terms, inLog := o.state(); !slices.Equal(terms, []uint64{term}) || inLog {
			t.Fatalf("taken in terms %v, in the log: %v; expected term %d, forwarded", terms, inLog, term)
		}
		from.TakeBack([]Proposal{p})
		synctest.Wait()
		if terms, _ := o.state(); len(terms) != 1 {
			t.Errorf("taken %d times: expected it to be held until the next tick", len(terms))
		}
		for id, n := range g.nodes {
			if id != gone {
				n.ReportGone(gone)
			}
		}
		g.settled(t, gone)
		time.Sleep(time.Second)
		synctest.Wait()
		for id := range g.nodes {
			if id != gone && !slices.Equal(g.logs[id].list(), []string{"a"}) {
				t.Errorf("member %d has applied %v", id, g.logs[id].list())
			}
		}
	})
}

// TestLeaderTellsThatAProposalIsInItsLog: that is the one of the term in which it leads.
func TestLeaderTellsThatAProposalIsInItsLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, nil)
		leader := g.nodes[g.settled(t, 0)]
		o := new(taker)
		if err := leader.Propose(Proposal{Data: []byte("a"), Owner: o}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if terms, inLog := o.state(); !slices.Equal(terms, []uint64{leader.Term()}) || !inLog {
			t.Errorf("taken in terms %v, in the log: %v", terms, inLog)
		}
	})
}
