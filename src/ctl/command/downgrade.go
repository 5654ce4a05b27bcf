package command

import (
	"context"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

func (a *app) downgradeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "downgrade <TARGET_VERSION>",
		GroupID: groupMaintenance,
		Short:   "Prepares the way back to the minor version before",
	}
	validate := a.downgradeTo(client.DowngradeValidate)
	validate.Use = "validate <TARGET_VERSION>"
	validate.Short = "Tells whether the cluster can go back to a version"
	validate.Long = "Tells whether the cluster can go back to a version, as 3.6, and changes nothing."
	validate.Example = examples(a.Name, "downgrade validate 3.6")

	enable := a.downgradeTo(client.DowngradeEnable)
	enable.Use = "enable <TARGET_VERSION>"
	enable.Short = "Begins a downgrade"
	enable.Long = "Begins the way back to a version, as 3.6: the members write their data in its format from now on. Then restart\n" +
		"one member after the other with the older program; the downgrade is over when all run it.\n\n" +
		"`endpoint status` shows the storage version of each member, which has to be that of the target before its restart."
	enable.Example = examples(a.Name, "downgrade enable 3.6")

	cmd.AddCommand(validate, enable, a.downgradeCancelCommand())
	return cmd
}

// downgradeTo is a subcommand whose argument is the version.
func (a *app) downgradeTo(action client.DowngradeAction) *cobra.Command {
	return &cobra.Command{
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return badArgs("TARGET_VERSION not provided")
			case len(args) > 1:
				return badArgs("too many arguments")
			}
			return a.downgrade(cmd, action, args[0])
		},
	}
}

func (a *app) downgradeCancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "cancel",
		Short:   "Calls a downgrade off",
		Long:    "Calls a downgrade off. The cluster goes back up to the version that all its members run.",
		Example: examples(a.Name, "downgrade cancel"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.downgrade(cmd, client.DowngradeCancel, "")
		},
	}
}

func (a *app) downgrade(cmd *cobra.Command, action client.DowngradeAction, version string) error {
	return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
		resp, err := c.Downgrade(ctx, action, version)
		if err != nil {
			return failed(err)
		}
		return printed(out.Downgrade(action, resp))
	})
}
