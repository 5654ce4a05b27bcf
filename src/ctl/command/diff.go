package command

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/client/pages"
	"quoin.dev/ctl/keydiff"
)

// The exit codes of diff are those of diff(1).
const (
	differs exitCode = 1
	trouble exitCode = 2
)

func (a *app) diffCommand() *cobra.Command {
	var values bool
	cmd := &cobra.Command{
		Use:     "diff [options] <revision> <revision> [prefix]",
		GroupID: groupKV,
		Short:   "Shows which keys differ between two revisions",
		Long: "Shows which keys differ between two revisions: + for a key that only the second has, - for one that only the first\n" +
			"has, ~ for one that was written in between, maybe with the same value. A revision is a number, head for the newest\n" +
			"one, or head~10 for ten before it; none of them may be compacted.\n\n" +
			"The exit code is 0 if no key differs, 1 if one does, 2 if there is trouble.",
		Example: examples(a.Name,
			"diff 4711 head",
			"diff head~10 head /registry/pods/",
			"diff 4711 4800 config/ --values",
			"diff 4711 head --write-out=json"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			different, err := a.diff(cmd, args, values)
			switch {
			case err != nil:
				return withCode(trouble, err)
			case different:
				return exit(differs, nil)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&values, "values", false, "read the values as well, and show both")
	return cmd
}

// withCode ends the process with the code, whatever the one of the error is.
func withCode(code exitCode, err error) error {
	var e *exitError
	if errors.As(err, &e) {
		err = e.err
	}
	return exit(code, err)
}

func (a *app) diff(cmd *cobra.Command, args []string, values bool) (different bool, err error) {
	if len(args) != 2 && len(args) != 3 {
		return false, errors.New("diff needs two revisions, and takes a prefix")
	}
	prefix := ""
	if len(args) == 3 {
		prefix = args[2]
	}
	flush := a.bufferOutput()
	out, err := a.setup(cmd, false)
	if err != nil {
		return false, err
	}
	c, err := a.connect()
	if err != nil {
		return false, err
	}
	defer c.Close()
	var sides [2]*pages.Reader
	var compared atomic.Int64
	for i := range sides {
		if sides[i], err = a.readRevision(c, args[i], prefix, values, &compared); err != nil {
			return false, err
		}
	}
	line := a.progress(func(time.Duration) string { return fmt.Sprintf("%d keys read", compared.Load()) })
	err = keydiff.Find(a.ctx, sides[0], sides[1], func(ch keydiff.Change) error {
		different = true
		return printed(out.Difference(ch, values))
	})
	line.Stop()
	return different, errors.Join(err, flush())
}

// readRevision returns a reader of what the operator calls a revision.
func (a *app) readRevision(c *client.Client, text, prefix string, values bool, read *atomic.Int64) (*pages.Reader, error) {
	revision, err := a.resolveRevision(c, text, prefixInterval(prefix))
	if err != nil {
		return nil, err
	}
	var opts []client.OpOption
	if !values {
		opts = append(opts, client.WithKeysOnly())
	}
	get := func(ctx context.Context, key string, opts ...client.OpOption) (*client.GetResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, a.flags.commandTimeout)
		defer cancel()
		page, err := c.Get(ctx, key, opts...)
		if err != nil {
			return nil, a.explainRevision(c, prefixInterval(prefix), revision, requestError(err))
		}
		read.Add(int64(len(page.Kvs)))
		return page, nil
	}
	return pages.New(get, prefix, revision, opts...), nil
}
