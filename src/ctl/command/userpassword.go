package command

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"quoin.dev/client"
)

// fewCharacters is from how many characters on a password is not warned about: the least of NIST SP 800-63B, section 5.1.1.
const fewCharacters = 8

// secret says where a new password comes from.
type secret struct {
	given       string // by a flag
	none        bool   // the user gets no password
	interactive bool   // it is asked for twice
}

func (a *app) userAddCommand() *cobra.Command {
	var s secret
	cmd := &cobra.Command{
		Use:   "add <user name or user:password> [options]",
		Short: "Adds a user",
		Long: "Adds a user, and asks for the password. With --interactive=false it is the first line of stdin.\n\n" +
			"A password in the arguments is seen by everybody who can list the processes of this machine. A user without a\n" +
			"password (--no-password) is known by the common name of a client certificate.",
		Example: examples(a.Name,
			"user add alice",
			"user add alice --interactive=false < password.txt",
			"user add scheduler --no-password"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("user add command requires user name as its argument")
			}
			name, password, err := a.newUser(args[0], s)
			if err != nil {
				return err
			}
			return change(a, cmd, fmt.Sprintf("User %s created", name),
				func(ctx context.Context, c *client.Client) (*client.AuthUserAddResponse, error) {
					return c.UserAddWithOptions(ctx, name, password, &client.UserAddOptions{NoPassword: s.none})
				})
		},
	}
	cmd.Flags().StringVar(&s.given, "new-user-password", "", "password of the new user")
	cmd.Flags().BoolVar(&s.none, "no-password", false, "a user who does not have a password")
	cmd.Flags().BoolVar(&s.interactive, "interactive", true, "ask for the password twice; false reads it from stdin")
	return cmd
}

// newUser returns the name and the password. A colon ends the name, unless the password is elsewhere or there is none.
func (a *app) newUser(arg string, s secret) (name, password string, err error) {
	if s.none {
		return arg, "", nil
	}
	if s.given != "" {
		a.warnOfShort(s.given)
		return arg, s.given, nil
	}
	name, password, found := strings.Cut(arg, ":")
	switch {
	case !found:
		password, err = a.newPassword(name, s.interactive)
		return name, password, err
	case name == "":
		return "", "", badArgs("empty user name is not allowed")
	}
	a.warnOfShort(password)
	return name, password, nil
}

func (a *app) userPasswdCommand() *cobra.Command {
	var interactive bool
	cmd := &cobra.Command{
		Use:   "passwd <user name> [options]",
		Short: "Changes the password of a user",
		Long: "Changes the password of a user, and asks for the new one. With --interactive=false it is the first line of stdin.\n" +
			"Who is logged in as this user has to log in again.",
		Example:           examples(a.Name, "user passwd alice", "user passwd alice --interactive=false < password.txt"),
		ValidArgsFunction: a.complete(suggestUsers),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("user passwd command requires user name as its argument")
			}
			password, err := a.newPassword(args[0], interactive)
			if err != nil {
				return err
			}
			return change(a, cmd, "Password updated",
				func(ctx context.Context, c *client.Client) (*client.AuthUserChangePasswordResponse, error) {
					return c.UserChangePassword(ctx, args[0], password)
				})
		},
	}
	cmd.Flags().BoolVar(&interactive, "interactive", true, "ask for the password twice; false reads it from stdin")
	return cmd
}

// newPassword asks twice for the new password of a user, or reads it from the first line of stdin.
func (a *app) newPassword(user string, interactive bool) (string, error) {
	if !interactive {
		password, err := readPassword(a.Stdin)
		if err != nil {
			return "", exit(ioFailure, err)
		}
		a.warnOfShort(password)
		return password, nil
	}
	password, err := a.askPassword(fmt.Sprintf("Password of %s: ", user))
	if err != nil {
		return "", exit(ioFailure, err)
	}
	if password == "" {
		return "", badArgs("empty password")
	}
	again, err := a.askPassword(fmt.Sprintf("Type password of %s again for confirmation: ", user))
	switch {
	case err != nil:
		return "", exit(ioFailure, err)
	case again != password:
		return "", badArgs("given passwords are different")
	}
	a.warnOfShort(password)
	return password, nil
}

// warnOfShort tells of a password that is guessed too soon. The members take any (CVE-2020-15115), and so does etcdctl.
func (a *app) warnOfShort(password string) {
	if n := utf8.RuneCountInString(password); n < fewCharacters && a.Name != etcdctlName {
		fmt.Fprintf(a.Stderr, "Warning: a password of %d characters is guessed soon; take %d at least.\n", n, fewCharacters)
	}
}
