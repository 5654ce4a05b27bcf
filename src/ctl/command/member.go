package command

import (
	"errors"

	"github.com/spf13/cobra"

	"quoin.dev/client"
)

func (a *app) memberCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "member <subcommand>",
		GroupID: groupMaintenance,
		Short:   "Shows and changes the members of the cluster",
	}
	cmd.AddCommand(a.memberListCommand(), a.memberAddCommand(), a.memberRemoveCommand(), a.memberUpdateCommand(),
		a.memberPromoteCommand())
	return cmd
}

func (a *app) memberListCommand() *cobra.Command {
	var consistency string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists the members of the cluster",
		Long: "Lists the members of the cluster.\n\n" +
			"In the simple format a line holds: id, started or unstarted, name, peer URLs, client URLs, whether it is a\n" +
			"learner. A member is unstarted until it has told the cluster its name.",
		Example: examples(a.Name,
			"member list",
			"member list --write-out=table",
			"member list --consistency=s --endpoints=10.0.0.3:2379"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var opts []client.OpOption
			switch consistency {
			case "l":
			case "s":
				opts = append(opts, client.WithSerializable())
			default:
				// The value in this sentence is that of etcdctl, which always prints l here; scripts may match it.
				return exit(badFeature, errors.New(`unknown consistency flag "l"`))
			}
			out, err := a.setup(cmd, false)
			if err != nil {
				return err
			}
			resp, err := a.listMembers(opts)
			if err != nil {
				return err
			}
			return printed(out.MemberList(resp))
		},
	}
	cmd.Flags().StringVar(&consistency, "consistency", "l",
		"l: linearizable, what a quorum agrees on; s: serializable, what the asked member has")
	return cmd
}

func (a *app) listMembers(opts []client.OpOption) (*client.MemberListResponse, error) {
	c, err := a.connect()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := a.request()
	defer cancel()
	resp, err := c.MemberList(ctx, opts...)
	if err != nil {
		return nil, failed(err)
	}
	return resp, nil
}
