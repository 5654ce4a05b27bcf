package member

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/raftnode"
)

// A proposal can be lost when the leader changes, and nobody says so: whoever waits for it would wait in vain until the request
// times out. What is known of it is this, once an entry of a later term is applied here:
//
//   - It was put into the log of this member, which led. Terms only grow along the log, so all that was committed of the former
//     term has been applied. It is not among that, and can never be: it is proposed again.
//   - It was sent to the leader of a former term. It may still be on its way, and get to the new leader. Its fate is unknown,
//     and the client is told so when it has not come for a while.
//   - It was to be sent, and nothing of it left this member. It is proposed again, without waiting for another leader.

// era is what this member has applied of the newest term.
type era struct {
	term  uint64
	began time.Time // here
}

// reached is called when an entry of a term was applied, and all before it.
func (l *waitlist) reached(term uint64) {
	if present := l.present.Load(); present == nil || present.term < term {
		l.present.Store(&era{term: term, began: time.Now()})
	}
}

// skipped is called when a snapshot stands for entries that were not applied here: what is missing may be in it.
func (l *waitlist) skipped() {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for _, w := range s.waiting {
			if taken := w.taken.Load(); taken&inLog != 0 {
				w.taken.CompareAndSwap(taken, taken&^inLog)
			}
		}
		s.mu.Unlock()
	}
}

// The field taken of a waiter is a term, shifted to make room for this bit, which says that the proposal is in the log of this
// member. 0: raft does not have it.
const inLog = 1

// Taken implements raftnode.Owner.
func (w *waiter) Taken(term uint64, logged bool) {
	taken := term << 1
	if logged {
		taken |= inLog
	}
	w.taken.Store(taken)
}

// lostIn reports, once, that the proposal was in the log of this member and is not any more.
func (w *waiter) lostIn(present *era) bool {
	taken := w.taken.Load()
	return present != nil && taken&inLog != 0 && taken>>1 < present.term && w.taken.CompareAndSwap(taken, 0)
}

// overtakenBy reports that the proposal was sent to a leader before the present one, whose first entry was applied before a time.
func (w *waiter) overtakenBy(present *era, before time.Time) bool {
	taken := w.taken.Load()
	return present != nil && taken != 0 && taken&inLog == 0 && taken>>1 < present.term && present.began.Before(before)
}

// proposeAgain gives proposals to raft that are certain to be in no log. What it does not take is left to its deadline.
func (m *Member) proposeAgain(lost []*waiter) {
	for _, w := range lost {
		if err := m.node.Propose(w.proposal); err != nil {
			m.logger.Debug("a lost proposal could not be repeated", zap.Error(err))
		}
	}
}

// proposeUnsent lets raft have another try with the proposals of a message of which nothing has left this member. Those of
// other members are left to them.
func (m *Member) proposeUnsent(message *raftpb.Message) {
	var again []raftnode.Proposal
	for _, e := range message.GetEntries() {
		if w := m.waits.find(proposalID(e)); w != nil {
			w.taken.Store(0)
			again = append(again, w.proposal)
		}
	}
	if len(again) > 0 {
		m.node.TakeBack(again)
	}
}

// proposalID finds the id of an entry that this program has encoded, 0 if it has not.
func proposalID(e *raftpb.Entry) uint64 {
	if e.GetType() == raftpb.EntryConfChange {
		change := new(raftpb.ConfChange)
		if err := proto.Unmarshal(e.GetData(), change); err != nil {
			return 0
		}
		return change.GetId()
	}
	r := new(pb.InternalRaftRequest)
	if err := r.UnmarshalVTUnsafe(e.GetData()); err != nil {
		return 0
	}
	return requestID(r)
}
