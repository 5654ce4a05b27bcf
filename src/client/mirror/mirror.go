package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

const (
	// attemptTimeout bounds one attempt of a request.
	attemptTimeout = 10 * time.Second
	// The pause before a failed request is repeated doubles from the first to the longest.
	firstPause   = 100 * time.Millisecond
	longestPause = 3 * time.Second
)

// Mirror copies the keys of a prefix to another cluster and keeps the copy up to date. The copy has what the source has had at
// some revision: the changes of one revision are made in one transaction, as long as MaxTxnOps allows, and revisions in
// their order. Leases are not copied: the end of a lease is a delete like any other. Nobody else may write to the keys of the copy.
type Mirror struct {
	// Source and Destination are the clients of the two clusters.
	Source, Destination *client.Client

	// Prefix is that of the keys to copy, "" = all. DestinationPrefix takes its place in the copy.
	Prefix, DestinationPrefix string

	// Revision is the one whose successors are copied. 0 = first the keys as they are now.
	Revision int64

	// MaxTxnOps bounds the changes of a transaction, as the destination does; 0 = no bound. A revision with more is copied in
	// several transactions.
	MaxTxnOps int

	// Report, which may be nil, takes a sentence about what makes the mirror wait, once for each time it does, and about revisions
	// that are copied in parts.
	Report func(text string)

	copied atomic.Int64
}

// Copied is the number of keys and changes that the destination has so far.
func (m *Mirror) Copied() int64 { return m.copied.Load() }

// Run copies until the context ends, or until an error that trying again does not help against. When a cluster can not be
// reached or has no leader, it goes on where it was as soon as that is over.
func (m *Mirror) Run(ctx context.Context) error {
	s := newSyncer(m.Source, m.Prefix, m.Revision)
	s.get = m.get
	if s.revision == 0 {
		if err := s.pages(ctx, func(page *client.GetResponse) error { return m.copyPage(ctx, page) }); err != nil {
			return explain(err, "start again, when fewer compactions are made")
		}
	}
	return explain(m.follow(ctx, s), "start again without a revision")
}

// get reads a page from the source.
func (m *Mirror) get(ctx context.Context, key string, opts ...client.OpOption) (page *client.GetResponse, err error) {
	err = m.retry(ctx, "source", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		page, err = m.Source.Get(ctx, key, opts...)
		return err
	})
	return page, err
}

// follow copies the changes. A watch that ends since its member has no leader begins again where it was.
func (m *Mirror) follow(ctx context.Context, s *syncer) error {
	for {
		err := m.retry(ctx, "source", func(ctx context.Context) error {
			before := s.revision
			err := m.watch(ctx, s)
			if s.revision > before && transient(err) {
				return nil // another failure than the one before
			}
			return err
		})
		if err != nil {
			return err
		}
	}
}

// watch copies the changes until the watch ends. Notifications of progress let it go on after a silence whose revisions are
// compacted.
func (m *Mirror) watch(ctx context.Context, s *syncer) error {
	ctx, cancel := context.WithCancel(client.WithRequireLeader(ctx))
	defer cancel()
	for r := range m.Source.Watch(ctx, m.Prefix, client.WithPrefix(), client.WithRev(s.revision+1), client.WithProgressNotify()) {
		if err := r.Err(); err != nil {
			return err
		}
		for _, changes := range revisions(r.Events) {
			if err := m.copyChanges(ctx, changes); err != nil {
				return &finalError{err}
			}
			s.revision = changes[0].Kv.ModRevision
		}
		if r.IsProgressNotify() {
			s.revision = max(s.revision, r.Header.Revision)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.New("the watch ended without a reason")
}

// retry makes a request until it succeeds or fails for good. Every request here can be made twice.
func (m *Mirror) retry(ctx context.Context, cluster string, request func(context.Context) error) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := request(ctx)
		var final *finalError
		switch {
		case err == nil || ctx.Err() != nil || errors.As(err, &final):
			return err
		case !transient(err):
			return &finalError{fmt.Errorf("%s: %w", cluster, err)}
		case pause == firstPause && m.Report != nil:
			m.Report(fmt.Sprintf("the %s does not answer, trying again: %v", cluster, err))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// finalError was tried again already, or is known to stay.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// transient reports whether a request may succeed a little later.
func transient(err error) bool {
	var final *finalError
	var known rpctypes.EtcdError
	switch {
	case errors.As(err, &final):
		return false
	case errors.Is(err, rpctypes.ErrTooManyRequests), errors.Is(err, context.DeadlineExceeded):
		return true
	case errors.As(err, &known):
		return known.Code() == codes.Unavailable
	}
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}

// explain adds the next step to the one error that only starting anew helps against.
func explain(err error, step string) error {
	if errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("%w: changes that were not copied yet are lost, %s", err, step)
	}
	return err
}
