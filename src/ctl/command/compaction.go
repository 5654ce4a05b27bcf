package command

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"quoin.dev/client"
)

func (a *app) compactionCommand() *cobra.Command {
	var physical bool
	cmd := &cobra.Command{
		Use:     "compaction [options] <revision>",
		GroupID: groupKV,
		Short:   "Forgets the history before a revision",
		Long: "Forgets what the keys were before <revision>; the revision itself can still be read.\n\n" +
			"The answer comes as soon as the compaction is decided, with --physical when the old data is off the disk.\n" +
			"The file does not shrink by it; that takes a defragmentation.",
		Example: examples(a.Name, "compaction 1234", "compaction --physical 1234"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("compaction command needs 1 argument")
			}
			rev, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return exit(failure, err)
			}
			if _, err := a.setup(cmd, false); err != nil {
				return err
			}
			return a.compact(rev, physical)
		},
	}
	cmd.Flags().BoolVar(&physical, "physical", false, "wait until the old data is deleted from the disk")
	return cmd
}

func (a *app) compact(rev int64, physical bool) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	var opts []client.CompactOption
	if physical {
		opts = append(opts, client.WithCompactPhysical())
	}
	ctx, cancel := a.request()
	defer cancel()
	if _, err := c.Compact(ctx, rev, opts...); err != nil {
		return failed(err)
	}
	fmt.Fprintln(a.Stdout, "compacted revision", rev)
	return nil
}
