package command

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/ctl/permission"
	"quoin.dev/ctl/printer"
)

// actions maps what a user may want to do to what he needs for it.
var actions = map[string]client.PermissionType{
	"get": client.PermRead, "watch": client.PermRead, "put": client.PermWrite, "delete": client.PermWrite,
}

func (a *app) authCanCommand() *cobra.Command {
	var prefix, fromKey bool
	cmd := &cobra.Command{
		Use:   "can <user name> <get|put|delete|watch> <key> [range_end] [options]",
		Short: "Tells whether a user may do something, and why",
		Long: "Tells whether a user may do something with a key or an interval of keys, and which permissions of his roles make it\n" +
			"so, or from which key on there is none. It exits with 0 if he may and with 1 if not.\n\n" +
			"A user can ask for himself, root for everybody. A previous value (--prev-kv) and a comparison in a transaction need\n" +
			"get in addition, and a put with a lease needs put on all keys of the lease.",
		Example: examples(a.Name,
			"auth can alice get jobs/ --prefix",
			"auth can alice put jobs/7 --user root",
			"auth can alice delete a d --write-out=json"),
		ValidArgsFunction: a.complete(suggestUsers, suggestActions),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := question(args, prefix, fromKey)
			if err != nil {
				return err
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				if err := answer(ctx, c, v); err != nil {
					return failed(err)
				}
				if err := printed(out.Verdict(*v)); err != nil || v.Granted {
					return err
				}
				return exit(failure, nil)
			})
		},
	}
	cmd.Flags().BoolVar(&prefix, "prefix", false, "every key that begins with <key>")
	cmd.Flags().BoolVar(&fromKey, "from-key", false, "every key from <key> on, in byte order")
	return cmd
}

func suggestActions(context.Context, *client.Client) ([]cobra.Completion, error) {
	return slices.Sorted(maps.Keys(actions)), nil
}

// question reads the arguments.
func question(args []string, prefix, fromKey bool) (*printer.Verdict, error) {
	if len(args) < 3 || len(args) > 4 {
		return nil, badArgs("auth can command needs a user name, an action, a key and an optional range_end as its arguments")
	}
	access, known := actions[args[1]]
	switch {
	case !known:
		return nil, badArgs(fmt.Sprintf("unknown action %q, it is one of get, put, delete and watch", args[1]))
	case prefix && fromKey:
		return nil, errPrefixFromKey
	case args[1] == "put" && (prefix || fromKey || len(args) > 3):
		return nil, badArgs("a put is about one key")
	}
	interval, err := keyInterval(args[2:], prefix, fromKey)
	if err != nil {
		return nil, err
	}
	op := client.OpGet(args[2], interval...)
	key, end := op.KeyBytes(), op.RangeBytes()
	if len(end) > 0 && string(end) != "\x00" && string(end) <= string(key) {
		return nil, badArgs("range_end is not behind the key, so the interval is empty")
	}
	return &printer.Verdict{User: args[0], Action: args[1], Access: access, Key: key, RangeEnd: end}, nil
}

// answer asks for the roles of the user and for their permissions. The role root needs none, and is not always there.
func answer(ctx context.Context, c *client.Client, v *printer.Verdict) error {
	status, err := c.AuthStatus(ctx)
	if err != nil {
		return err
	}
	user, err := c.UserGet(ctx, v.User)
	if err != nil {
		return err
	}
	var roles []permission.Role
	for _, name := range user.Roles {
		role := permission.Role{Name: name}
		if name != permission.Root {
			resp, err := c.RoleGet(ctx, name)
			if err != nil {
				return err
			}
			role.Permissions = resp.Perm
		}
		roles = append(roles, role)
	}
	v.AuthEnabled, v.Roles = status.Enabled, user.Roles
	v.Verdict = permission.Check(roles, v.Access, v.Key, v.RangeEnd)
	return nil
}
