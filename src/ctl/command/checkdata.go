package command

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"quoin.dev/ctl/check"
	"quoin.dev/ctl/progress"
)

// dataKeyBytes are those of a key behind its prefix, and those of its value.
const dataKeyBytes = 512

// dataLoad is how many clients put how many keys.
type dataLoad struct{ clients, keys int }

func (a *app) checkDataScaleCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "datascale [options]",
		Short: "Checks how much memory a member takes to hold data",
		Long: "Puts 10000 keys of one kilobyte by 50 clients, or with --load=m 100000 by 200, l 1000000 by 500, xl 3000000 by\n" +
			"1000, and shows by how much the memory of the first endpoint has grown, as its metrics tell. The keys are\n" +
			"deleted at the end; their revisions stay until a compaction.\n\n" +
			"This is a load: do not run it on a cluster that others depend on.",
		Example: examples(a.Name,
			"check datascale",
			"check datascale --load=m --auto-compact --auto-defrag"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			load, err := byLoad(&f, dataLoad{50, 10_000}, dataLoad{200, 100_000}, dataLoad{500, 1_000_000}, dataLoad{1000, 3_000_000})
			if err != nil {
				return err
			}
			return a.check(cmd, f, "", func(r *checkRun) error { return r.dataScale(load) })
		},
	}
	f.register(cmd.Flags(), "/etcdctl-check-datascale/")
	return cmd
}

func (r *checkRun) dataScale(load dataLoad) error {
	clients, closeAll, err := r.clients(load.clients)
	if err != nil {
		return err
	}
	defer closeAll()
	before, err := r.memory("before")
	if err != nil {
		return err
	}
	fmt.Fprintf(r.Stdout, "Start data scale check for work load [%d key-value pairs, %d bytes per key-value, %d concurrent clients].\n",
		load.keys, 2*dataKeyBytes, load.clients)
	ctx, cancel := r.Interruptible(r.ctx)
	defer cancel()
	var done atomic.Int64
	line := progress.Start(r.Stderr, func(time.Duration) string { return fmt.Sprintf("%d of %d keys", done.Load(), load.keys) })
	l := check.Load{
		Clients: clients, Count: load.keys, Timeout: r.app.flags.commandTimeout,
		Prefix: r.flags.prefix, KeyBytes: dataKeyBytes, ValueBytes: dataKeyBytes,
	}
	o := l.Run(ctx, &done)
	line.Stop()
	after, unknown := r.memory("after")
	if err := r.cleanUp(); err != nil {
		return failed(err)
	}
	switch err := interruption(ctx); {
	case err != nil:
		return err
	case unknown != nil:
		return unknown
	case len(o.Errors) > 0:
		r.printErrors(o)
		return exit(failure, nil)
	}
	fmt.Fprintf(r.Stdout, "PASS: Approximate system memory used : %.2f MB.\n", float64(after-before)/(1<<20))
	return nil
}

// memory returns that of the first endpoint, in bytes.
func (r *checkRun) memory(when string) (int64, error) {
	ctx, cancel := r.request()
	defer cancel()
	bytes, err := check.ResidentMemory(ctx, r.cfg.Endpoints[0], r.cfg.TLS)
	if err != nil {
		fmt.Fprintf(r.Stdout, "%v\nFAIL: Could not read process_resident_memory_bytes %s the put operations.\n", err, when)
		return 0, exit(failure, nil)
	}
	return bytes, nil
}
