package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"quoin.dev/client"
	"quoin.dev/ctl/check"
)

// What check perf takes for a cluster that bears a load.
const (
	perfDuration = 60 * time.Second
	perfShare    = 0.9 // of the rate
	perfSlowest  = 500 * time.Millisecond
	perfStddev   = 0.1 // seconds
)

// cleanUpTimeout bounds each request after a check.
const cleanUpTimeout = 5 * time.Minute

func (a *app) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "check <subcommand>",
		GroupID: groupUtility,
		Short:   "Puts a load on the cluster and tells whether it bears it",
	}
	cmd.AddCommand(a.checkPerfCommand(), a.checkDataScaleCommand())
	return cmd
}

type checkFlags struct {
	load        string
	prefix      string
	autoCompact bool
	autoDefrag  bool
}

func (f *checkFlags) register(fs *pflag.FlagSet, prefix string) {
	fs.StringVar(&f.load, "load", "s", "s(mall), m(edium), l(arge) or xl (xLarge)")
	fs.StringVar(&f.prefix, "prefix", prefix, "what the names of the keys begin with; there must be none with it, and none is left")
	fs.BoolVar(&f.autoCompact, "auto-compact", false, "compact when the keys are deleted again")
	fs.BoolVar(&f.autoDefrag, "auto-defrag", false, "defragment the endpoints after that")
}

// byLoad picks the value of the load of the flags.
func byLoad[T any](f *checkFlags, small, medium, large, xLarge T) (T, error) {
	switch f.load {
	case "s", "small":
		return small, nil
	case "m", "medium":
		return medium, nil
	case "l", "large":
		return large, nil
	case "xl", "xLarge":
		return xLarge, nil
	}
	return small, exit(badFeature, fmt.Errorf("unknown load option %s", f.load))
}

// checkRun is one run of a check.
type checkRun struct {
	*app
	flags checkFlags
	cfg   client.Config
	c     *client.Client
}

// check runs a check with keys of its own. quote is that of startCheck.
func (a *app) check(cmd *cobra.Command, f checkFlags, quote string, run func(*checkRun) error) error {
	if _, err := a.setup(cmd, false); err != nil {
		return err
	}
	r, err := a.startCheck(f, quote)
	if err != nil {
		return err
	}
	defer r.c.Close()
	return run(r)
}

// startCheck makes sure that the keys of a check are its own. The sentence about those that are not has the command between
// quotes or not, as etcdctl has it.
func (a *app) startCheck(f checkFlags, quote string) (*checkRun, error) {
	cfg, err := a.clientConfig()
	if err != nil {
		return nil, err
	}
	c, err := dial(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := a.request()
	defer cancel()
	resp, err := c.Get(ctx, f.prefix, client.WithPrefix(), client.WithLimit(1))
	switch {
	case err != nil:
		err = failed(err)
	case len(resp.Kvs) > 0:
		err = exit(invalidInput, fmt.Errorf("prefix %q has keys. Delete with %s%s del --prefix %s%[2]s first", f.prefix, quote, a.Name, f.prefix))
	default:
		return &checkRun{a, f, cfg, c}, nil
	}
	return nil, errors.Join(err, c.Close())
}

// clients returns connected clients, and what closes them.
func (r *checkRun) clients(n int) (all []*client.Client, closeAll func(), err error) {
	closeAll = func() {
		for _, c := range all {
			c.Close()
		}
	}
	for range n {
		c, err := dial(r.cfg)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		all = append(all, c)
	}
	return all, closeAll, nil
}

// cleanUpRequest bounds one request of a cleanup: millions of keys take longer than most requests.
func (r *checkRun) cleanUpRequest() (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.ctx, max(cleanUpTimeout, r.app.flags.commandTimeout))
}

// cleanUp deletes the keys, also when the check was interrupted, and makes as much of the space free as the flags say.
func (r *checkRun) cleanUp() error {
	ctx, cancel := r.cleanUpRequest()
	defer cancel()
	resp, err := r.c.Delete(ctx, r.flags.prefix, client.WithPrefix())
	if err != nil {
		return &cleanUpError{requestError(err)}
	}
	if r.flags.autoCompact {
		if err := r.compact(resp.GetHeader().GetRevision()); err != nil {
			return err
		}
	}
	if r.flags.autoDefrag {
		for _, ep := range r.cfg.Endpoints {
			if err := r.defragment(ep); err != nil {
				return err
			}
		}
	}
	return nil
}

type cleanUpError struct{ err error }

func (e *cleanUpError) Error() string { return e.err.Error() }
func (e *cleanUpError) Unwrap() error { return e.err }

func (r *checkRun) compact(revision int64) error {
	fmt.Fprintf(r.Stdout, "Compacting with revision %d\n", revision)
	ctx, cancel := r.cleanUpRequest()
	defer cancel()
	if _, err := r.c.Compact(ctx, revision, client.WithCompactPhysical()); err != nil {
		return err
	}
	fmt.Fprintf(r.Stdout, "Compacted with revision %d\n", revision)
	return nil
}

func (r *checkRun) defragment(endpoint string) error {
	fmt.Fprintf(r.Stdout, "Defragmenting %q\n", endpoint)
	ctx, cancel := r.cleanUpRequest()
	defer cancel()
	if _, err := r.c.Defragment(ctx, endpoint); err != nil {
		return err
	}
	fmt.Fprintf(r.Stdout, "Defragmented %q\n", endpoint)
	return nil
}

// printErrors tells of the puts that failed.
func (r *checkRun) printErrors(o check.Outcome) {
	fmt.Fprintln(r.Stdout, "FAIL: too many errors")
	for _, text := range slices.Sorted(maps.Keys(o.Errors)) {
		fmt.Fprintf(r.Stdout, "FAIL: ERROR(%s) -> %d\n", text, o.Errors[text])
	}
}

// interruption is the error of a check that was asked to stop.
func interruption(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return exit(failure, errors.New("interrupted: the keys are deleted, and nothing is known"))
}
