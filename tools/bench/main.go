// Command bench compares the speed and the memory of quoin with those of etcd 3.7.3.
//
// It builds both, runs one member of each in turn, or three for the rows about outages (A B A B, every time with a fresh data
// directory, the same flags and fsync on), drives it with the load generator of package load as a process of its own, and prints every number of both
// with the ratio quoin/etcd. Run it from the top of the repository; `go run ./tools/bench -help` tells the rest.
//
//	main ──▶ plan (which scenes and rows) ──▶ runner ──▶ member or group (server processes), generator (load process), writers
//	                                              └────▶ report ──▶ table, JSON, goals
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 {
		// The two roles that this program plays as a child of itself.
		switch os.Args[1] {
		case generatorCommand:
			os.Exit(generatorMain(os.Stdin, os.Stdout))
		case echoCommand:
			os.Exit(echoMain(os.Args[2:]))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parseOptions(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if err := bench(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// bench runs the whole comparison. What was measured before a failure is reported all the same.
func bench(ctx context.Context, o *options, out io.Writer) (err error) {
	if o.list {
		return listRows(out)
	}
	scenes, err := selectRows(o)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "quoin-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	contenders, err := prepareContenders(ctx, o, dir, scenes)
	if err != nil {
		return err
	}
	rep := newReport(o, contenders)
	for _, warning := range []string{fsyncWarning(dir), busyWarning()} {
		if warning != "" {
			rep.Notes = append(rep.Notes, warning)
		}
	}
	r := &runner{options: o, dir: dir, contenders: contenders, scenes: scenes, report: rep, progress: newProgress(o, os.Stderr)}
	runErr := r.run(ctx)
	rep.finish()
	if len(rep.Rows) > 0 {
		rep.writeTable(out)
		if o.json != "" {
			runErr = errors.Join(runErr, rep.writeJSON(o.json))
		}
	}
	if o.goals && runErr == nil && rep.missedGoals() > 0 {
		runErr = fmt.Errorf("%d goals were missed", rep.missedGoals())
	}
	return runErr
}
