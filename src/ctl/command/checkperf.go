package command

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"quoin.dev/ctl/check"
	"quoin.dev/ctl/progress"
)

// perfLoad is how many clients put, and how many puts a second they make together.
type perfLoad struct{ clients, rate int }

func (a *app) checkPerfCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "perf [options]",
		Short: "Checks whether the cluster keeps up with puts for a minute",
		Long: "Puts keys for 60 seconds: 150 a second by 50 clients, or with --load=m 1000 by 200, l 8000 by 500, xl 15000 by\n" +
			"1000. The cluster passes when it makes 90 percent of them, none takes longer than 500 ms and the standard\n" +
			"deviation is below 100 ms. The keys are deleted at the end; their revisions stay until a compaction.\n\n" +
			"This is a load: do not run it on a cluster that others depend on.",
		Example: examples(a.Name,
			"check perf",
			"check perf --load=m --auto-compact --auto-defrag"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			load, err := byLoad(&f, perfLoad{50, 150}, perfLoad{200, 1000}, perfLoad{500, 8000}, perfLoad{1000, 15000})
			if err != nil {
				return err
			}
			return a.check(cmd, f, "'", func(r *checkRun) error { return r.perf(load) })
		},
	}
	f.register(cmd.Flags(), "/etcdctl-check-perf/")
	return cmd
}

func (r *checkRun) perf(load perfLoad) error {
	clients, closeAll, err := r.clients(load.clients)
	if err != nil {
		return err
	}
	defer closeAll()
	ctx, cancel := r.Interruptible(r.ctx)
	defer cancel()
	var done atomic.Int64
	line := progress.Start(r.Stderr, func(now time.Duration) string {
		return fmt.Sprintf("%s of %s, %d puts", now.Truncate(time.Second), r.CheckDuration, done.Load())
	})
	l := check.Load{
		Clients: clients, Rate: load.rate, Duration: r.CheckDuration, Timeout: r.app.flags.commandTimeout,
		Prefix: r.flags.prefix, KeyBytes: 256, ValueBytes: 1024,
	}
	o := l.Run(ctx, &done)
	line.Stop()
	return r.judge(ctx, o, float64(load.rate), r.cleanUp())
}

// judge prints the result line by line.
func (r *checkRun) judge(ctx context.Context, o check.Outcome, rate float64, cleaned error) error {
	passed := true
	say := func(ok bool, good, bad string, value any) {
		if passed = passed && ok; ok {
			fmt.Fprintf(r.Stdout, "PASS: "+good+"\n", value)
		} else {
			fmt.Fprintf(r.Stdout, bad+"\n", value)
		}
	}
	var notDeleted *cleanUpError
	switch {
	case errors.As(cleaned, &notDeleted):
		passed = false
		fmt.Fprintf(r.Stdout, "FAIL: Cleanup failed during key deletion: ERROR(%v)\n", cleaned)
	case cleaned != nil:
		return failed(cleaned)
	}
	if err := interruption(ctx); err != nil {
		return err
	}
	if len(o.Errors) > 0 {
		passed = false
		r.printErrors(o)
	}
	perSecond := int(float64(o.Succeeded)/o.Elapsed.Seconds()) + 1
	say(float64(perSecond) > rate*perfShare, "Throughput is %d writes/s", "FAIL: Throughput too low: %d writes/s", perSecond)
	say(o.Slowest <= perfSlowest, "Slowest request took %fs", "Slowest request took too long: %fs", o.Slowest.Seconds())
	say(!(o.Stddev > perfStddev), "Stddev is %fs", "Stddev too high: %fs", o.Stddev)
	if !passed {
		fmt.Fprintln(r.Stdout, "FAIL")
		return exit(failure, nil)
	}
	fmt.Fprintln(r.Stdout, "PASS")
	return nil
}
