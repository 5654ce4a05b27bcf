package command

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

// The variables that stand for the arguments of a watch.
const (
	watchKeyVariable = "ETCDCTL_WATCH_KEY"
	watchEndVariable = "ETCDCTL_WATCH_RANGE_END"
)

var errWatchCanceled = errors.New("watch is canceled by the server")

type watchFlags struct {
	interactive    bool
	prefix         bool
	prevKV         bool
	progressNotify bool
	rev            int64
	since          sinceFlag
}

func (f *watchFlags) register(fs *pflag.FlagSet) {
	fs.BoolVarP(&f.interactive, "interactive", "i", false, "read watch and progress commands from stdin, one a line")
	fs.BoolVar(&f.prefix, "prefix", false, "watch every key that begins with [key or prefix]")
	fs.BoolVar(&f.prevKV, "prev-kv", false, "print the key and the value that were there before as well")
	fs.BoolVar(&f.progressNotify, "progress-notify", false, "print from time to time how far a quiet watch has come")
	fs.Int64Var(&f.rev, "rev", 0, "revision to begin with (0: the next change)")
	fs.Var(&f.since, "since", "revision to begin with, or -N for the last N revisions of the store")
}

// watch is one watch: what it is of, where it begins, and the command to run for each event.
type watch struct {
	interval
	since   sinceFlag
	opts    []client.OpOption // besides those of the interval
	command []string
}

func (a *app) watchCommand() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:     "watch [options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
		GroupID: groupKV,
		Short:   "Prints the changes of a key or an interval of keys",
		Long: "Prints the changes of a key, or with [range_end] of the keys from [key or prefix] up to but without\n" +
			"[range_end], until it is interrupted.\n\n" +
			"A change is printed as PUT or DELETE, the key and the value, each on its own line. After --, a command follows\n" +
			"that is run for each change, with ETCD_WATCH_REVISION, ETCD_WATCH_EVENT_TYPE, ETCD_WATCH_KEY and\n" +
			"ETCD_WATCH_VALUE in its environment; a command that fails ends the watch.\n\n" +
			"With --since -100 the changes of the last 100 revisions come first. A time is no place to begin: etcd does not keep\n" +
			"when a revision was made.\n\n" +
			"Without a key, the watch is of " + watchKeyVariable + " and " + watchEndVariable + ".\n\n" +
			"With --interactive, the watches are read from stdin, as lines `watch [options] <key> [range_end] [-- command]`.\n" +
			"The line `progress` prints how far the watches have come.",
		Example: examples(a.Name,
			"watch greeting",
			"watch --prefix session/ --prev-kv",
			"watch a z --rev=42 --write-out=json",
			"watch --prefix '' --since=-100",
			"watch config -- ./reload.sh",
			"watch --interactive"),
		Annotations: map[string]string{watchKeyVariable: "", watchEndVariable: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.interactive {
				return a.watchInteractive(cmd)
			}
			w, err := a.newWatch(f, args, cmd.ArgsLenAtDash())
			if err != nil {
				return exit(badArguments, err)
			}
			return a.watch(cmd, w)
		},
	}
	f.register(cmd.Flags())
	return cmd
}

var errWatchEndPrefix = errors.New("`range_end` and `--prefix` are mutually exclusive")

// newWatch reads the arguments, of which those from dash on (unless it is -1) are the command.
func (a *app) newWatch(f watchFlags, args []string, dash int) (watch, error) {
	dashLast := dash == len(args)
	var command []string
	if dash >= 0 {
		args, command = args[:dash], args[dash:]
	}
	key, end := a.variable(watchKeyVariable), a.variable(watchEndVariable)
	switch {
	case key == "" && end != "":
		return watch{}, fmt.Errorf("%s is empty but got %s=%q", watchKeyVariable, watchEndVariable, end)
	case dashLast:
		return watch{}, errors.New("bad number of arguments (found separator --, but no commands)")
	case key != "" && len(args) > 0:
		return watch{}, errors.New("bad number of arguments (found conflicting environment key)")
	case key != "":
		args = []string{key}
		if end != "" {
			args = append(args, end)
		}
	case len(args) == 0:
		return watch{}, errors.New("bad number of arguments")
	}
	if len(args) > 1 && f.prefix {
		return watch{}, errWatchEndPrefix
	}
	if f.since.revision != 0 && f.rev != 0 {
		return watch{}, errors.New("`--since` and `--rev` cannot be set at the same time, choose one")
	}
	w := watch{interval: interval{key: args[0]}, since: f.since, opts: f.options(), command: command}
	if len(args) > 1 {
		w.interval.opts = append(w.interval.opts, client.WithRange(args[1]))
	}
	if f.prefix {
		w.interval.opts = append(w.interval.opts, client.WithPrefix())
	}
	return w, nil
}

func (f *watchFlags) options() []client.OpOption {
	opts := []client.OpOption{client.WithRev(f.rev)}
	if f.prevKV {
		opts = append(opts, client.WithPrevKV())
	}
	if f.progressNotify {
		opts = append(opts, client.WithProgressNotify())
	}
	return opts
}

func (a *app) watch(cmd *cobra.Command, w watch) error {
	out, err := a.setup(cmd, false)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := client.WithRequireLeader(a.ctx)
	changes, err := a.begin(ctx, c, w)
	if err != nil {
		return failed(err)
	}
	if err := a.follow(ctx, changes, w, func(r client.WatchResponse) error { return a.showChanges(r, w, out) }); err != nil {
		return err
	}
	return exit(interrupted, errWatchCanceled)
}

// follow shows what a watch tells and runs the command for its events, until the watch ends, or until an error that ends
// the process.
func (a *app) follow(ctx context.Context, changes client.WatchChan, w watch, show func(client.WatchResponse) error) error {
	for r := range changes {
		if err := show(r); err != nil {
			return err
		}
		if len(w.command) == 0 {
			continue
		}
		for _, ev := range r.Events {
			if err := a.runForEvent(ctx, w.command, r.Header.GetRevision(), ev); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) showChanges(r client.WatchResponse, w watch, out printer.Printer) error {
	if r.Canceled {
		reason := r.CancelReason
		if reason == "" {
			reason = r.Err().Error()
		}
		fmt.Fprintf(a.Stderr, "watch was canceled (%s)\n", reason)
		if w.since.revision != 0 && r.CompactRevision > 0 {
			fmt.Fprintf(a.Stderr, "the oldest revision to begin with is %d: --since=%[1]d\n", r.CompactRevision)
		}
	}
	if r.IsProgressNotify() {
		fmt.Fprintf(a.Stdout, "progress notify: %d\n", r.Header.GetRevision())
	}
	if r.Canceled && r.CompactRevision == 0 {
		// The reason was just told. The formats show it as little as etcdctl does, nor the header.
		r.Header, r.CancelReason = nil, ""
	}
	return printed(out.Watch(r))
}

// runForEvent runs the command of a watch. It is told the revision of the store at the time of the response.
func (a *app) runForEvent(ctx context.Context, command []string, revision int64, ev *client.Event) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = slices.Concat(a.Env, []string{
		fmt.Sprintf("ETCD_WATCH_REVISION=%d", revision),
		fmt.Sprintf("ETCD_WATCH_EVENT_TYPE=%q", ev.GetType()),
		fmt.Sprintf("ETCD_WATCH_KEY=%q", ev.GetKv().GetKey()),
		fmt.Sprintf("ETCD_WATCH_VALUE=%q", ev.GetKv().GetValue()),
	})
	cmd.Stdout, cmd.Stderr = a.Stdout, a.Stderr
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		fmt.Fprintf(a.Stderr, "command %q error (%v)\n", command, err)
		return exit(failure, nil)
	}
	return nil
}
