package command

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"quoin.dev/client"
	"quoin.dev/client/pages"
	"quoin.dev/ctl/keytree"
)

// treeFlags are those of get that show keys as a tree.
type treeFlags struct {
	tree      bool
	depth     int
	separator string
}

func (f *treeFlags) register(fs *pflag.FlagSet) {
	fs.BoolVar(&f.tree, "tree", false, "show the keys that begin with [key] as a tree, with the number of keys in each folder")
	fs.IntVar(&f.depth, "depth", 0, "with --tree: how many levels to show (0: all)")
	fs.StringVar(&f.separator, "separator", "/", "with --tree: what ends the name of a folder in a key")
}

// treeTakes are the flags of get that a tree obeys.
var treeTakes = map[string]bool{"tree": true, "depth": true, "separator": true, "rev": true, "consistency": true, "prefix": true, "keys-only": true}

// check returns what is wrong with the flags and arguments of get together.
func (f *treeFlags) check(cmd *cobra.Command, args []string) error {
	if !f.tree {
		if cmd.Flags().Changed("depth") || cmd.Flags().Changed("separator") {
			return badArgs("`--depth` and `--separator` are only for `--tree`")
		}
		return nil
	}
	var wrong error
	cmd.Flags().Visit(func(set *pflag.Flag) {
		if !treeTakes[set.Name] && cmd.InheritedFlags().Lookup(set.Name) == nil {
			wrong = badArgs(fmt.Sprintf("`--tree` and `--%s` cannot be set at the same time, choose one", set.Name))
		}
	})
	switch {
	case wrong != nil:
		return wrong
	case len(args) > 1:
		return badArgs("too many arguments, only accept one argument when `--tree` is set")
	case f.depth < 0 || f.separator == "":
		return badArgs("`--depth` takes a number from 0 on, and `--separator` something")
	}
	return nil
}

// showTree reads the keys of a prefix page by page. A folder that is not shown in full is counted, not read.
func (a *app) showTree(cmd *cobra.Command, f *getFlags, prefix string) error {
	opts, err := f.consistencyOption()
	if err != nil {
		return err
	}
	flush := a.bufferOutput()
	out, err := a.setup(cmd, false)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	get := func(ctx context.Context, key string, opts ...client.OpOption) (*client.GetResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, a.flags.commandTimeout)
		defer cancel()
		return c.Get(ctx, key, opts...)
	}
	reader := pages.New(get, prefix, max(f.rev, 0), append(opts, client.WithKeysOnly())...)
	var shown atomic.Int64
	w := keytree.Walk{
		Reader: reader, Prefix: prefix, Separator: f.separator, Depth: f.depth,
		Count: func(ctx context.Context, folder string) (int64, error) {
			resp, err := get(ctx, folder, append(opts, client.WithPrefix(), client.WithRev(reader.Revision()), client.WithCountOnly())...)
			return resp.GetCount(), err
		},
		Show: func(n keytree.Node) error {
			shown.Add(1)
			return printed(out.TreeNode(n))
		},
	}
	line := a.progress(func(time.Duration) string { return fmt.Sprintf("%d folders and keys shown", shown.Load()) })
	err = w.Run(a.ctx)
	line.Stop()
	var exits *exitError
	if err != nil && !errors.As(err, &exits) {
		err = failed(a.explainRevision(c, prefixInterval(prefix), reader.Revision(), requestError(err)))
	}
	if ferr := flush(); err == nil {
		err = ferr
	}
	return err
}
