package command

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

// healthKey is read to see whether a member can reach a quorum; it need not exist.
const healthKey = "health"

func (a *app) healthCommand(cluster *bool) *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Checks whether each endpoint answers with a quorum behind it",
		Long: "Reads a key through each endpoint and asks for alarms. An endpoint is healthy when the read succeeds or is\n" +
			"refused for lack of permission, which takes a quorum too, and no alarm is raised. All are asked at once and\n" +
			"shown as they answer; the exit code is 1 when one is unhealthy.",
		Example: examples(a.Name, "endpoint health", "endpoint health --cluster --command-timeout=1s"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.target(cmd, cluster)
			if err != nil {
				return err
			}
			list := t.health()
			if err := printed(t.out.Health(list)); err != nil {
				return err
			}
			for _, h := range list {
				if h.Error != "" {
					return exit(failure, errors.New("unhealthy cluster"))
				}
			}
			return nil
		},
	}
}

// health probes all endpoints at once, so that one that is down does not delay the others.
func (t *target) health() []printer.Health {
	answers := make(chan printer.Health, len(t.endpoints))
	for _, ep := range t.endpoints {
		go func() { answers <- t.probe(ep) }()
	}
	var list []printer.Health
	for range t.endpoints {
		list = append(list, <-answers)
	}
	return list
}

func (t *target) probe(ep string) printer.Health {
	h := printer.Health{Endpoint: ep}
	c, err := client.New(t.at(ep))
	if err != nil {
		h.Error = err.Error()
		return h
	}
	defer c.Close()

	ctx, cancel := t.app.request()
	defer cancel()
	start := time.Now()
	_, err = c.Get(ctx, healthKey)
	h.Took = time.Since(start).String()
	if err != nil && !errors.Is(err, rpctypes.ErrPermissionDenied) {
		h.Error = requestError(err).Error()
		return h
	}
	h.Error = alarms(ctx, c)
	h.Healthy = h.Error == ""
	return h
}

func alarms(ctx context.Context, c *client.Client) string {
	resp, err := c.AlarmList(ctx)
	if err != nil {
		return "Unable to fetch the alarm list"
	}
	if len(resp.GetAlarms()) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("Active Alarm(s): ")
	for _, m := range resp.GetAlarms() {
		switch m.GetAlarm() {
		case pb.AlarmType_NOSPACE, pb.AlarmType_CORRUPT:
			b.WriteString(m.GetAlarm().String() + " ")
		default:
			b.WriteString("UNKNOWN ")
		}
	}
	return b.String()
}
