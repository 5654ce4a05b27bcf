package command

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"quoin.dev/client"
)

func (a *app) moveLeaderCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "move-leader <transferee-member-id>",
		GroupID: groupMaintenance,
		Short:   "Hands leadership to another member",
		Long: "Makes the member with the hexadecimal id <transferee-member-id> the leader. The endpoints must hold that of\n" +
			"the present leader, since only it can hand over; those of all members will do.",
		Example: examples(a.Name,
			"move-leader 8211f1d0f64f3269 --endpoints=10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379"),
		ValidArgsFunction: a.completeMember(isVoter),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("move-leader command needs 1 argument")
			}
			target, err := strconv.ParseUint(args[0], 16, 64)
			if err != nil {
				return exit(badArguments, err)
			}
			all := false
			t, err := a.target(cmd, &all)
			if err != nil {
				return err
			}
			return t.moveLeader(target)
		},
	}
}

func (t *target) moveLeader(to uint64) error {
	leader, at, err := t.leader()
	switch {
	case at != "":
	case err != nil:
		return failed(err)
	default:
		return exit(badArguments, fmt.Errorf("no leader endpoint given at %v", t.endpoints))
	}
	c, err := dial(t.at(at))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := t.app.request()
	defer cancel()
	resp, err := c.MoveLeader(ctx, to)
	if err != nil {
		return failed(err)
	}
	return printed(t.out.MoveLeader(leader, to, resp))
}

// leader asks all endpoints at once and returns the first that says it leads, and the id under which it does, so that one
// that is down is in nobody's way. The error is why an endpoint has not answered; the leader may be behind it.
func (t *target) leader() (id uint64, endpoint string, err error) {
	type answer struct {
		id    uint64
		at    string
		leads bool
		err   error
	}
	answers := make(chan answer, len(t.endpoints))
	for _, ep := range t.endpoints {
		go func() {
			id, leads, err := t.leads(ep)
			answers <- answer{id, ep, leads, err}
		}()
	}
	for range t.endpoints {
		a := <-answers
		if a.leads {
			return a.id, a.at, nil
		}
		if a.err != nil {
			err = a.err
		}
	}
	return 0, "", err
}

func (t *target) leads(ep string) (id uint64, yes bool, err error) {
	c, err := client.New(t.at(ep))
	if err != nil {
		return 0, false, err
	}
	defer c.Close()
	ctx, cancel := t.app.request()
	defer cancel()
	resp, err := c.Status(ctx, ep)
	if err != nil {
		return 0, false, err
	}
	id = resp.GetHeader().GetMemberId()
	return id, id == resp.GetLeader(), nil
}
