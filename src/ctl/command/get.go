package command

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
)

type getFlags struct {
	consistency    string
	order          string
	sortBy         string
	limit          int64
	rev            int64
	minModRev      int64
	maxModRev      int64
	minCreateRev   int64
	maxCreateRev   int64
	prefix         bool
	fromKey        bool
	keysOnly       bool
	countOnly      bool
	printValueOnly bool
	stream         bool

	treeFlags
}

func (f *getFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.consistency, "consistency", "l",
		"l: linearizable, as up to date as a quorum knows; s: serializable, what the asked member has")
	fs.StringVar(&f.order, "order", "", "ASCEND or DESCEND (ASCEND when --sort-by is given alone)")
	fs.StringVar(&f.sortBy, "sort-by", "", "what the order is by: CREATE, KEY, MODIFY, VALUE or VERSION")
	fs.Int64Var(&f.limit, "limit", 0, "most keys to return (0: all)")
	fs.Int64Var(&f.rev, "rev", 0, "revision of the store to read at (0: the current one)")
	fs.Int64Var(&f.minModRev, "min-mod-rev", 0, "leave out keys last written before this revision")
	fs.Int64Var(&f.maxModRev, "max-mod-rev", 0, "leave out keys last written after this revision")
	fs.Int64Var(&f.minCreateRev, "min-create-rev", 0, "leave out keys created before this revision")
	fs.Int64Var(&f.maxCreateRev, "max-create-rev", 0, "leave out keys created after this revision")
	fs.BoolVar(&f.prefix, "prefix", false, "read every key that begins with <key>")
	fs.BoolVar(&f.fromKey, "from-key", false, "read every key from <key> on, in byte order")
	fs.BoolVar(&f.keysOnly, "keys-only", false, "leave the values out")
	fs.BoolVar(&f.countOnly, "count-only", false, "return only the number of keys; needs --write-out=fields")
	fs.BoolVar(&f.printValueOnly, "print-value-only", false, "leave the keys out; needs --write-out=simple")
	fs.BoolVar(&f.stream, "stream", false, "fetch the answer in parts, which spares the member memory")
	f.treeFlags.register(fs)
}

// request returns the key and the options of the read.
func (f *getFlags) request(args []string) (key string, opts []client.OpOption, err error) {
	switch {
	case len(args) == 0:
		return "", nil, badArgs("get command needs one argument as key and an optional argument as range_end")
	case f.prefix && f.fromKey:
		return "", nil, errPrefixFromKey
	case f.keysOnly && f.countOnly:
		return "", nil, badArgs("`--keys-only` and `--count-only` cannot be set at the same time, choose one")
	}
	if opts, err = f.consistencyOption(); err != nil {
		return "", nil, err
	}
	interval, err := keyInterval(args, f.prefix, f.fromKey)
	if err != nil {
		return "", nil, err
	}
	target, order, err := f.sort()
	if err != nil {
		return "", nil, err
	}
	opts = append(opts, interval...)
	opts = append(opts, client.WithSort(target, order), client.WithLimit(f.limit),
		client.WithMinModRev(f.minModRev), client.WithMaxModRev(f.maxModRev),
		client.WithMinCreateRev(f.minCreateRev), client.WithMaxCreateRev(f.maxCreateRev))
	if f.rev > 0 {
		opts = append(opts, client.WithRev(f.rev))
	}
	if f.keysOnly {
		opts = append(opts, client.WithKeysOnly())
	}
	if f.countOnly {
		opts = append(opts, client.WithCountOnly())
	}
	return args[0], opts, nil
}

func (f *getFlags) consistencyOption() ([]client.OpOption, error) {
	switch f.consistency {
	case "l":
		return nil, nil
	case "s":
		return []client.OpOption{client.WithSerializable()}, nil
	}
	return nil, exit(badFeature, fmt.Errorf("unknown consistency flag %q", f.consistency))
}

func (f *getFlags) sort() (client.SortTarget, client.SortOrder, error) {
	orders := map[string]client.SortOrder{"": client.SortNone, "ASCEND": client.SortAscend, "DESCEND": client.SortDescend}
	targets := map[string]client.SortTarget{
		"": client.SortByKey, "KEY": client.SortByKey, "CREATE": client.SortByCreateRevision,
		"MODIFY": client.SortByModRevision, "VALUE": client.SortByValue, "VERSION": client.SortByVersion,
	}
	order, known := orders[strings.ToUpper(f.order)]
	if !known {
		return 0, 0, exit(badFeature, fmt.Errorf("bad sort order %s", f.order))
	}
	target, known := targets[strings.ToUpper(f.sortBy)]
	if !known {
		return 0, 0, exit(badFeature, fmt.Errorf("bad sort target %s", f.sortBy))
	}
	return target, order, nil
}

var errPrefixFromKey = badArgs("`--prefix` and `--from-key` cannot be set at the same time, choose one")

// keyInterval returns the options that widen the first argument to an interval of keys.
func keyInterval(args []string, prefix, fromKey bool) ([]client.OpOption, error) {
	switch {
	case len(args) > 1 && (prefix || fromKey):
		return nil, badArgs("too many arguments, only accept one argument when `--prefix` or `--from-key` is set")
	case len(args) > 1:
		return []client.OpOption{client.WithRange(args[1])}, nil
	case prefix:
		return []client.OpOption{client.WithPrefix()}, nil
	case fromKey:
		return []client.OpOption{client.WithFromKey()}, nil
	default:
		return nil, nil
	}
}

func (a *app) getCommand() *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:     "get [options] <key> [range_end]",
		GroupID: groupKV,
		Short:   "Reads a key or an interval of keys",
		Long: "Reads a key, or with <range_end> the keys from <key> up to but without <range_end>.\n\n" +
			"Each key is followed by its value on the next line; a key that does not exist prints nothing.\n\n" +
			"With --tree, [key] is a prefix, all keys without it. The tree is read page by page at one revision, and folders\n" +
			"below --depth are only counted, so that millions of keys can be looked at.",
		Example: examples(a.Name,
			"get greeting",
			"get --prefix session/ --keys-only",
			"get a z --limit=10 --sort-by=MODIFY --order=DESCEND",
			"get greeting --rev=42 --print-value-only",
			"get --prefix '' --count-only --write-out=fields",
			"get --tree --depth=2 /registry/"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.treeFlags.check(cmd, args); err != nil {
				return err
			}
			if f.tree {
				return a.showTree(cmd, &f, strings.Join(args, ""))
			}
			key, opts, err := f.request(args)
			if err != nil {
				return err
			}
			out, err := a.setup(cmd, f.printValueOnly)
			if err != nil {
				return err
			}
			if f.countOnly && a.flags.writeOut != "fields" {
				return badArgs("--count-only is only for `--write-out=fields`")
			}
			if f.printValueOnly && a.flags.writeOut != "simple" {
				return badArgs("print-value-only is only for `--write-out=simple`")
			}
			resp, err := a.read(f.stream, key, opts)
			if err != nil {
				return err
			}
			return printed(out.Range(resp))
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (a *app) read(stream bool, key string, opts []client.OpOption) (*pb.RangeResponse, error) {
	if !stream {
		resp, err := a.do(client.OpGet(key, opts...))
		return resp.Get(), err
	}
	c, err := a.connect()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := a.request()
	defer cancel()
	parts, err := c.GetStream(ctx, key, opts...)
	if err != nil {
		return nil, failed(err)
	}
	defer parts.Close()
	resp, err := join(parts)
	if err != nil {
		return nil, failed(err)
	}
	return resp, nil
}

// join puts the parts of a streamed response together; the last part carries the header and the counts.
func join(parts *client.GetStream) (*pb.RangeResponse, error) {
	whole := &pb.RangeResponse{}
	for {
		part, err := parts.Recv()
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return nil, err
		}
		whole.Kvs = append(whole.Kvs, part.GetKvs()...)
		if part.GetHeader() != nil {
			whole.Header = part.GetHeader()
		}
		whole.More = whole.More || part.GetMore()
		whole.Count = max(whole.Count, part.GetCount())
	}
}
