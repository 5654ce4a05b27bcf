package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"quoin.dev/client"
)

// regretTime is how long a delete of an interval waits for an interrupt. Someone who types `del a b` to delete two keys
// would lose everything between them.
const regretTime = 2 * time.Second

type delFlags struct {
	prefix  bool
	fromKey bool
	prevKV  bool
	asRange bool
}

func (f *delFlags) register(fs *pflag.FlagSet) {
	fs.BoolVar(&f.prefix, "prefix", false, "delete every key that begins with <key>")
	fs.BoolVar(&f.fromKey, "from-key", false, "delete every key from <key> on, in byte order")
	fs.BoolVar(&f.prevKV, "prev-kv", false, "print the keys and values that were deleted")
	fs.BoolVar(&f.asRange, "range", false, "with <range_end>: delete at once, without the warning")
}

// op returns the request. A second argument without --range warns on stderr and gives the operator time to stop.
func (f *delFlags) op(a *app, args []string) (client.Op, error) {
	if len(args) == 0 || len(args) > 2 {
		return client.Op{}, badArgs("del command needs one argument as key and an optional argument as range_end")
	}
	if f.prefix && f.fromKey {
		return client.Op{}, errPrefixFromKey
	}
	opts, err := keyInterval(args, f.prefix, f.fromKey)
	if err != nil {
		return client.Op{}, err
	}
	if len(args) == 2 && !f.asRange {
		fmt.Fprintf(a.Stderr, "Warning: Keys between %q and %q will be deleted. Please interrupt the command within next "+
			"2 seconds to cancel. You can provide `--range` flag to avoid the delay.\n", args[0], args[1])
		a.Pause(regretTime)
	}
	if f.prevKV {
		opts = append(opts, client.WithPrevKV())
	}
	return client.OpDelete(args[0], opts...), nil
}

func (a *app) delCommand() *cobra.Command {
	var f delFlags
	cmd := &cobra.Command{
		Use:     "del [options] <key> [range_end]",
		GroupID: groupKV,
		Short:   "Deletes a key or an interval of keys",
		Long: "Deletes a key, or with <range_end> the keys from <key> up to but without <range_end>, and prints how many\n" +
			"there were.",
		Example: examples(a.Name,
			"del greeting",
			"del --prefix session/ --prev-kv",
			"del --range a b"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			op, err := f.op(a, args)
			if err != nil {
				return err
			}
			out, err := a.setup(cmd, false)
			if err != nil {
				return err
			}
			resp, err := a.do(op)
			if err != nil {
				return err
			}
			return printed(out.DeleteRange(resp.Del()))
		},
	}
	f.register(cmd.Flags())
	return cmd
}
