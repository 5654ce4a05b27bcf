package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quoin.dev/client"
)

// completionWait bounds what a shell waits for a suggestion.
const completionWait = time.Second

// suggestions are the values of an argument that the cluster knows.
type suggestions func(context.Context, *client.Client) ([]cobra.Completion, error)

// complete suggests the first arguments, which only the cluster knows. It says nothing when the cluster can not be asked at once.
func (a *app) complete(arguments ...suggestions) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		a.Stderr = io.Discard // a shell shows it in the middle of the line
		if len(args) >= len(arguments) || a.loadEnv(cmd) != nil || a.flags.asksPassword() {
			return nil, none
		}
		ctx, cancel := context.WithTimeout(a.ctx, completionWait)
		defer cancel()
		a.ctx = ctx
		a.flags.dialTimeout = min(a.flags.dialTimeout, completionWait)
		c, err := a.connect()
		if err != nil {
			return nil, none
		}
		defer c.Close()
		list, err := arguments[len(args)](ctx, c)
		if err != nil {
			return nil, none
		}
		return list, none
	}
}

// asksPassword reports whether a client would ask the operator for the password.
func (f *globalFlags) asksPassword() bool {
	return f.token == "" && f.user != "" && f.password == "" && !strings.Contains(f.user, ":")
}

// completeMember suggests the ids of members that a command can be about.
func (a *app) completeMember(about func(*client.Member) bool) cobra.CompletionFunc {
	return a.complete(func(ctx context.Context, c *client.Client) (list []cobra.Completion, err error) {
		resp, err := c.MemberList(ctx, client.WithSerializable())
		for _, m := range resp.GetMembers() {
			if about(m) {
				list = append(list, cobra.CompletionWithDesc(fmt.Sprintf("%x", m.ID), m.Name))
			}
		}
		return list, err
	})
}

func anyMember(*client.Member) bool   { return true }
func isLearner(m *client.Member) bool { return m.GetIsLearner() }
func isVoter(m *client.Member) bool   { return !m.GetIsLearner() }

// completeLease suggests the ids of leases.
func (a *app) completeLease() cobra.CompletionFunc {
	return a.complete(func(ctx context.Context, c *client.Client) (list []cobra.Completion, err error) {
		resp, err := c.Leases(ctx)
		if err != nil {
			return nil, err
		}
		for _, l := range resp.Leases {
			list = append(list, fmt.Sprintf("%016x", int64(l.ID)))
		}
		return list, nil
	})
}

func suggestUsers(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
	resp, err := c.UserList(ctx)
	return resp.GetUsers(), err
}

func suggestRoles(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
	resp, err := c.RoleList(ctx)
	return resp.GetRoles(), err
}
