package command

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

func (a *app) leaseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "lease <subcommand>",
		GroupID: groupKV,
		Short:   "Makes, renews and ends leases, whose end deletes keys",
	}
	cmd.AddCommand(a.grantCommand(), a.revokeCommand(), a.timeToLiveCommand(), a.leasesCommand(), a.keepAliveCommand())
	return cmd
}

func (a *app) grantCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "grant <ttl>",
		Short: "Makes a lease",
		Long: "Makes a lease that ends <ttl> seconds after its last renewal, and prints its id.\n\n" +
			"The member may choose a longer time, which is printed as well. Keys that are put with the lease are deleted\n" +
			"when it ends.",
		Example: examples(a.Name, "lease grant 60"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("lease grant command needs TTL argument")
			}
			ttl, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return exit(badArguments, fmt.Errorf("bad TTL (%w)", err))
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				resp, err := c.Grant(ctx, ttl)
				if err != nil {
					return exit(failure, fmt.Errorf("failed to grant lease (%w)", requestError(err)))
				}
				return printed(out.Grant(resp))
			})
		},
	}
}

func (a *app) revokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "revoke <leaseID>",
		Short:             "Ends a lease and deletes its keys",
		Long:              "Ends the lease with the hexadecimal id <leaseID> and deletes the keys that were put with it.",
		Example:           examples(a.Name, "lease revoke 32695410dcc0ca06"),
		ValidArgsFunction: a.completeLease(),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := leaseArg(args, "lease revoke command needs 1 argument")
			if err != nil {
				return err
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				resp, err := c.Revoke(ctx, id)
				if err != nil {
					return exit(failure, fmt.Errorf("failed to revoke lease (%w)", requestError(err)))
				}
				return printed(out.Revoke(id, resp))
			})
		},
	}
}

func (a *app) timeToLiveCommand() *cobra.Command {
	var keys bool
	cmd := &cobra.Command{
		Use:   "timetolive <leaseID> [options]",
		Short: "Shows what is left of a lease",
		Long: "Shows with how many seconds the lease with the hexadecimal id <leaseID> was granted and how many are left,\n" +
			"and with --keys which keys were put with it.",
		Example: examples(a.Name,
			"lease timetolive 32695410dcc0ca06",
			"lease timetolive 32695410dcc0ca06 --keys --write-out=json"),
		ValidArgsFunction: a.completeLease(),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := leaseArg(args, "lease timetolive command needs lease ID as argument")
			if err != nil {
				return err
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				var opts []client.LeaseOption
				if keys {
					opts = append(opts, client.WithAttachedKeys())
				}
				resp, err := c.TimeToLive(ctx, id, opts...)
				if err != nil {
					return leaseFailed(err)
				}
				return printed(out.TimeToLive(resp, keys))
			})
		},
	}
	cmd.Flags().BoolVar(&keys, "keys", false, "list the keys of the lease as well")
	return cmd
}

func (a *app) leasesCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Lists the leases",
		Long:    "Lists the ids of the leases that one member knows, those that end first in front.",
		Example: examples(a.Name, "lease list", "lease list --write-out=json"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				resp, err := c.Leases(ctx)
				if err != nil {
					return leaseFailed(err)
				}
				return printed(out.Leases(resp))
			})
		},
	}
}

func (a *app) keepAliveCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "keep-alive [options] <leaseID>",
		Short: "Renews a lease until it is interrupted",
		Long: "Renews the lease with the hexadecimal id <leaseID> each time a third of its time is over, and prints each\n" +
			"renewal. It ends by an interrupt, or when the lease is gone.",
		Example: examples(a.Name,
			"lease keep-alive 32695410dcc0ca06",
			"lease keep-alive --once 32695410dcc0ca06"),
		ValidArgsFunction: a.completeLease(),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := leaseArg(args, "lease keep-alive command needs lease ID as argument")
			if err != nil {
				return err
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				if !once {
					return a.keepAlive(c, id, out)
				}
				resp, err := c.KeepAliveOnce(ctx, id)
				if err != nil {
					return leaseFailed(err)
				}
				return printed(out.KeepAlive(resp))
			})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "renew the lease once and exit")
	return cmd
}

func (a *app) keepAlive(c *client.Client, id client.LeaseID, out printer.Printer) error {
	renewals, err := c.KeepAlive(a.ctx, id)
	if err != nil {
		return leaseFailed(err)
	}
	for resp := range renewals {
		if err := out.KeepAlive(resp); err != nil {
			return printed(err)
		}
	}
	if a.flags.writeOut == "simple" {
		fmt.Fprintf(a.Stdout, "lease %016x expired or revoked.\n", int64(id))
	}
	return nil
}

// leaseArg reads the only argument of a command about one lease.
func leaseArg(args []string, usage string) (client.LeaseID, error) {
	if len(args) != 1 {
		return client.NoLease, badArgs(usage)
	}
	id, err := strconv.ParseInt(args[0], 16, 64)
	if err != nil {
		return client.NoLease, exit(badArguments, fmt.Errorf("bad lease ID arg (%w), expecting ID in Hex", err))
	}
	return client.LeaseID(id), nil
}

// leaseFailed ends the process because of a failed question about a lease or a renewal, with the code that etcdctl has
// for them.
func leaseFailed(err error) error { return exit(badConnection, requestError(err)) }

// call runs a request with the printer and a client of its own. The context bounds one request.
func (a *app) call(cmd *cobra.Command, request func(context.Context, *client.Client, printer.Printer) error) error {
	out, err := a.setup(cmd, false)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := a.request()
	defer cancel()
	return request(ctx, c, out)
}
