package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

func (a *app) roleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "role <subcommand>",
		GroupID: groupAuth,
		Short:   "Shows and changes roles, which hold permissions",
	}
	cmd.AddCommand(a.roleAddCommand(), a.roleDeleteCommand(), a.roleGetCommand(), a.roleListCommand(),
		a.roleGrantCommand(), a.roleRevokeCommand())
	return cmd
}

func (a *app) roleAddCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "add <role name>",
		Short:   "Adds a role",
		Long:    "Adds a role without permissions. The role root needs none: it may do everything.",
		Example: examples(a.Name, "role add readers"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("role add command requires role name as its argument")
			}
			return change(a, cmd, fmt.Sprintf("Role %s created", args[0]),
				func(ctx context.Context, c *client.Client) (*client.AuthRoleAddResponse, error) {
					return c.RoleAdd(ctx, args[0])
				})
		},
	}
}

func (a *app) roleDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "delete <role name>",
		Short:             "Deletes a role",
		Long:              "Deletes a role, and takes it from all users who have it.",
		Example:           examples(a.Name, "role delete readers"),
		ValidArgsFunction: a.complete(suggestRoles),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("role delete command requires role name as its argument")
			}
			return change(a, cmd, fmt.Sprintf("Role %s deleted", args[0]),
				func(ctx context.Context, c *client.Client) (*client.AuthRoleDeleteResponse, error) {
					return c.RoleDelete(ctx, args[0])
				})
		},
	}
}

func (a *app) roleGetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "get <role name>",
		Short: "Shows the permissions of a role",
		Long: "Shows the permissions of a role: keys, and intervals of keys up to but without their end. Users can ask about the\n" +
			"roles that they have.",
		Example:           examples(a.Name, "role get readers", "role get readers --write-out=json"),
		ValidArgsFunction: a.complete(suggestRoles),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("role get command requires role name as its argument")
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				return printRole(ctx, c, out, args[0])
			})
		},
	}
}

func printRole(ctx context.Context, c *client.Client, out printer.Printer, role string) error {
	resp, err := c.RoleGet(ctx, role)
	if err != nil {
		return failed(err)
	}
	return printed(out.RoleGet(role, resp))
}

func (a *app) roleListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Lists the roles",
		Example: examples(a.Name, "role list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 0 {
				return badArgs("role list command requires no arguments")
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				resp, err := c.RoleList(ctx)
				if err != nil {
					return failed(err)
				}
				return printed(out.RoleList(resp))
			})
		},
	}
}
