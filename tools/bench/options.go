package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// options is the parsed command line.
type options struct {
	a, b       string
	rows       []string
	list       bool
	rounds     int
	warmup     time.Duration
	duration   time.Duration
	ops        int64
	keys       int64
	quick      bool
	dir        string
	json       string
	cpuProfile string
	extra      []string
	goals      bool
	verbose    bool
}

const usage = `Compares quoin with etcd 3.7.3: throughput, latency, CPU time and memory of one member,
and for how long a cluster of three takes no writes when something happens to it.

Usage:
  go run ./tools/bench [flags]

Examples:
  go run ./tools/bench                              everything; about 45 minutes on two cores
  go run ./tools/bench -quick                       everything, small and short: does it run, is something far off?
  go run ./tools/bench -rows put-1000,range-10k     only these rows
  go run ./tools/bench -rows 'get-*' -json out.json rows by pattern, the result also as JSON
  go run ./tools/bench -rows 'leader-*,rolling-*'    outages of clusters of three members
  go run ./tools/bench -a ./old/quoin -b quoin      a binary against the working tree
  go run ./tools/bench -a etcd -b etcd -quick       how much noise there is: all ratios should be near 1
  go run ./tools/bench -rows put-1000 -rounds 1 -cpuprofile prof
                                                    CPU profiles of the servers; then: go tool pprof -http=: prof/FILE

The load is a closed loop: each client sends its next request when the previous one was answered. In each round A runs
first, then B. A ratio is A/B, the median over the rounds of the ratios within one round; a value is the median over the
rounds. CPU is user and system time of the server process per 100,000 answered requests. The echo rows are an empty gRPC
server under the put load: the ceiling for this machine.

In the rows about outages some clients put to all members of a cluster, a few hundred times a second each. Each waits for an
answer for at most half a second, and goes on with the next member when it is not a good one. gap_ms is the longest time in
which no put at all was answered well.

Flags:
`

func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	var rows, extra string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.a, "a", "quoin", "server A: `quoin` or etcd (built), or the path of a binary")
	f.StringVar(&o.b, "b", "etcd", "server B, likewise: `etcd`, quoin or a path")
	f.StringVar(&rows, "rows", "", "run only these `rows`, comma-separated names or patterns (see -list)")
	f.BoolVar(&o.list, "list", false, "list the rows and end")
	f.IntVar(&o.rounds, "rounds", 3, "how many `times` A and B are run in turn")
	f.DurationVar(&o.warmup, "warmup", 2*time.Second, "load before each measured window, for this `time`")
	f.DurationVar(&o.duration, "duration", 8*time.Second, "measure each row for this `time`")
	f.Int64Var(&o.ops, "ops", 0, "measure each row for this `number` of requests instead, without warmup")
	f.Int64Var(&o.keys, "keys", 1_000_000, "`number` of keys in the rows named 1m")
	f.BoolVar(&o.quick, "quick", false, "one round, 2 s windows, 100,000 keys, unless other flags say otherwise")
	f.StringVar(&o.dir, "dir", "", "`folder` for data directories and binaries (default: the system's temporary folder)")
	f.StringVar(&o.json, "json", "", "also write the report to this `file` as JSON")
	f.StringVar(&o.cpuProfile, "cpuprofile", "", "start the servers with --enable-pprof and save a CPU profile of each measured window in this `folder`")
	f.StringVar(&extra, "server-flags", "", "more `flags` for both servers, separated by spaces")
	f.BoolVar(&o.goals, "goals", false, "exit with 1 when a goal is missed")
	f.BoolVar(&o.verbose, "v", false, "print a line for every finished row")
	f.Usage = func() {}
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		f.SetOutput(stderr)
		f.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w (see -help)", err)
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q (see -help)", f.Arg(0))
	}
	o.rows = strings.FieldsFunc(rows, func(r rune) bool { return r == ',' })
	o.extra = strings.Fields(extra)
	if o.quick {
		o.applyQuick(f)
	}
	return o, o.validate()
}

func (o *options) applyQuick(f *flag.FlagSet) {
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["rounds"] {
		o.rounds = 1
	}
	if !given["warmup"] {
		o.warmup = 500 * time.Millisecond
	}
	if !given["duration"] {
		o.duration = 2 * time.Second
	}
	if !given["keys"] {
		o.keys = 100_000
	}
}

func (o *options) validate() error {
	switch {
	case o.rounds < 1 || o.rounds > 1000:
		return errors.New("-rounds must be 1 to 1000")
	case o.warmup < 0 || o.warmup > time.Hour:
		return errors.New("-warmup must be 0 to 1h")
	case o.duration < 100*time.Millisecond || o.duration > 24*time.Hour:
		return errors.New("-duration must be 100ms to 24h")
	case o.ops < 0:
		return errors.New("-ops must not be negative")
	case o.keys < 1000 || o.keys > 100_000_000:
		return errors.New("-keys must be 1000 to 100000000")
	case o.a == "" || o.b == "":
		return errors.New("-a and -b must name a server")
	}
	return nil
}
