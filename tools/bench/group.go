package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"quoin.dev/api/etcdserverpb"
)

const (
	groupSize = 3
	// settleTimeout bounds how long a cluster may take until it has a leader that all know, or until a member has caught up.
	settleTimeout = 5 * time.Minute
	groupPoll     = 5 * time.Millisecond
	statusTimeout = time.Second
)

// node is a member of a group, with a connection to it.
type node struct {
	*member
	*remote
	seat seat
}

// group is a cluster of real processes. Members may be down for a while; that is what it is for.
type group struct {
	options   *options
	contender contender
	dir       string
	nodes     []*node
}

// startGroup starts a new cluster and waits until every member of it answers.
func startGroup(ctx context.Context, o *options, c contender, dir string) (_ *group, err error) {
	g := &group{options: o, contender: c, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.stop())
		}
	}()
	for range groupSize {
		if err := g.reserve(); err != nil {
			return nil, err
		}
	}
	for _, n := range g.nodes {
		n.args = serverArgs(o, c, n.seat, "--initial-cluster="+g.initial())
		if err := n.launch(); err != nil {
			return nil, err
		}
	}
	for _, n := range g.nodes {
		if err := n.awaitReady(ctx, time.Now()); err != nil {
			return nil, err
		}
	}
	_, err = g.leader(ctx)
	return g, err
}

// reserve gives one more member a name, a folder and ports.
func (g *group) reserve() error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("m%d", len(g.nodes))
	s := seat{name: name, dir: filepath.Join(g.dir, name), client: ports[0], peer: "http://" + ports[1]}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	r, err := newRemote(s.client)
	if err != nil {
		return err
	}
	g.nodes = append(g.nodes, &node{member: &member{name: g.contender.Name, dir: s.dir, address: s.client}, remote: r, seat: s})
	return nil
}

// initial is the --initial-cluster of all who are in it.
func (g *group) initial() string {
	var all []string
	for _, n := range g.nodes {
		all = append(all, n.seat.name+"="+n.seat.peer)
	}
	return strings.Join(all, ",")
}

// running are the members whose process is there.
func (g *group) running() []*node {
	var out []*node
	for _, n := range g.nodes {
		if n.cmd != nil && !n.member.ended() {
			out = append(out, n)
		}
	}
	return out
}

// stop ends all at the same time.
func (g *group) stop() error {
	for _, n := range g.running() {
		n.signal(syscall.SIGTERM)
	}
	var errs []error
	for _, n := range g.nodes {
		if n.cmd != nil {
			errs = append(errs, n.member.stop())
		}
		errs = append(errs, n.conn.Close())
	}
	return errors.Join(errs...)
}

func (g *group) ended() bool { return len(g.running()) < len(g.nodes) }

func (g *group) logTail() []byte {
	var out bytes.Buffer
	for _, n := range g.nodes {
		fmt.Fprintf(&out, "%s:\n%s", n.seat.name, n.member.logTail())
	}
	return out.Bytes()
}

func (g *group) measure(ctx context.Context, r *runner, row *row, round int) (values, error) {
	leader, err := g.leader(ctx)
	if err != nil {
		return nil, err
	}
	if row.kind == kindOutage {
		return row.outage(ctx, r, g)
	}
	return r.measure(ctx, leader.member, row, round)
}

// until calls done again and again until it says so.
func until(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("%s: not within %v", what, settleTimeout))
	defer cancel()
	for !done() {
		if err := pause(ctx, groupPoll); err != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// leader waits until all running members agree on one of them.
func (g *group) leader(ctx context.Context) (leader *node, err error) {
	err = until(ctx, "a leader", func() bool {
		var states []*etcdserverpb.StatusResponse
		nodes := g.running()
		for _, n := range nodes {
			s, err := n.status(ctx)
			if err != nil {
				return false
			}
			states = append(states, s)
		}
		i := agreed(states)
		if i >= 0 {
			leader = nodes[i]
		}
		return i >= 0
	})
	return leader, err
}

// agreed is the place of the member that all hold for the leader, -1 if there is none.
func agreed(states []*etcdserverpb.StatusResponse) int {
	at := -1
	for i, s := range states {
		if s.Leader != states[0].Leader {
			return -1
		}
		if s.Header.MemberId == s.Leader {
			at = i
		}
	}
	return at
}

// caughtUp waits until a member has applied what another one had applied just before.
func (g *group) caughtUp(ctx context.Context, n *node) error {
	return until(ctx, n.seat.name+" catches up", func() bool {
		var most uint64
		for _, other := range g.running() {
			if other == n {
				continue
			}
			s, err := other.status(ctx)
			if err != nil {
				return false
			}
			most = max(most, s.RaftAppliedIndex)
		}
		s, err := n.status(ctx)
		return err == nil && s.Leader != 0 && s.RaftAppliedIndex >= most
	})
}
