package member

import (
	"fmt"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"quoin.dev/server/apply"
	"quoin.dev/server/membership"
)

// TestReplayRefusesWhatWasRefused makes up a history of membership changes, many of them senseless, and replays it from
// its beginning and from a snapshot in the middle, with a database that knows the end.
func TestReplayRefusesWhatWasRefused(t *testing.T) {
	for seed := range uint64(30) {
		w := NewWithT(t)
		r := rand.New(rand.NewPCG(seed, 3))
		final := membership.New(nowhere{}, membership.Options{MaxLearners: 1, Version: "3.7.3"})
		var changes []*raftpb.ConfChange
		var refused []bool
		const length = 60
		middle := r.IntN(length)
		var snapshot *raftpb.Snapshot
		for i := range length {
			if i == middle {
				snapshot = snapshotOf(final)
			}
			change := anyChange(r, uint64(i+1), final)
			_, err := final.Apply(proto.CloneOf(change))
			changes, refused = append(changes, change), append(refused, err != nil)
		}
		m := &Member{state: &apply.State{Members: final}}
		replay := func(from *raftpb.Snapshot, first int) {
			a := &machine{m: m, history: historyOf(from)}
			w.Expect(a.history).NotTo(BeNil())
			for i := first; i < length; i++ {
				w.Expect(a.wasRefused(proto.CloneOf(changes[i]))).To(Equal(refused[i]), "seed %d, from %d, change %d: %v", seed, first, i, changes[i])
			}
		}
		replay(nil, 0)
		replay(snapshot, middle)
	}
}

// snapshotOf is what a snapshot says about a cluster.
func snapshotOf(c *membership.Cluster) *raftpb.Snapshot {
	confState := new(raftpb.ConfState)
	for _, m := range c.Members() {
		if m.IsLearner {
			confState.Learners = append(confState.Learners, m.ID)
		} else {
			confState.Voters = append(confState.Voters, m.ID)
		}
	}
	return &raftpb.Snapshot{Data: c.EncodeV2Store(), Metadata: &raftpb.SnapshotMetadata{ConfState: confState}}
}

// anyChange is about a present or former member, or adds one with the id fresh: ids are made from URLs and the time, so that
// one which was refused does not come again.
func anyChange(r *rand.Rand, fresh uint64, c *membership.Cluster) *raftpb.ConfChange {
	ids := c.Removed()
	for _, m := range c.Members() {
		ids = append(ids, m.ID)
	}
	id := fresh
	if len(ids) > 0 && r.IntN(3) > 0 {
		id = ids[r.IntN(len(ids))]
	}
	urls := []string{fmt.Sprintf("http://127.0.0.1:%d", r.IntN(8)+1)}
	switch r.IntN(6) {
	case 0:
		return membership.RemoveChange(id)
	case 1:
		return membership.UpdateChange(id, urls)
	case 2:
		return membership.PromoteChange(id)
	case 3:
		return membership.AddChange(membership.Member{ID: id, PeerURLs: urls, IsLearner: true})
	}
	return membership.AddChange(membership.Member{ID: id, PeerURLs: urls})
}

// TestHistoryNeedsASnapshotThatKnowsTheMembers: without one, changes are made as the log has them.
func TestHistoryNeedsASnapshotThatKnowsTheMembers(t *testing.T) {
	w := NewWithT(t)
	c := membership.New(nowhere{}, membership.Options{})
	_, err := c.Apply(membership.AddChange(membership.Member{ID: 1, PeerURLs: []string{"http://127.0.0.1:1"}}))
	w.Expect(err).NotTo(HaveOccurred())
	good := snapshotOf(c)
	w.Expect(historyOf(good).Members()).To(HaveLen(1))
	for name, data := range map[string]string{"no data": "", "not JSON": "x", "no members": "{}"} {
		bad := proto.CloneOf(good)
		bad.Data = []byte(data)
		w.Expect(historyOf(bad)).To(BeNil(), name)
		w.Expect((&machine{history: historyOf(bad)}).wasRefused(membership.RemoveChange(1))).To(BeFalse(), name)
	}
}
