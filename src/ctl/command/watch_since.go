package command

import (
	"context"
	"errors"
	"strconv"

	"quoin.dev/client"
)

// sinceFlag is a revision, or with a minus how many of the newest ones. The zero sinceFlag was not given.
type sinceFlag struct{ revision int64 }

var errSince = errors.New("give a revision, or -N for the last N revisions; etcd does not keep when a revision was made, so that a time can not be answered")

func (s *sinceFlag) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n == 0 {
		return errSince
	}
	s.revision = n
	return nil
}

func (s *sinceFlag) String() string {
	if s.revision == 0 {
		return ""
	}
	return strconv.FormatInt(s.revision, 10)
}

func (s *sinceFlag) Type() string { return "revision" }

// begin begins a watch where it is to begin.
func (a *app) begin(ctx context.Context, c *client.Client, w watch) (client.WatchChan, error) {
	opts := append(w.interval.opts[:len(w.interval.opts):len(w.interval.opts)], w.opts...)
	revision := w.since.revision
	if revision < 0 {
		newest, err := a.newestRevision(c, w.interval)
		if err != nil {
			return nil, err
		}
		revision = max(newest+1+revision, 1)
	}
	if revision > 0 {
		opts = append(opts, client.WithRev(revision))
	}
	return c.Watch(ctx, w.key, opts...), nil
}
