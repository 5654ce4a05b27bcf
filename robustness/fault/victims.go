package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"quoin.dev/quoin/robustness/cluster"
)

// leaderTimeout bounds the search for a leader; a cluster that has none is harmed at random.
const leaderTimeout = 3 * time.Second

// victims are the members that a step names.
func (w *World) victims(ctx context.Context, names string, random *rand.Rand) ([]*cluster.Member, error) {
	all := w.Cluster.Members()
	if names == "" || names == "all" {
		return all, nil
	}
	if slices.Contains([]string{"leader", "follower", "minority", "majority"}, names) {
		return w.part(ctx, names, random), nil
	}
	var some []*cluster.Member
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(all, func(m *cluster.Member) bool { return m.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no member %q", name)
		}
		some = append(some, all[at])
	}
	return some, nil
}

// part casts a part that is played by the members as they are now.
func (w *World) part(ctx context.Context, name string, random *rand.Rand) []*cluster.Member {
	voters := slices.DeleteFunc(slices.Clone(w.Cluster.Members()), w.isLearner)
	random.Shuffle(len(voters), func(a, b int) { voters[a], voters[b] = voters[b], voters[a] })
	ctx, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel()
	// The leader, if there is one, stands first.
	if leader, err := w.Cluster.Leader(ctx); err == nil {
		if at := slices.Index(voters, leader); at > 0 {
			voters[0], voters[at] = voters[at], voters[0]
		}
	}
	minority := (len(voters) - 1) / 2
	switch name {
	case "leader":
		return voters[:1]
	case "follower":
		return voters[len(voters)-1:]
	case "minority":
		return voters[:max(1, minority)]
	default:
		return voters[:len(voters)-minority]
	}
}

// isLearner tells whether m has no vote, as far as the faults that add members know.
func (w *World) isLearner(m *cluster.Member) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.learners[m.Name]
}

func (w *World) setLearner(m *cluster.Member, learner bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.learners == nil {
		w.learners = map[string]bool{}
	}
	w.learners[m.Name] = learner
}
