package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

// newestName stands for the newest revision, as git has it.
const newestName = "head"

// parseRevision reads a revision: a number, head, or head~N, which is N before it. back is to be counted from the newest one.
func parseRevision(text string) (revision int64, back bool, err error) {
	digits, isHead := strings.CutPrefix(text, newestName)
	before, counts := strings.CutPrefix(digits, "~")
	switch {
	case isHead && digits == "":
		return 0, true, nil
	case isHead && counts:
		revision, err = strconv.ParseInt(before, 10, 64)
	case !isHead:
		revision, err = strconv.ParseInt(text, 10, 64)
	default:
		err = strconv.ErrSyntax
	}
	if err != nil || revision < 0 || !isHead && revision == 0 {
		return 0, false, fmt.Errorf("%q is no revision: give a number from 1 on, %s, or %[2]s~10 for ten revisions before it", text, newestName)
	}
	return revision, isHead, nil
}

// interval is the keys that a command is about. The revisions are asked for with reads and watches of no others, which the
// permissions of the user may not allow.
type interval struct {
	key  string
	opts []client.OpOption
}

func prefixInterval(prefix string) interval {
	return interval{prefix, []client.OpOption{client.WithPrefix()}}
}

// newestRevision asks for the newest revision of the store.
func (a *app) newestRevision(c *client.Client, keys interval) (int64, error) {
	ctx, cancel := a.request()
	defer cancel()
	resp, err := c.Get(ctx, keys.key, append(keys.opts[:len(keys.opts):len(keys.opts)], client.WithKeysOnly(), client.WithLimit(1))...)
	return resp.GetHeader().GetRevision(), err
}

// resolveRevision returns the number of what the operator calls a revision. It must exist.
func (a *app) resolveRevision(c *client.Client, text string, keys interval) (int64, error) {
	revision, back, err := parseRevision(text)
	if err != nil {
		return 0, err
	}
	newest, err := a.newestRevision(c, keys)
	switch {
	case err != nil:
		return 0, requestError(err)
	case back && revision >= newest:
		return 0, fmt.Errorf("there are no %d revisions before the newest one, which is %d", revision, newest)
	case back:
		return newest - revision, nil
	case revision > newest:
		return 0, fmt.Errorf("there is no revision %d yet, the newest one is %d", revision, newest)
	}
	return revision, nil
}

// explainRevision adds to the error of a read or a watch at a revision which ones there are.
func (a *app) explainRevision(c *client.Client, keys interval, revision int64, err error) error {
	if !errors.Is(err, rpctypes.ErrCompacted) {
		return err
	}
	oldest, asked := a.oldestRevision(c, keys)
	if asked != nil {
		return fmt.Errorf("%w: revision %d is gone", err, revision)
	}
	return fmt.Errorf("%w: revision %d is gone, the oldest one that can be read is %d", err, revision, oldest)
}

// oldestRevision returns the one of the last compaction, when there was one. Only the end of a watch tells it.
func (a *app) oldestRevision(c *client.Client, keys interval) (int64, error) {
	ctx, cancel := a.request()
	defer cancel()
	r := <-c.Watch(ctx, keys.key, append(keys.opts[:len(keys.opts):len(keys.opts)], client.WithRev(1))...)
	switch {
	case r.CompactRevision > 0:
		return r.CompactRevision, nil
	case r.Err() != nil:
		return 0, r.Err()
	}
	return 0, context.DeadlineExceeded // or it has sent a change: nothing was compacted
}
