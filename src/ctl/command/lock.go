package command

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
	"quoin.dev/ctl/printer"
)

func (a *app) lockCommand() *cobra.Command {
	var ttl int
	cmd := &cobra.Command{
		Use:     "lock <lockname> [exec-command arg1 arg2 ...]",
		GroupID: groupConcurrency,
		Short:   "Holds a lock, alone or while a command runs",
		Long: "Waits for the lock <lockname>, prints its key, and holds it until it is interrupted.\n\n" +
			"With a command, the lock is held while the command runs, with ETCD_LOCK_KEY and ETCD_LOCK_REV in its\n" +
			"environment, and the exit code is that of the command. Flags of the command come after --.\n\n" +
			"If this program dies, the lock is free again after --ttl. A command that writes elsewhere should send\n" +
			"ETCD_LOCK_REV along, which grows with each holder, so that one who lost the lock can be told. If the lock\n" +
			"is lost while the command runs, a line on stderr says so.",
		Example: examples(a.Name,
			"lock backup",
			"lock backup -- ./backup.sh --full",
			"lock --ttl=60 backup ./backup.sh"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return badArgs("lock takes a lock name argument and an optional command to execute")
			}
			return a.inSession(cmd, func(ctx context.Context, s *concurrency.Session, out printer.Printer) error {
				return a.lock(ctx, s, out, args[0], args[1:])
			}, concurrency.WithTTL(ttl))
		},
	}
	cmd.Flags().IntVar(&ttl, "ttl", 10, "seconds after which the lock is free if this program dies")
	return cmd
}

func (a *app) lock(ctx context.Context, s *concurrency.Session, out printer.Printer, name string, command []string) error {
	m := concurrency.NewMutex(s, name)
	if len(command) > 0 {
		if err := m.Lock(ctx); err != nil {
			return failed(err)
		}
		return a.runWithLock(command, s, m)
	}
	if err := a.canShowKeys(); err != nil {
		return err
	}
	if err := m.Lock(ctx); err != nil {
		return failed(err)
	}
	resp, err := s.Client().Get(ctx, m.Key())
	if err != nil {
		return failed(err)
	}
	if len(resp.Kvs) == 0 {
		return exit(failure, errors.New("lock lost on init"))
	}
	if err := out.Range(resp); err != nil {
		return printed(err)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-s.Done():
		return exit(failure, errors.New("session expired"))
	}
}

// canShowKeys lets a command that shows what it holds fail before it holds it.
func (a *app) canShowKeys() error {
	if a.flags.writeOut == "table" {
		return printed(&printer.UnsupportedError{Format: a.flags.writeOut})
	}
	return nil
}

// runWithLock passes the exit code of the command on; -1 of one that a signal ended becomes 255. An interrupt is for the
// command, which gets it from the terminal too: the lock is held until it has ended.
//
// A lock that is lost meanwhile does not end the command either, which may be in the middle of something; it is told.
func (a *app) runWithLock(command []string, s *concurrency.Session, m *concurrency.Mutex) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = slices.Concat(a.Env, []string{
		"ETCD_LOCK_KEY=" + m.Key(),
		fmt.Sprintf("ETCD_LOCK_REV=%d", m.Header().GetRevision()),
	})
	cmd.Stdout, cmd.Stderr = a.Stdout, a.Stderr
	err := cmd.Start()
	if err == nil {
		ended := make(chan struct{})
		told := a.tellLoss(s, m.Key(), ended)
		err = cmd.Wait()
		close(ended)
		<-told
	}
	var ended *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ended):
		return exit(exitCode(ended.ExitCode()), err)
	default:
		return exit(failure, err)
	}
}

// tellLoss tells when the session is lost before ended is closed; it is over when the channel it returns is closed.
func (a *app) tellLoss(s *concurrency.Session, key string, ended <-chan struct{}) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-s.Done():
			fmt.Fprintf(a.Stderr, "the lock %s is lost, since its lease was not renewed in time; the command goes on without it\n", key)
		case <-ended:
		}
	}()
	return over
}

// inSession gives what a command holds a session of its own. The context of the command ends by an interrupt; what it
// holds is given back with the session then, or when it returns.
func (a *app) inSession(
	cmd *cobra.Command, hold func(context.Context, *concurrency.Session, printer.Printer) error, opts ...concurrency.SessionOption,
) error {
	return a.call(cmd, func(_ context.Context, c *client.Client, out printer.Printer) error {
		// There is nothing to give back yet, so that an interrupt just ends the process.
		s, err := concurrency.NewSession(c, opts...)
		if err != nil {
			return failed(err)
		}
		ctx, cancel := a.Interruptible(a.ctx)
		defer cancel()
		err = hold(ctx, s, out)
		// The end of the lease gives back what is held. It ends by itself if it cannot be revoked.
		_ = s.Close()
		return err
	})
}
