package membership_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/server/membership"
	"quoin.dev/storage/backend"
)

var options = membership.Options{MaxLearners: 1, Version: "3.7.3"}

func member(id uint64, url string) membership.Member {
	return membership.Member{ID: id, PeerURLs: []string{url}}
}

func learner(id uint64, url string) membership.Member {
	m := member(id, url)
	m.IsLearner = true
	return m
}

func apply(t *testing.T, c *membership.Cluster, changes ...*raftpb.ConfChange) {
	t.Helper()
	for _, change := range changes {
		if _, err := c.Apply(change); err != nil {
			t.Fatal(err)
		}
	}
}

func TestChanges(t *testing.T) {
	tests := []struct {
		name   string
		change *raftpb.ConfChange
		effect membership.Effect
		err    error
	}{
		{"add", membership.AddChange(member(9, "http://9")), membership.Effect{Kind: membership.Added, Member: member(9, "http://9")}, nil},
		{"add a known id", membership.AddChange(member(1, "http://9")), membership.Effect{}, membership.ErrIDExists},
		{"add a taken URL", membership.AddChange(member(9, "http://1")), membership.Effect{}, membership.ErrPeerURLExists},
		{"add a removed id", membership.AddChange(member(4, "http://9")), membership.Effect{}, membership.ErrIDRemoved},
		{"add a second learner", membership.AddChange(learner(9, "http://9")), membership.Effect{}, membership.ErrTooManyLearners},
		{"promote", membership.PromoteChange(3), membership.Effect{Kind: membership.Promoted, Member: member(3, "http://3")}, nil},
		{"promote a voter", membership.PromoteChange(1), membership.Effect{}, membership.ErrNotLearner},
		{"promote an unknown id", membership.PromoteChange(9), membership.Effect{}, membership.ErrIDNotFound}, // etcd#20387
		{"promote a removed id", membership.PromoteChange(4), membership.Effect{}, membership.ErrIDRemoved},
		{"remove", membership.RemoveChange(2), membership.Effect{Kind: membership.Removed, Member: member(2, "http://2")}, nil},
		{"remove an unknown id", membership.RemoveChange(9), membership.Effect{}, membership.ErrIDNotFound},
		{"remove a removed id", membership.RemoveChange(4), membership.Effect{}, membership.ErrIDRemoved},
		{"update", membership.UpdateChange(1, []string{"http://x"}), membership.Effect{Kind: membership.Updated, Member: member(1, "http://x")}, nil},
		{"update to its own URL", membership.UpdateChange(1, []string{"http://1"}), membership.Effect{Kind: membership.Updated, Member: member(1, "http://1")}, nil},
		{"update to a taken URL", membership.UpdateChange(1, []string{"http://2"}), membership.Effect{}, membership.ErrPeerURLExists},
		{"update an unknown id", membership.UpdateChange(9, []string{"http://x"}), membership.Effect{}, membership.ErrIDNotFound}, // etcd#20051
		// etcd#21694: an update that rebuilds the record would turn the learner into a voter.
		{"update a learner", membership.UpdateChange(3, []string{"http://x"}), membership.Effect{Kind: membership.Updated, Member: learner(3, "http://x")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stored := rows{}
			c := membership.New(stored, options)
			apply(t, c, membership.AddChange(member(1, "http://1")), membership.AddChange(member(2, "http://2")),
				membership.AddChange(learner(3, "http://3")), membership.AddChange(member(4, "http://4")), membership.RemoveChange(4))
			before := c.Members()

			if err := c.Validate(tt.change); !errors.Is(err, tt.err) {
				t.Errorf("Validate: %v, want %v", err, tt.err)
			}
			effect, err := c.Apply(tt.change)
			if !errors.Is(err, tt.err) || !reflect.DeepEqual(effect, tt.effect) {
				t.Fatalf("Apply: %+v, %v, want %+v, %v", effect, err, tt.effect, tt.err)
			}
			if err != nil && !reflect.DeepEqual(before, c.Members()) {
				t.Error("a refused change changed the members")
			}
			// etcd#19557: whatever is in memory is also in the rows.
			again, err := membership.Load(stored, stored, options)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(again.Members(), c.Members()) || !reflect.DeepEqual(again.Removed(), c.Removed()) {
				t.Errorf("rows hold %v %v, memory %v %v", again.Members(), again.Removed(), c.Members(), c.Removed())
			}
		})
	}
}

func TestContextJSON(t *testing.T) {
	for _, tt := range []struct {
		change *raftpb.ConfChange
		kind   raftpb.ConfChangeType
		want   string
	}{
		{membership.AddChange(learner(7, "http://7")), raftpb.ConfChangeAddLearnerNode, `{"id":7,"peerURLs":["http://7"],"isLearner":true}`},
		{membership.PromoteChange(7), raftpb.ConfChangeAddNode, `{"id":7,"peerURLs":null,"isPromote":true}`},
		{membership.UpdateChange(7, []string{"http://8"}), raftpb.ConfChangeUpdateNode, `{"id":7,"peerURLs":["http://8"]}`},
		{membership.RemoveChange(7), raftpb.ConfChangeRemoveNode, ``},
	} {
		if got := string(tt.change.GetContext()); got != tt.want || tt.change.GetType() != tt.kind || tt.change.GetNodeId() != 7 {
			t.Errorf("got %s %s, want %s", tt.change.GetType(), got, tt.want)
		}
	}
}

// The changes that founded real clusters lead to the rows that those clusters wrote.
func TestGoldenChangesLeadToGoldenRows(t *testing.T) {
	for _, g := range golden(t) {
		stored := rows{}
		c := membership.New(stored, options)
		for _, cc := range g.ConfChanges {
			id, err := membership.ParseID(cc.ID)
			if err != nil {
				t.Fatal(err)
			}
			effect, err := c.Apply(&raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(id), Context: []byte(cc.Context)})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(membership.AddChange(effect.Member).GetContext()); got != cc.Context {
				t.Errorf("context %s, want %s", got, cc.Context)
			}
		}
		wantRows := g.rows()
		want, err := membership.Load(wantRows, rows{}, options)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range want.Members() {
			c.SetAttributes(m.ID, m.Name, m.ClientURLs)
		}
		c.SetVersion(want.Version())
		for _, bucket := range []backend.Bucket{backend.Members, backend.MembersRemoved, backend.Cluster} {
			if len(wantRows[bucket]) > 0 && !reflect.DeepEqual(stored[bucket], wantRows[bucket]) {
				t.Errorf("%s: bucket %s: got %v, want %v", g.Name, bucket.Name(), stored[bucket], wantRows[bucket])
			}
		}
	}
}

func TestDamagedContextPanics(t *testing.T) {
	for name, change := range map[string]*raftpb.ConfChange{
		"does not decode":  {Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(1)), Context: []byte("x")},
		"carries member 2": {Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(1)), Context: []byte(`{"id":2}`)},
		"unknown type":     {Type: raftpb.ConfChangeType(9).Enum(), NodeId: new(uint64(1))},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(r.(string), name) {
					t.Errorf("got panic %v", r)
				}
			}()
			membership.New(rows{}, options).Apply(change) //nolint:errcheck // it panics
		})
	}
}

// Whatever else a member knows, a change that raft could not survive is refused by all of them alike.
func TestLastVoterIsNotRemoved(t *testing.T) {
	c := membership.New(rows{}, options)
	apply(t, c, membership.AddChange(member(1, "http://1")), membership.AddChange(learner(2, "http://2")))
	if _, err := c.Apply(membership.RemoveChange(1)); !errors.Is(err, membership.ErrLastVoter) {
		t.Errorf("got %v", err)
	}
	apply(t, c, membership.PromoteChange(2), membership.RemoveChange(1))
}
