package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"quoin.dev/client"

	processes "quoin.dev/quoin/e2e/cluster"
)

// askTimeout bounds one question to members.
const askTimeout = 2 * time.Second

// Leader is the member that leads. If several say so, it is the one with the highest term.
func (c *Cluster) Leader(ctx context.Context) (*Member, error) {
	for {
		if leader := c.leader(ctx); leader != nil {
			return leader, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no member says that it leads: %w", ctx.Err())
		case <-time.After(pollInterval):
		}
	}
}

// leader asks all members at a time, so that one that does not answer holds up nothing but its own answer.
func (c *Cluster) leader(ctx context.Context) *Member {
	type answer struct {
		member *Member
		term   uint64
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	members := c.Members()
	answers := make(chan answer, len(members))
	for _, m := range members {
		go func() {
			a := answer{}
			_ = c.ask(func(one *client.Client) error {
				status, err := one.Status(ctx, m.ClientURL)
				if err == nil && status.Leader == status.Header.MemberId {
					a = answer{m, status.RaftTerm}
				}
				return err
			}, m)
			answers <- a
		}()
	}
	var best answer
	for range members {
		if a := <-answers; a.member != nil && a.term > best.term {
			best = a
		}
	}
	return best.member
}

// Add makes a member and adds it to the cluster. It is not started yet. What fails is tried again until the context ends.
func (c *Cluster) Add(ctx context.Context, p Program, learner bool) (*Member, error) {
	m, err := c.newMember(ctx, p)
	if err != nil {
		return nil, err
	}
	var list []*client.Member
	err = c.retry(ctx, func(ctx context.Context, one *client.Client) error {
		list, err = add(ctx, one, m.PeerURL, learner)
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.former = append(c.former, m)
		return nil, fmt.Errorf("add %s: %w", m.Name, err)
	}
	m.initial = []string{"--initial-cluster-state=existing", "--initial-cluster=" + processes.Initial(list, m.Name, m.PeerURL)}
	c.members = append(c.members, m)
	return m, nil
}

// add returns the members once the new one is among them. It may be already, when an earlier attempt was not answered.
func add(ctx context.Context, one *client.Client, peerURL string, learner bool) ([]*client.Member, error) {
	list, err := one.MemberList(ctx)
	if err != nil {
		return nil, err
	}
	if find(list.Members, peerURL) != nil {
		return list.Members, nil
	}
	change := one.MemberAdd
	if learner {
		change = one.MemberAddAsLearner
	}
	added, err := change(ctx, []string{peerURL})
	if err != nil {
		return nil, err
	}
	return added.Members, nil
}

// Promote gives a learner its vote, as soon as it has caught up. What fails is tried again until the context ends.
func (c *Cluster) Promote(ctx context.Context, m *Member) error {
	err := c.retry(ctx, func(ctx context.Context, one *client.Client) error {
		list, err := one.MemberList(ctx)
		if err != nil {
			return err
		}
		known := find(list.Members, m.PeerURL)
		switch {
		case known == nil:
			return fmt.Errorf("the cluster does not know %s", m.PeerURL)
		case !known.IsLearner:
			return nil
		}
		_, err = one.MemberPromote(ctx, known.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("promote %s: %w", m.Name, err)
	}
	return nil
}

// Remove takes a member out of the cluster. Its process is left alone: it should end by itself. What fails is tried again until the
// context ends.
func (c *Cluster) Remove(ctx context.Context, m *Member) error {
	err := c.retry(ctx, func(ctx context.Context, one *client.Client) error {
		list, err := one.MemberList(ctx)
		if err != nil {
			return err
		}
		known := find(list.Members, m.PeerURL)
		if known == nil {
			return nil
		}
		_, err = one.MemberRemove(ctx, known.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w", m.Name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members = slices.DeleteFunc(c.members, func(other *Member) bool { return other == m })
	c.former = append(c.former, m)
	return nil
}

// retry asks the members that run until it succeeds or the context ends.
func (c *Cluster) retry(ctx context.Context, f func(context.Context, *client.Client) error) error {
	for {
		err := c.ask(func(one *client.Client) error {
			ctx, cancel := context.WithTimeout(ctx, changeTimeout)
			defer cancel()
			return f(ctx, one)
		}, c.Members()...)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, with the last error: %w", ctx.Err(), err)
		case <-time.After(retryInterval):
		}
	}
}

// changeTimeout bounds one attempt to change the cluster; retryInterval is the pause before the next one.
const (
	changeTimeout = 10 * time.Second
	retryInterval = 200 * time.Millisecond
)

func find(members []*client.Member, peerURL string) *client.Member {
	for _, m := range members {
		if slices.Contains(m.PeerURLs, peerURL) {
			return m
		}
	}
	return nil
}
