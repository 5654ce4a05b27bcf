package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

func (a *app) userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "user <subcommand>",
		GroupID: groupAuth,
		Short:   "Shows and changes users, who have roles",
	}
	cmd.AddCommand(a.userAddCommand(), a.userDeleteCommand(), a.userGetCommand(), a.userListCommand(), a.userPasswdCommand(),
		a.userGrantRoleCommand(), a.userRevokeRoleCommand())
	return cmd
}

func (a *app) userDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "delete <user name>",
		Short:             "Deletes a user",
		Example:           examples(a.Name, "user delete alice"),
		ValidArgsFunction: a.complete(suggestUsers),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("user delete command requires user name as its argument")
			}
			return change(a, cmd, fmt.Sprintf("User %s deleted", args[0]),
				func(ctx context.Context, c *client.Client) (*client.AuthUserDeleteResponse, error) {
					return c.UserDelete(ctx, args[0])
				})
		},
	}
}

func (a *app) userGetCommand() *cobra.Command {
	var detail bool
	cmd := &cobra.Command{
		Use:   "get <user name> [options]",
		Short: "Shows the roles of a user",
		Long: "Shows the roles of a user, and with --detail the permissions of each. A user can ask for himself, root for\n" +
			"everybody.",
		Example:           examples(a.Name, "user get alice", "user get alice --detail"),
		ValidArgsFunction: a.complete(suggestUsers),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("user get command requires user name as its argument")
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				resp, err := c.UserGet(ctx, args[0])
				switch {
				case err != nil:
					return failed(err)
				case detail:
					return a.printRoles(ctx, c, out, args[0], resp.Roles)
				default:
					return printed(out.UserGet(args[0], resp))
				}
			})
		},
	}
	cmd.Flags().BoolVar(&detail, "detail", false, "show the permissions of the roles")
	return cmd
}

func (a *app) printRoles(ctx context.Context, c *client.Client, out printer.Printer, user string, roles []string) error {
	fmt.Fprintf(a.Stdout, "User: %s\n", user)
	for _, role := range roles {
		fmt.Fprintln(a.Stdout)
		if err := printRole(ctx, c, out, role); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) userListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Lists the users",
		Example: examples(a.Name, "user list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 0 {
				return badArgs("user list command requires no arguments")
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				resp, err := c.UserList(ctx)
				if err != nil {
					return failed(err)
				}
				return printed(out.UserList(resp))
			})
		},
	}
}

func (a *app) userGrantRoleCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "grant-role <user name> <role name>",
		Short:             "Gives a user a role",
		Example:           examples(a.Name, "user grant-role alice readers"),
		ValidArgsFunction: a.complete(suggestUsers, suggestRoles),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return badArgs("user grant command requires user name and role name as its argument")
			}
			return change(a, cmd, fmt.Sprintf("Role %s is granted to user %s", args[1], args[0]),
				func(ctx context.Context, c *client.Client) (*client.AuthUserGrantRoleResponse, error) {
					return c.UserGrantRole(ctx, args[0], args[1])
				})
		},
	}
}

func (a *app) userRevokeRoleCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "revoke-role <user name> <role name>",
		Short:             "Takes a role from a user",
		Example:           examples(a.Name, "user revoke-role alice readers"),
		ValidArgsFunction: a.complete(suggestUsers, suggestRoles),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return badArgs("user revoke-role requires user name and role name as its argument")
			}
			return change(a, cmd, fmt.Sprintf("Role %s is revoked from user %s", args[1], args[0]),
				func(ctx context.Context, c *client.Client) (*client.AuthUserRevokeRoleResponse, error) {
					return c.UserRevokeRole(ctx, args[0], args[1])
				})
		},
	}
}
