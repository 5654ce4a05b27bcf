package command

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
	"quoin.dev/ctl/printer"
)

func (a *app) electCommand() *cobra.Command {
	var listen bool
	cmd := &cobra.Command{
		Use:     "elect <election-name> [proposal]",
		GroupID: groupConcurrency,
		Short:   "Stands for election, or tells who leads",
		Long: "Stands for election under <election-name> with the value [proposal], prints its key and value once it leads,\n" +
			"and leads until it is interrupted.\n\n" +
			"With --listen, prints the key and the value of the leader, and of each that follows.",
		Example: examples(a.Name, "elect scheduler host-1", "elect --listen scheduler"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) != 1 && len(args) != 2:
				return badArgs("elect takes one election name argument and an optional proposal argument")
			case listen && len(args) == 2:
				return badArgs("proposal given but -l is set")
			case !listen && len(args) == 1:
				return badArgs("no proposal argument but -l not set")
			}
			return a.inSession(cmd, func(ctx context.Context, s *concurrency.Session, out printer.Printer) error {
				e := concurrency.NewElection(s, args[0])
				if listen {
					return observe(ctx, e, out)
				}
				if err := a.canShowKeys(); err != nil {
					return err
				}
				return lead(ctx, s, e, args[1], out)
			})
		},
	}
	cmd.Flags().BoolVarP(&listen, "listen", "l", false, "tell who leads instead of standing for election")
	return cmd
}

// observe shows each leader as etcdctl does, without the count of keys.
func observe(ctx context.Context, e *concurrency.Election, out printer.Printer) error {
	for resp := range e.Observe(ctx) {
		if err := out.Range(&client.GetResponse{Header: resp.Header, Kvs: resp.Kvs}); err != nil {
			return printed(err)
		}
	}
	if ctx.Err() == nil {
		return exit(failure, errors.New("elect: observer lost"))
	}
	return nil
}

func lead(ctx context.Context, s *concurrency.Session, e *concurrency.Election, proposal string, out printer.Printer) error {
	if err := e.Campaign(ctx, proposal); err != nil {
		return failed(err)
	}
	resp, err := s.Client().Get(ctx, e.Key())
	if err != nil {
		return failed(err)
	}
	if err := out.Range(resp); err != nil {
		return printed(err)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-s.Done():
		return exit(failure, errors.New("elect: session expired"))
	}
}
