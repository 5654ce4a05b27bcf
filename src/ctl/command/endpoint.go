package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

func (a *app) endpointCommand() *cobra.Command {
	var cluster bool
	cmd := &cobra.Command{
		Use:     "endpoint <subcommand>",
		GroupID: groupMaintenance,
		Short:   "Asks each endpoint for itself",
		Long: "Asks each endpoint of --endpoints for itself, in contrast to other commands, which any one endpoint may\n" +
			"answer. With --cluster the endpoints are those that the members advertise.",
	}
	cmd.PersistentFlags().BoolVar(&cluster, "cluster", false, "ask all members, as the member list has them")
	cmd.AddCommand(a.healthCommand(&cluster), a.statusCommand(&cluster), a.hashKVCommand(&cluster))
	return cmd
}

func (a *app) statusCommand(cluster *bool) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Shows version, size, leader and raft progress of each endpoint",
		Long: "Shows the status of each endpoint, which it answers without asking other members.\n\n" +
			"In the simple format a line holds: endpoint, member id, version, storage version, size of the database file,\n" +
			"what of it is in use, share that is not, quota, is leader, is learner, raft term, raft index, applied raft\n" +
			"index, errors, target of a downgrade, whether a downgrade is on.",
		Example: examples(a.Name,
			"endpoint status --write-out=table",
			"endpoint status --cluster --write-out=json"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.target(cmd, cluster)
			if err != nil {
				return err
			}
			var list []printer.Status
			missing, err := t.each("status", func(c *client.Client, ep string) error {
				ctx, cancel := a.request()
				defer cancel()
				resp, err := c.Status(ctx, ep)
				if err == nil {
					list = append(list, printer.Status{Endpoint: ep, Response: resp})
				}
				return err
			})
			if err != nil {
				return err
			}
			if err := printed(t.out.Status(list)); err != nil {
				return err
			}
			if missing != nil {
				return exit(failure, nil) // each failure was printed where it occurred
			}
			return nil
		},
	}
}

func (a *app) hashKVCommand(cluster *bool) *cobra.Command {
	var rev int64
	cmd := &cobra.Command{
		Use:   "hashkv",
		Short: "Shows a hash over the keys and their history of each endpoint",
		Long: "Shows a hash over the keys and their history up to a revision. Members that were compacted at the same\n" +
			"revision have the same hash, or one of them is corrupt.",
		Example: examples(a.Name, "endpoint hashkv --cluster", "endpoint hashkv --cluster --rev=1234"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.target(cmd, cluster)
			if err != nil {
				return err
			}
			var list []printer.HashKV
			missing, err := t.each("hash", func(c *client.Client, ep string) error {
				ctx, cancel := a.request()
				defer cancel()
				resp, err := c.HashKV(ctx, ep, rev)
				if err == nil {
					list = append(list, printer.HashKV{Endpoint: ep, Response: resp})
				}
				return err
			})
			if err != nil {
				return err
			}
			if err := printed(t.out.HashKV(list)); err != nil {
				return err
			}
			if missing != nil {
				return exit(failure, missing)
			}
			return nil
		},
	}
	cmd.Flags().Int64Var(&rev, "rev", 0, "revision up to which to hash (0: the current one)")
	return cmd
}

// target is the endpoints that a command asks one by one.
type target struct {
	app       *app
	out       printer.Printer
	cfg       client.Config
	endpoints []string
}

func (a *app) target(cmd *cobra.Command, cluster *bool) (*target, error) {
	out, err := a.setup(cmd, false)
	if err != nil {
		return nil, err
	}
	cfg, err := a.clientConfig()
	if err != nil {
		return nil, err
	}
	endpoints := cfg.Endpoints
	if *cluster {
		if endpoints, err = a.memberEndpoints(cfg); err != nil {
			return nil, err
		}
	}
	return &target{app: a, out: out, cfg: cfg, endpoints: endpoints}, nil
}

// at returns the settings of a client of one endpoint.
func (t *target) at(endpoint string) client.Config {
	cfg := t.cfg
	cfg.Endpoints = []string{endpoint}
	return cfg
}

// each asks the endpoints in turn and reports on stderr those that fail; missing is the last such error. The other error
// is that no client could be made at all.
func (t *target) each(what string, ask func(c *client.Client, endpoint string) error) (missing, err error) {
	for _, ep := range t.endpoints {
		c, err := dial(t.at(ep))
		if err != nil {
			return nil, err
		}
		if err := requestError(ask(c, ep)); err != nil {
			fmt.Fprintf(t.app.Stderr, "Failed to get the %s of endpoint %s (%v)\n", what, ep, err)
			missing = err
		}
		c.Close()
	}
	return missing, nil
}
