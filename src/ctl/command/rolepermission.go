package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"quoin.dev/client"
)

// permitted is the keys of a permission, as --prefix and --from-key may widen them.
type permitted struct{ prefix, fromKey bool }

func (p *permitted) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.prefix, "prefix", false, "every key that begins with <key>")
	cmd.Flags().BoolVar(&p.fromKey, "from-key", false, "every key from <key> on, in byte order")
}

// interval reads a key and an optional end. No permission is about the empty key, so that it stands for the first one that
// there can be.
func (p *permitted) interval(args []string) (key, end string, err error) {
	key = args[0]
	switch {
	case len(args) > 1 && p.prefix:
		return "", "", badArgs("unexpected endkey argument with --prefix flag")
	case len(args) > 1 && p.fromKey:
		return "", "", badArgs("unexpected endkey argument with --from-key flag")
	case p.prefix && p.fromKey:
		return "", "", badArgs("--from-key and --prefix flags are mutually exclusive")
	case p.fromKey, p.prefix && key == "":
		end = "\x00"
	case p.prefix:
		end = client.GetPrefixRangeEnd(key)
	case len(args) > 1 && key != "":
		end = args[1]
	}
	if key == "" {
		key = "\x00"
	}
	return key, end, nil
}

func (a *app) roleGrantCommand() *cobra.Command {
	var p permitted
	cmd := &cobra.Command{
		Use:   "grant-permission [options] <role name> <permission type> <key> [endkey]",
		Short: "Gives a role a permission",
		Long: "Gives a role the permission to read, write or readwrite <key>, or the keys from <key> up to but without <endkey>.\n\n" +
			"Reading covers watches, comparisons and previous values as well, writing covers deletes. The permissions of all roles\n" +
			"of a user add up. A permission for the same keys is replaced.",
		Example: examples(a.Name,
			"role grant-permission readers read jobs/ --prefix",
			"role grant-permission workers readwrite a d",
			"role grant-permission auditors read '' --from-key"),
		ValidArgsFunction: a.complete(suggestRoles),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 3 {
				return badArgs("role grant command requires role name, permission type, and key [endkey] as its argument")
			}
			access, err := client.StrToPermissionType(args[1])
			if err != nil {
				return exit(badArguments, err)
			}
			key, end, err := p.interval(args[2:])
			if err != nil {
				return err
			}
			return change(a, cmd, fmt.Sprintf("Role %s updated", args[0]),
				func(ctx context.Context, c *client.Client) (*client.AuthRoleGrantPermissionResponse, error) {
					return c.RoleGrantPermission(ctx, args[0], key, end, access)
				})
		},
	}
	p.register(cmd)
	return cmd
}

func (a *app) roleRevokeCommand() *cobra.Command {
	var p permitted
	cmd := &cobra.Command{
		Use:   "revoke-permission <role name> <key> [endkey]",
		Short: "Takes a permission from a role",
		Long: "Takes from a role the permission that it has for exactly this <key>, or for the keys from exactly <key> to <endkey>;\n" +
			"`role get` shows which there are.",
		Example: examples(a.Name,
			"role revoke-permission readers jobs/ --prefix",
			"role revoke-permission workers a d"),
		ValidArgsFunction: a.complete(suggestRoles),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return badArgs("role revoke-permission command requires role name and key [endkey] as its argument")
			}
			key, end, err := p.interval(args[1:])
			if err != nil {
				return err
			}
			return change(a, cmd, fmt.Sprintf("Permission of %s is revoked from role %s", named(args[1], end), args[0]),
				func(ctx context.Context, c *client.Client) (*client.AuthRoleRevokePermissionResponse, error) {
					return c.RoleRevokePermission(ctx, args[0], key, end)
				})
		},
	}
	p.register(cmd)
	return cmd
}

// named is how the sentence about a revoked permission calls its keys.
func named(key, end string) string {
	switch end {
	case "":
		return "key " + key
	case "\x00":
		return fmt.Sprintf("range [%s, <open ended>", key)
	default:
		return fmt.Sprintf("range [%s, %s)", key, end)
	}
}
