package command

import (
	"context"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

func (a *app) alarmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "alarm <subcommand>",
		GroupID: groupMaintenance,
		Short:   "Shows and takes back alarms",
	}
	cmd.AddCommand(a.alarmListCommand(), a.alarmDisarmCommand())
	return cmd
}

func (a *app) alarmListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Lists the alarms that are raised",
		Long: "Lists the alarms that are raised.\n\n" +
			"NOSPACE: the database of a member is as large as its quota allows, and what would make it larger is refused.\n" +
			"CORRUPT: the data of a member differs from that of the others, and changes are refused.",
		Example: examples(a.Name, "alarm list", "alarm list --write-out=json"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 0 {
				return badArgs("alarm list command accepts no arguments")
			}
			return a.alarms(cmd, func(ctx context.Context, c *client.Client) (*client.AlarmResponse, error) {
				return c.AlarmList(ctx)
			})
		},
	}
}

func (a *app) alarmDisarmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "disarm",
		Short: "Takes back all alarms",
		Long: "Takes back all alarms, and prints them. Remove the cause before: after NOSPACE compact old revisions and defrag\n" +
			"each member, or raise the quota; after CORRUPT replace the member.",
		Example: examples(a.Name, "alarm disarm"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 0 {
				return badArgs("alarm disarm command accepts no arguments")
			}
			return a.alarms(cmd, func(ctx context.Context, c *client.Client) (*client.AlarmResponse, error) {
				return c.AlarmDisarm(ctx, &client.AlarmMember{})
			})
		},
	}
}

func (a *app) alarms(cmd *cobra.Command, ask func(context.Context, *client.Client) (*client.AlarmResponse, error)) error {
	return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
		resp, err := ask(ctx, c)
		if err != nil {
			return failed(err)
		}
		return printed(out.Alarm(resp))
	})
}
