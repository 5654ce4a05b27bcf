package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"quoin.dev/ctl/progress"
)

func (a *app) defragCommand() *cobra.Command {
	var cluster bool
	cmd := &cobra.Command{
		Use:     "defrag",
		GroupID: groupMaintenance,
		Short:   "Gives the unused space of the database files back to the file system",
		Long: "Rewrites the database file of each endpoint without the space that deleted and compacted keys have left in it,\n" +
			"one endpoint after the other. Compact first, or there is little to give back.\n\n" +
			"A member of etcd answers nothing meanwhile; one of quoin goes on. Large databases take longer than the usual\n" +
			"--command-timeout.",
		Example: examples(a.Name,
			"defrag --command-timeout=10m",
			"defrag --cluster --command-timeout=10m"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.target(cmd, &cluster)
			if err != nil {
				return err
			}
			return t.defrag()
		},
	}
	cmd.Flags().BoolVar(&cluster, "cluster", false, "all members, as the member list has them, instead of --endpoints")
	return cmd
}

func (t *target) defrag() error {
	complete := true
	for i, ep := range t.endpoints {
		start := time.Now()
		line := progress.Start(t.app.Stderr, func(now time.Duration) string {
			return fmt.Sprintf("defragmenting %s (%d of %d), %s", ep, i+1, len(t.endpoints), now.Truncate(time.Second))
		})
		err := t.defragOne(ep)
		took := time.Since(start)
		line.Stop()
		if err != nil {
			fmt.Fprintf(t.app.Stderr, "Failed to defragment etcd member[%s]. took %s. (%v)\n", ep, took, requestError(err))
			complete = false
			continue
		}
		fmt.Fprintf(t.app.Stdout, "Finished defragmenting etcd member[%s]. took %s\n", ep, took)
	}
	if !complete {
		return exit(failure, nil) // each failure was printed where it occurred
	}
	return nil
}

func (t *target) defragOne(ep string) error {
	c, err := dial(t.at(ep))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := t.app.request()
	defer cancel()
	_, err = c.Defragment(ctx, ep)
	return err
}
