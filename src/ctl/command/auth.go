package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
	"quoin.dev/ctl/permission"
	"quoin.dev/ctl/printer"
)

func (a *app) authCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "auth <enable or disable>",
		GroupID: groupAuth,
		Short:   "Lets members ask for credentials, or not, and tells who may do what",
	}
	cmd.AddCommand(a.authEnableCommand(), a.authDisableCommand(), a.authStatusCommand(), a.authCanCommand())
	return cmd
}

func (a *app) authEnableCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "enable",
		Short: "Lets members ask for credentials",
		Long: "Lets members ask for credentials from now on. The user root has to be there, and is given the role root if he does\n" +
			"not have it.",
		Example: examples(a.Name, "auth enable"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 0 {
				return badArgs("auth enable command does not accept any arguments")
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, _ printer.Printer) error {
				if err := enableAuth(ctx, c); err != nil {
					return failed(err)
				}
				fmt.Fprintln(a.Stdout, "Authentication Enabled")
				return nil
			})
		},
	}
}

// enableAuth makes the role root, and gives it to the user root, where that is all that is missing.
func enableAuth(ctx context.Context, c *client.Client) error {
	_, err := c.AuthEnable(ctx)
	if !errors.Is(err, rpctypes.ErrRootRoleNotExist) {
		return err
	}
	if _, err := c.RoleAdd(ctx, permission.Root); err != nil && !errors.Is(err, rpctypes.ErrRoleAlreadyExist) {
		return err
	}
	if _, err := c.UserGrantRole(ctx, rootUser, permission.Root); err != nil {
		return err
	}
	_, err = c.AuthEnable(ctx)
	return err
}

const rootUser = "root"

func (a *app) authDisableCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "disable",
		Short:   "Lets everybody do everything",
		Long:    "Lets everybody do everything. Users, roles and permissions stay, for the next time that auth is enabled.",
		Example: examples(a.Name, "auth disable --user root"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 0 {
				return badArgs("auth disable command does not accept any arguments")
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, _ printer.Printer) error {
				if _, err := c.AuthDisable(ctx); err != nil {
					return failed(err)
				}
				fmt.Fprintln(a.Stdout, "Authentication Disabled")
				return nil
			})
		},
	}
}

func (a *app) authStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Tells whether members ask for credentials",
		Long: "Tells whether members ask for credentials, and how many changes there were to users, roles and permissions. It needs\n" +
			"no credentials.",
		Example: examples(a.Name, "auth status", "auth status --write-out=json"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 0 {
				return badArgs("auth status command does not accept any arguments")
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				resp, err := c.AuthStatus(ctx)
				if err != nil {
					return failed(err)
				}
				return printed(out.AuthStatus(resp))
			})
		},
	}
}

// change runs a command that changes users or roles, and prints the answer or the sentence.
func change[Resp printer.Change](a *app, cmd *cobra.Command, sentence string, ask func(context.Context, *client.Client) (Resp, error)) error {
	return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
		resp, err := ask(ctx, c)
		if err != nil {
			return failed(err)
		}
		return printed(out.Changed(sentence, resp))
	})
}
