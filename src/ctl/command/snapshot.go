package command

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/ctl/progress"
	"quoin.dev/ctl/snapfile"
	"quoin.dev/pkg/human"
	"quoin.dev/pkg/vfs"
)

func (a *app) snapshotCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "snapshot <subcommand>",
		Aliases: []string{"s"}, // enough for etcdctl, which has no status
		GroupID: groupMaintenance,
		Short:   "Saves the database of a member",
	}
	cmd.AddCommand(a.snapshotSaveCommand())
	return cmd
}

func (a *app) snapshotSaveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "save <filename>",
		Short: "Saves the database of a member to a file",
		Long: "Saves the database of a member, with a checksum at its end, to <filename>. The file is replaced if it exists,\n" +
			"and only when all has come, matches its checksum and is on the disk; till then it grows beside it, as\n" +
			"<filename>.part.\n\n" +
			"The member is the only one of --endpoints. Any will do that is not behind. There is no limit of time unless\n" +
			"--command-timeout is given.",
		Example: examples(a.Name,
			"snapshot save /backup/$(date +%F).db",
			"snapshot save --endpoints=10.0.0.1:2379 backup.db",
			"snapshot save --command-timeout=1h backup.db"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("snapshot save expects one argument <filename>")
			}
			if _, err := a.setup(cmd, false); err != nil {
				return err
			}
			ctx, cancel := a.Interruptible(a.ctx)
			defer cancel()
			if cmd.Flags().Changed("command-timeout") {
				ctx, cancel = context.WithTimeout(ctx, a.flags.commandTimeout)
				defer cancel()
			}
			return a.saveSnapshot(ctx, args[0])
		},
	}
}

func (a *app) saveSnapshot(ctx context.Context, path string) error {
	cfg, err := a.clientConfig()
	if err != nil {
		return err
	}
	if len(cfg.Endpoints) > 1 {
		return exit(interrupted, fmt.Errorf("snapshot must be requested to one selected node, not multiple %v", cfg.Endpoints))
	}
	c, err := dial(cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	d := &download{ctx: ctx, c: c}
	defer d.Close()
	line := progress.Start(a.Stderr, d.describe)
	err = snapfile.Save(vfs.OS(), path, d)
	line.Stop()
	switch {
	case err != nil && ctx.Err() == context.Canceled:
		return exit(interrupted, fmt.Errorf("interrupted: %s is as it was", path))
	case err != nil:
		return exit(interrupted, requestError(err))
	}
	fmt.Fprintf(a.Stdout, "Snapshot saved at %s\n", path)
	if d.version != "" {
		fmt.Fprintf(a.Stdout, "Server version %s\n", d.version)
	}
	return nil
}

// download is a snapshot that is asked for by the first Read, when there is a file for it.
type download struct {
	ctx     context.Context
	c       *client.Client
	version string
	body    io.ReadCloser

	bytes atomic.Int64 // what has come
}

func (d *download) Read(p []byte) (int, error) {
	if d.body == nil {
		resp, err := d.c.SnapshotWithVersion(d.ctx)
		if err != nil {
			return 0, err
		}
		d.body, d.version = resp.Snapshot, resp.Version
	}
	n, err := d.body.Read(p)
	d.bytes.Add(int64(n))
	return n, err
}

func (d *download) Close() error {
	if d.body == nil {
		return nil
	}
	return d.body.Close()
}

// describe says how much there is and how fast it comes.
func (d *download) describe(elapsed time.Duration) string {
	came := d.bytes.Load()
	perSecond := uint64(float64(came) / elapsed.Seconds())
	return fmt.Sprintf("saving the snapshot: %s, %s/s", human.Bytes(uint64(came)), human.Bytes(perSecond))
}
