package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"quoin.dev/client"
	"quoin.dev/quoin/robustness/cluster"
)

const (
	// callTimeout bounds one call of the lab to a member.
	callTimeout = 2 * time.Second
	// removeTimeout bounds how long a cluster may take to let a member go.
	removeTimeout = 20 * time.Second
)

// serviceKinds are what operators do to a cluster that works.
var serviceKinds = []Kind{
	{Name: "move-leader", What: "hands leadership over again and again", inject: again("leadership was handed over", moveLeader)},
	{Name: "defragment", What: "defragments the victims again and again", inject: again("defragmented", defragment)},
	{Name: "compact", What: "compacts to a little behind the head again and again", inject: again("compacted", compact)},
	{Name: "backup", What: "reads snapshots of the victims again and again", inject: again("a snapshot was read", backup)},
	{Name: "upgrade", What: "stops the process and starts quoin on its data", inject: upgrade},
	{Name: "membership", What: "adds a learner, promotes it and removes it again", inject: membership},
}

// again does one thing after the other, n of them before, until the fault is healed. What fails is tried again: members may be down.
func again(done string, do func(ctx context.Context, i *Injection, n int) error) func(context.Context, *Injection) error {
	return func(ctx context.Context, i *Injection) error {
		var times atomic.Int64
		var last atomic.Pointer[error]
		random := i.draws()
		i.proof(func(context.Context) (string, error) {
			if n := times.Load(); n > 0 {
				return fmt.Sprintf("%s %d times", done, n), nil
			}
			if err := last.Load(); err != nil {
				return "", fmt.Errorf("never %s: %w", done, *err)
			}
			return "", fmt.Errorf("never %s", done)
		})
		i.background(context.WithoutCancel(ctx), func(ctx context.Context) error {
			for n := 0; ; n++ {
				calling, cancel := context.WithTimeout(ctx, callTimeout)
				err := do(calling, i, n)
				cancel()
				if err == nil {
					times.Add(1)
				} else {
					last.Store(&err)
				}
				if !between(ctx, random, 100*time.Millisecond, 600*time.Millisecond) {
					return nil
				}
			}
		})
		return nil
	}
}

// to calls something at one member.
func (i *Injection) to(m *cluster.Member, call func(*client.Client) error) error {
	c, err := i.Cluster.Client(i.Access, m)
	if err != nil {
		return err
	}
	return errors.Join(call(c), c.Close())
}

func moveLeader(ctx context.Context, i *Injection, n int) error {
	leader, err := i.Cluster.Leader(ctx)
	if err != nil {
		return err
	}
	return i.to(leader, func(c *client.Client) error {
		list, err := c.MemberList(ctx)
		if err != nil {
			return err
		}
		var others []uint64
		for _, m := range list.Members {
			if !m.IsLearner && m.ID != list.Header.MemberId {
				others = append(others, m.ID)
			}
		}
		if len(others) == 0 {
			return errors.New("there is no other voter")
		}
		_, err = c.MoveLeader(ctx, others[n%len(others)])
		return err
	})
}

func defragment(ctx context.Context, i *Injection, n int) error {
	m := i.Victims[n%len(i.Victims)]
	return i.to(m, func(c *client.Client) error {
		_, err := c.Defragment(ctx, m.ClientURL)
		return err
	})
}

// keptRevisions is how far behind the head compactions stay, so that most watches and reads of the past go on.
const keptRevisions = 100

func compact(ctx context.Context, i *Injection, n int) error {
	m := i.Victims[n%len(i.Victims)]
	return i.to(m, func(c *client.Client) error {
		head, err := c.Get(ctx, "head")
		if err != nil {
			return err
		}
		_, err = c.Compact(ctx, max(1, head.Header.Revision-keptRevisions))
		return err
	})
}

func backup(ctx context.Context, i *Injection, n int) error {
	m := i.Victims[n%len(i.Victims)]
	return i.to(m, func(c *client.Client) error {
		snapshot, err := c.Snapshot(ctx)
		if err != nil {
			return err
		}
		defer snapshot.Close()
		read, err := io.Copy(io.Discard, snapshot)
		if err == nil && read == 0 {
			err = errors.New("an empty snapshot")
		}
		return err
	})
}

// membership goes through the life of a member, as far as it gets until it is healed, and removes it in the end.
func membership(ctx context.Context, i *Injection) error {
	joined := make(chan struct{})
	program := i.Victims[0].Program()
	i.Victims = nil                 // it is about nobody who was there before
	var step atomic.Pointer[string] // what it waits for
	note := func(text string) { step.Store(&text) }
	note("it was not added")
	i.proof(func(context.Context) (string, error) {
		select {
		case <-joined:
			return "a learner was added, promoted and removed", nil
		default:
			return "", fmt.Errorf("no learner got so far as to be promoted: %s", *step.Load())
		}
	})
	i.background(context.WithoutCancel(ctx), func(ctx context.Context) error {

		m, err := i.add(ctx, program)
		if err != nil {
			note(err.Error())
			return nil // healed before there was a quorum: the proof is missing
		}
		note(m.Name + " was not promoted")
		promoted := i.Cluster.Promote(ctx, m) == nil
		i.setLearner(m, !promoted)
		note(m.Name + " was not removed")
		removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
		defer cancel()
		if err := i.Cluster.Remove(removing, m); err != nil {
			return err
		}
		i.Left(m)
		if promoted {
			close(joined)
		}
		// It should end by itself; that it does is a test of its own.
		return m.Kill(removing)
	})
	return nil
}

// add makes a learner and starts it.
func (i *Injection) add(ctx context.Context, p cluster.Program) (*cluster.Member, error) {
	m, err := i.Cluster.Add(ctx, p, true)
	if err != nil {
		return nil, err
	}
	i.added = append(i.added, m.Name)
	i.setLearner(m, true)
	i.Joined(m)
	return m, m.Launch(ctx)
}

// upgrade replaces the program of the victims by quoin.
func upgrade(ctx context.Context, i *Injection) error {
	program, err := i.Program(ctx, "quoin")
	if err != nil {
		return err
	}
	return i.each(func(m *cluster.Member) error {
		release := i.claim(m)
		before := m.Program().Name
		if _, err := m.Stop(ctx); err != nil {
			release()
			return err
		}
		m.Replace(program)
		i.proven("%s ran %s, and runs %s from now on", m.Name, before, program.Name)
		i.startAgain(m, release)
		return nil
	})
}
