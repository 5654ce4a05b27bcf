package main

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"quoin.dev/api/etcdserverpb"
)

const (
	// outagesEach is how many times in a round a fault is played that is over soon; outagesQuick with -quick.
	outagesEach, outagesQuick = 5, 2
	pausedFor                 = 3 * time.Second
)

// outageScenes is what is measured of clusters to which something happens. keys is the number of keys where 1m is meant.
func outageScenes(keys int64) []scene {
	outage := func(name, help string, f func(context.Context, *runner, *group) (values, error)) row {
		return row{name: name, help: help, kind: kindOutage, outage: f}
	}
	fill := fillRow("", "", keys, 64, 1<<10)
	return []scene{
		{name: "outage", trio: true, rows: []row{
			outage("leader-kill", "three members, SIGKILL of the leader beside puts, then its start: longest time without a put", leaderKill),
			outage("leader-stop", "the same with SIGTERM", leaderStop),
			outage("move-leader", "the same with MoveLeader", moveLeader),
			outage("leader-pause", "the same with a leader that sleeps for 3 s (SIGSTOP, SIGCONT)", leaderPause),
			outage("rolling-restart", "three members, each stopped and started in turn beside puts", rollingRestart),
		}},
		{name: "join", trio: true, fill: &fill, rows: []row{
			outage("join", "a fourth member of a cluster with 1M keys of 1 KB, from its addition as a learner until it has a vote", join),
		}},
	}
}

// beside plays a fault while writers put, and returns the longest time without a put from then until all is well again.
func (g *group) beside(ctx context.Context, fault func(*writers) error) (time.Duration, error) {
	for _, n := range g.running() {
		if err := g.caughtUp(ctx, n); err != nil {
			return 0, err
		}
	}
	w := startWriters(ctx, g.running())
	defer w.stop()
	if err := w.enough(ctx); err != nil {
		return 0, err
	}
	w.gauge.forget()
	if err := fault(w); err != nil {
		return 0, err
	}
	if err := w.enough(ctx); err != nil {
		return 0, err
	}
	_, gap := w.gauge.read()
	return gap, nil
}

// outages plays a fault of the leader several times.
func (r *runner) outages(ctx context.Context, g *group, fault func(leader *node, w *writers) error) (values, error) {
	times := outagesEach
	if r.options.quick {
		times = outagesQuick
	}
	var gaps []float64
	for i := range times {
		r.progress.part(float64(i) / float64(times))
		gap, err := g.beside(ctx, func(w *writers) error {
			leader, err := g.leader(ctx)
			if err != nil {
				return err
			}
			return fault(leader, w)
		})
		if err != nil {
			return nil, err
		}
		gaps = append(gaps, milliseconds(gap))
	}
	return values{metricGap: median(gaps), metricGapWorst: slices.Max(gaps)}, nil
}

// leaderEnds ends the process of the leader in some way, and starts it again when the others go on.
func (r *runner) leaderEnds(ctx context.Context, g *group, end func(*node) error) (values, error) {
	var caughtUp []float64
	v, err := r.outages(ctx, g, func(leader *node, w *writers) error {
		if err := end(leader); err != nil {
			return err
		}
		if _, err := g.leader(ctx); err != nil {
			return err
		}
		if err := w.enough(ctx); err != nil {
			return err
		}
		took, err := g.restart(ctx, leader)
		caughtUp = append(caughtUp, took.Seconds())
		return err
	})
	if err != nil {
		return nil, err
	}
	v[metricCaughtUp] = median(caughtUp)
	return v, nil
}

// restart starts a member that is down, and returns how long it takes to catch up.
func (g *group) restart(ctx context.Context, n *node) (time.Duration, error) {
	began := time.Now()
	err := n.launch()
	if err == nil {
		err = g.caughtUp(ctx, n)
	}
	return time.Since(began), err
}

func leaderKill(ctx context.Context, r *runner, g *group) (values, error) {
	return r.leaderEnds(ctx, g, func(leader *node) error {
		leader.signal(syscall.SIGKILL)
		return leader.member.stop()
	})
}

func leaderStop(ctx context.Context, r *runner, g *group) (values, error) {
	return r.leaderEnds(ctx, g, func(leader *node) error { return leader.member.stop() })
}

func moveLeader(ctx context.Context, r *runner, g *group) (values, error) {
	return r.outages(ctx, g, func(leader *node, _ *writers) error {
		i := slices.Index(g.nodes, leader)
		next, err := g.nodes[(i+1)%len(g.nodes)].status(ctx)
		if err != nil {
			return err
		}
		_, err = leader.maintenance.MoveLeader(ctx, &etcdserverpb.MoveLeaderRequest{TargetID: next.Header.MemberId})
		return err
	})
}

func leaderPause(ctx context.Context, r *runner, g *group) (values, error) {
	return r.outages(ctx, g, func(leader *node, w *writers) error {
		leader.signal(syscall.SIGSTOP)
		err := pause(ctx, pausedFor)
		leader.signal(syscall.SIGCONT)
		return errors.Join(err, w.enough(ctx))
	})
}

func rollingRestart(ctx context.Context, r *runner, g *group) (values, error) {
	began := time.Now()
	var caughtUp []float64
	gap, err := g.beside(ctx, func(w *writers) error {
		for i, n := range g.nodes {
			r.progress.part(float64(i) / float64(len(g.nodes)))
			if err := n.member.stop(); err != nil {
				return err
			}
			took, err := g.restart(ctx, n)
			if err := errors.Join(err, w.enough(ctx)); err != nil {
				return err
			}
			caughtUp = append(caughtUp, took.Seconds())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values{metricGap: milliseconds(gap), metricCaughtUp: median(caughtUp), metricJob: time.Since(began).Seconds()}, nil
}
