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
}

func (f *watchFlags) register(fs *pflag.FlagSet) {
	fs.BoolVarP(&f.interactive, "interactive", "i", false, "read watch and progress commands from stdin, one a line")
	fs.BoolVar(&f.prefix, "prefix", false, "watch every key that begins with [key or prefix]")
	fs.BoolVar(&f.prevKV, "prev-kv", false, "print the key and the value that were there before as well")
	fs.BoolVar(&f.progressNotify, "progress-notify", false, "print from time to time how far a quiet watch has come")
	fs.Int64Var(&f.rev, "rev", 0, "revision to begin with (0: the next change)")
}

// watch is one watch: what it is of, and the command to run for each event.
type watch struct {
	key     string
	opts    []client.OpOption
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
			"Without a key, the watch is of " + watchKeyVariable + " and " + watchEndVariable + ".\n\n" +
			"With --interactive, the watches are read from stdin, as lines `watch [options] <key> [range_end] [-- command]`.\n" +
			"The line `progress` prints how far the watches have come.",
		Example: examples(a.Name,
			"watch greeting",
			"watch --prefix session/ --prev-kv",
			"watch a z --rev=42 --write-out=json",
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
	interval, command := args, []string(nil)
	if dash >= 0 {
		interval, command = args[:dash], args[dash:]
	}
	key, end := a.variable(watchKeyVariable), a.variable(watchEndVariable)
	switch {
	case key == "" && end != "":
		return watch{}, fmt.Errorf("%s is empty but got %s=%q", watchKeyVariable, watchEndVariable, end)
	case dash == len(args):
		return watch{}, errors.New("bad number of arguments (found separator --, but no commands)")
	case key != "" && len(interval) > 0:
		return watch{}, errors.New("bad number of arguments (found conflicting environment key)")
	case key != "":
		interval = []string{key}
		if end != "" {
			interval = append(interval, end)
		}
	case len(interval) == 0:
		return watch{}, errors.New("bad number of arguments")
	}
	if len(interval) > 1 && f.prefix {
		return watch{}, errWatchEndPrefix
	}
	return watch{interval[0], f.options(interval[1:]), command}, nil
}

func (f *watchFlags) options(end []string) []client.OpOption {
	opts := []client.OpOption{client.WithRev(f.rev)}
	if len(end) > 0 {
		opts = append(opts, client.WithRange(end[0]))
	}
	if f.prefix {
		opts = append(opts, client.WithPrefix())
	}
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
	show := func(r client.WatchResponse) error { return a.showChanges(r, out) }
	if err := a.follow(ctx, c.Watch(ctx, w.key, w.opts...), w.command, show); err != nil {
		return err
	}
	return exit(interrupted, errWatchCanceled)
}

// follow shows what a watch tells and runs the command for its events, until the watch ends, or until an error that ends
// the process.
func (a *app) follow(ctx context.Context, changes client.WatchChan, command []string, show func(client.WatchResponse) error) error {
	for r := range changes {
		if err := show(r); err != nil {
			return err
		}
		if len(command) == 0 {
			continue
		}
		for _, ev := range r.Events {
			if err := a.runForEvent(ctx, command, r.Header.GetRevision(), ev); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) showChanges(r client.WatchResponse, out printer.Printer) error {
	if r.Canceled {
		reason := r.CancelReason
		if reason == "" {
			reason = r.Err().Error()
		}
		fmt.Fprintf(a.Stderr, "watch was canceled (%s)\n", reason)
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
