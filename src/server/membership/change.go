package membership

import (
	"encoding/json"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/storage/roster"
	"quoin.dev/storage/schema"
)

// changeContext is the JSON that a conf change carries: the member, and whether an added voter is a promoted learner.
type changeContext struct {
	Member
	IsPromote bool `json:"isPromote,omitempty"`
}

// AddChange is the change that adds m, as a learner if it is one.
func AddChange(m Member) *raftpb.ConfChange { return roster.AddChange(m) }

// RemoveChange is the change that removes a member for good.
func RemoveChange(id uint64) *raftpb.ConfChange {
	return newChange(raftpb.ConfChangeRemoveNode, id, nil)
}

// UpdateChange is the change that gives a member other peer URLs.
func UpdateChange(id uint64, peerURLs []string) *raftpb.ConfChange {
	return newChange(raftpb.ConfChangeUpdateNode, id, mustJSON(Member{ID: id, PeerURLs: peerURLs}))
}

// PromoteChange is the change that gives a learner a vote.
func PromoteChange(id uint64) *raftpb.ConfChange {
	return newChange(raftpb.ConfChangeAddNode, id, mustJSON(changeContext{Member: Member{ID: id}, IsPromote: true}))
}

func newChange(kind raftpb.ConfChangeType, id uint64, context []byte) *raftpb.ConfChange {
	return &raftpb.ConfChange{Type: kind.Enum(), NodeId: new(id), Context: context}
}

// EffectKind says what an applied change did to the member list.
type EffectKind uint8

// The effects.
const (
	Added EffectKind = iota + 1
	Removed
	Updated
	Promoted
)

// Effect is what an applied change did, for those who keep connections by it. Member is the state after the change,
// or before it for Removed.
type Effect struct {
	Kind   EffectKind
	Member Member
}

// Validate tells what Apply would refuse at this moment, so that a proposal that can not succeed is not made.
func (c *Cluster) Validate(change *raftpb.ConfChange) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, err := c.resolve(change)
	return err
}

// Apply makes a committed change effective and persists it, or refuses it with one of the errors above and changes
// nothing. Every member decides alike, since all hold the same state at the same entry.
func (c *Cluster) Apply(change *raftpb.ConfChange) (Effect, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	effect, err := c.resolve(change)
	if err != nil {
		return Effect{}, err
	}
	m := effect.Member
	if effect.Kind == Removed {
		delete(c.members, m.ID)
		c.removed[m.ID] = true
		schema.RemoveMember(c.rows, m.ID)
		return effect, nil
	}
	c.members[m.ID] = m
	schema.PutMember(c.rows, m)
	return effect, nil
}

// resolve holds a change against the applied members. Seeds do not count: their own entries are still to come.
func (c *Cluster) resolve(change *raftpb.ConfChange) (Effect, error) {
	id := change.GetNodeId()
	present, known := c.members[id]
	if c.removed[id] {
		return Effect{}, ErrIDRemoved
	}
	switch change.GetType() {
	case raftpb.ConfChangeAddNode, raftpb.ConfChangeAddLearnerNode:
		return c.resolveAdd(decodeContext(change), present, known)
	case raftpb.ConfChangeRemoveNode:
		if !known {
			return Effect{}, ErrIDNotFound
		}
		if !present.IsLearner && c.isLastVoter(id) {
			return Effect{}, ErrLastVoter
		}
		return Effect{Removed, present}, nil
	case raftpb.ConfChangeUpdateNode:
		if !known {
			return Effect{}, ErrIDNotFound
		}
		urls := decodeContext(change).PeerURLs
		if c.urlTaken(urls, id) {
			return Effect{}, ErrPeerURLExists
		}
		// Only the URLs change: a record built anew would lose the learner flag and make a voter of it (etcd#21694).
		present.PeerURLs = urls
		return Effect{Updated, present}, nil
	}
	panic(fmt.Sprintf("membership: conf change of unknown type %d for member %s: expected add, remove, update or add learner; "+
		"start this member with a version that supports it", change.GetType(), FormatID(id)))
}

func (c *Cluster) resolveAdd(context changeContext, present Member, known bool) (Effect, error) {
	if context.IsPromote {
		switch {
		case !known:
			return Effect{}, ErrIDNotFound
		case !present.IsLearner:
			return Effect{}, ErrNotLearner
		}
		present.IsLearner = false
		return Effect{Promoted, present}, nil
	}
	switch {
	case known:
		return Effect{}, ErrIDExists
	case c.urlTaken(context.PeerURLs, context.ID):
		return Effect{}, ErrPeerURLExists
	case context.IsLearner && c.learners() >= c.options.MaxLearners:
		return Effect{}, ErrTooManyLearners
	}
	return Effect{Added, context.Member}, nil
}

func (c *Cluster) urlTaken(urls []string, except uint64) bool {
	for id, m := range c.members {
		if id == except {
			continue
		}
		for _, u := range urls {
			if slices.Contains(m.PeerURLs, u) {
				return true
			}
		}
	}
	return false
}

func (c *Cluster) learners() int {
	n := 0
	for _, m := range c.members {
		if m.IsLearner {
			n++
		}
	}
	return n
}

func (c *Cluster) isLastVoter(id uint64) bool {
	for other, m := range c.members {
		if other != id && !m.IsLearner {
			return false
		}
	}
	return true
}

// decodeContext reads the context of a change that was committed. One that does not fit is a damaged log or a fault of
// the proposer, and going on would let the members drift apart.
func decodeContext(change *raftpb.ConfChange) changeContext {
	var context changeContext
	if err := json.Unmarshal(change.GetContext(), &context); err != nil {
		panic(fmt.Sprintf("membership: context of a conf change for member %s does not decode (%v): expected JSON of a member; "+
			"the log is damaged, restore this member from a snapshot or remove it and add it again", FormatID(change.GetNodeId()), err))
	}
	if context.ID != change.GetNodeId() {
		panic(fmt.Sprintf("membership: conf change for member %s carries member %s: expected the same; "+
			"the log is damaged, restore this member from a snapshot or remove it and add it again",
			FormatID(change.GetNodeId()), FormatID(context.ID)))
	}
	return context
}
