package main

import (
	"context"
	"fmt"
	"time"

	"quoin.dev/api/etcdserverpb"
)

// join adds a learner to a cluster, and promotes it as soon as the leader lets it.
func join(ctx context.Context, r *runner, g *group) (values, error) {
	var took time.Duration
	gap, err := g.beside(ctx, func(*writers) error {
		leader, err := g.leader(ctx)
		if err != nil {
			return err
		}
		took, err = g.add(ctx, leader)
		return err
	})
	if err != nil {
		return nil, err
	}
	return values{metricVoter: took.Seconds(), metricGap: milliseconds(gap)}, nil
}

// add makes the group one member larger, and returns how long it takes from the addition until the new one has a vote.
func (g *group) add(ctx context.Context, leader *node) (time.Duration, error) {
	if err := g.reserve(); err != nil {
		return 0, err
	}
	n := g.nodes[len(g.nodes)-1]
	began := time.Now()
	added, err := leader.cluster.MemberAdd(ctx, &etcdserverpb.MemberAddRequest{PeerURLs: []string{n.seat.peer}, IsLearner: true})
	if err != nil {
		return 0, fmt.Errorf("adding a learner: %w", err)
	}
	n.args = serverArgs(g.options, g.contender, n.seat, "--initial-cluster="+g.initial(), "--initial-cluster-state=existing")
	if err := n.launch(); err != nil {
		return 0, err
	}
	var last error
	err = until(ctx, "a promotion", func() bool {
		_, last = leader.cluster.MemberPromote(ctx, &etcdserverpb.MemberPromoteRequest{ID: added.Member.ID})
		return last == nil || n.member.ended()
	})
	if err == nil {
		err = last
	}
	if err != nil {
		return 0, fmt.Errorf("promoting the learner: %w; its last answer: %v", err, last)
	}
	return time.Since(began), nil
}
