package fault

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"quoin.dev/quoin/robustness/cluster"
)

var processKinds = []Kind{
	{Name: "kill", What: "ends the process without warning (SIGKILL) and starts it again", inject: kill},
	{Name: "stop", What: "asks the process to end (SIGTERM) and starts it again", inject: stop},
	{Name: "pause", What: "stops the process where it is (SIGSTOP): to the others it looks like one that hangs", inject: pause},
	{Name: "restart-storm", What: "kills and starts the process again and again, also in the middle of its start", inject: restartStorm},
}

func kill(ctx context.Context, i *Injection) error {
	return i.each(func(m *cluster.Member) error {
		release := i.claim(m)
		pid := m.Node().PID()
		if err := m.Kill(ctx); err != nil {
			release()
			return err
		}
		i.proven("process %d of %s was ended by a signal (exit code %d)", pid, m.Name, m.Node().ExitCode())
		i.startAgain(m, release)
		return nil
	})
}

func stop(ctx context.Context, i *Injection) error {
	return i.each(func(m *cluster.Member) error {
		release := i.claim(m)
		took, err := m.Stop(ctx)
		if err != nil {
			release()
			return err
		}
		i.proven("%s ended %s after it was asked to, with exit code %d", m.Name, took.Round(time.Millisecond), m.Node().ExitCode())
		i.startAgain(m, release)
		return nil
	})
}

// startAgain starts the process of m when the fault is healed, and gives m back.
func (i *Injection) startAgain(m *cluster.Member, release func()) {
	i.onHeal(func(ctx context.Context) error {
		defer release()
		if m.Running() {
			return nil
		}
		return m.Launch(ctx)
	})
}

func pause(ctx context.Context, i *Injection) error {
	return i.each(func(m *cluster.Member) error {
		release := i.claim(m)
		if err := m.Pause(ctx); err != nil {
			release()
			return err
		}
		i.proof(func(context.Context) (string, error) {
			state, err := processState(m.Node().PID())
			if err != nil {
				return "", err
			}
			if state != "T" {
				return "", fmt.Errorf("%s is in state %s, not stopped", m.Name, state)
			}
			return fmt.Sprintf("process %d of %s was stopped to the end", m.Node().PID(), m.Name), nil
		})
		i.onHeal(func(ctx context.Context) error {
			defer release()
			return m.Resume(ctx)
		})
		return nil
	})
}

// processState is the letter that the kernel gives to the state of a process.
func processState(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The name of the program is in parentheses, and may hold some.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	state, _, _ := strings.Cut(rest, " ")
	return state, nil
}

func restartStorm(ctx context.Context, i *Injection) error {
	for _, m := range i.Victims {
		release := i.claim(m)
		var starts atomic.Int64
		random := i.draws()
		i.onHeal(func(context.Context) error { release(); return nil })
		i.proof(func(context.Context) (string, error) {
			if starts.Load() == 0 {
				return "", fmt.Errorf("%s was not started again", m.Name)
			}
			return fmt.Sprintf("%s was killed and started %d times", m.Name, starts.Load()), nil
		})
		i.background(context.WithoutCancel(ctx), func(ctx context.Context) error {
			for {
				if err := m.Kill(context.WithoutCancel(ctx)); err != nil {
					return err
				}
				if err := m.Launch(context.WithoutCancel(ctx)); err != nil {
					return err
				}
				starts.Add(1)
				if !between(ctx, random, 20*time.Millisecond, 1200*time.Millisecond) {
					return nil
				}
			}
		})
	}
	return nil
}

// each does something to every victim, and stops at the first that fails.
func (i *Injection) each(f func(*cluster.Member) error) error {
	for _, m := range i.Victims {
		if err := f(m); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		i.detail("%s", m.Name)
	}
	return nil
}
