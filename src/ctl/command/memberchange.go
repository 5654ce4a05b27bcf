package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

func (a *app) memberAddCommand() *cobra.Command {
	var peerURLs string
	var learner bool
	cmd := &cobra.Command{
		Use:   "add <memberName> [options]",
		Short: "Adds a member to the cluster",
		Long: "Adds a member with the peer URLs of --peer-urls, and prints the variables to start it with.\n\n" +
			"A member counts for the quorum from here on, started or not. With --learner it does not: it receives the data\n" +
			"and has no vote until it is promoted, so that the cluster goes on as before whatever becomes of it. That is\n" +
			"the safer way, most of all for a cluster with much data. Add one member at a time.",
		Example: examples(a.Name,
			"member add m4 --learner --peer-urls=https://10.0.0.4:2380",
			"member add m4 --peer-urls=https://10.0.0.4:2380,https://m4.example.com:2380"),
		RunE: func(cmd *cobra.Command, args []string) error {
			urls, err := newMemberArgs(args, peerURLs)
			if err != nil {
				return err
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				add := c.MemberAdd
				if learner {
					add = c.MemberAddAsLearner
				}
				resp, err := add(ctx, urls)
				if err != nil {
					return failed(err)
				}
				return printed(out.MemberAdd(args[0], urls, resp))
			})
		},
	}
	cmd.Flags().StringVar(&peerURLs, "peer-urls", "", "URLs, separated by commas, at which other members reach the new one")
	cmd.Flags().BoolVar(&learner, "learner", false, "without a vote, until it is promoted")
	return cmd
}

// newMemberArgs helps those who give the URLs as arguments.
func newMemberArgs(args []string, peerURLs string) (urls []string, err error) {
	switch {
	case len(args) == 0:
		return nil, badArgs("member name not provided")
	case len(args) > 1:
		text := "too many arguments"
		for _, arg := range args[1:] {
			if strings.HasPrefix(arg, "http") {
				text += ", did you mean --peer-urls=" + arg
			}
		}
		return nil, badArgs(text)
	}
	return peerURLList(peerURLs)
}

func peerURLList(flag string) ([]string, error) {
	if flag == "" {
		return nil, badArgs("member peer urls not provided")
	}
	return strings.Split(flag, ","), nil
}

func (a *app) memberRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove <memberID>",
		Short: "Removes a member from the cluster",
		Long: "Removes the member with the hexadecimal id <memberID>, as `member list` shows it. Its process ends by itself,\n" +
			"and can not come back with its data directory. To replace a member, add the new one as a learner first.",
		Example:           examples(a.Name, "member remove 8211f1d0f64f3269"),
		ValidArgsFunction: a.completeMember(anyMember),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := memberArg(args)
			if err != nil {
				return err
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				resp, err := c.MemberRemove(ctx, id)
				if err != nil {
					return failed(err)
				}
				return printed(out.MemberRemove(id, resp))
			})
		},
	}
}

func (a *app) memberUpdateCommand() *cobra.Command {
	var peerURLs string
	cmd := &cobra.Command{
		Use:   "update <memberID> [options]",
		Short: "Changes the peer URLs of a member",
		Long: "Changes the URLs at which other members reach the one with the hexadecimal id <memberID>. The member itself\n" +
			"has to listen there: change its --listen-peer-urls and restart it.",
		Example:           examples(a.Name, "member update 8211f1d0f64f3269 --peer-urls=https://10.0.0.9:2380"),
		ValidArgsFunction: a.completeMember(anyMember),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := memberArg(args)
			if err != nil {
				return err
			}
			urls, err := peerURLList(peerURLs)
			if err != nil {
				return err
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				resp, err := c.MemberUpdate(ctx, id, urls)
				if err != nil {
					return failed(err)
				}
				return printed(out.MemberUpdate(id, resp))
			})
		},
	}
	cmd.Flags().StringVar(&peerURLs, "peer-urls", "", "URLs, separated by commas, at which other members reach it")
	return cmd
}

func (a *app) memberPromoteCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "promote <memberID>",
		Short: "Gives a learner its vote",
		Long: "Gives the learner with the hexadecimal id <memberID> its vote. It is refused until the learner has most of\n" +
			"what the leader has; try again then.",
		Example:           examples(a.Name, "member promote 8211f1d0f64f3269"),
		ValidArgsFunction: a.completeMember(isLearner),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := memberArg(args)
			if err != nil {
				return err
			}
			return a.call(cmd, func(ctx context.Context, c *client.Client, out printer.Printer) error {
				resp, err := c.MemberPromote(ctx, id)
				if err != nil {
					return failed(err)
				}
				return printed(out.MemberPromote(id, resp))
			})
		},
	}
}

// memberArg reads the id that is the only argument.
func memberArg(args []string) (uint64, error) {
	if len(args) != 1 {
		return 0, badArgs("member ID is not provided")
	}
	id, err := strconv.ParseUint(args[0], 16, 64)
	if err != nil {
		return 0, exit(badArguments, fmt.Errorf("bad member ID arg (%w), expecting ID in Hex", err))
	}
	return id, nil
}
