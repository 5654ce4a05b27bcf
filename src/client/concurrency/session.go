package concurrency

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"quoin.dev/client"
)

// defaultSessionTTL is in seconds.
const defaultSessionTTL = 60

// Session is a lease that is kept alive as long as the session.
type Session struct {
	client *client.Client
	id     client.LeaseID
	ttl    time.Duration

	base   context.Context // of WithContext, or of the client
	ctx    context.Context // ends with the renewals
	cancel context.CancelFunc
	done   chan struct{}
	// orphaned is set before the renewals are ended by this side.
	orphaned atomic.Bool
	expired  chan struct{} // closed when they ended otherwise
}

type sessionOptions struct {
	ttl   int
	lease client.LeaseID
	ctx   context.Context
}

// SessionOption changes a session.
type SessionOption func(*sessionOptions, *zap.Logger)

// WithTTL sets the time to live of the lease in seconds; 60 without it, or when ttl is not positive.
func WithTTL(ttl int) SessionOption {
	return func(o *sessionOptions, lg *zap.Logger) {
		if ttl <= 0 {
			lg.Warn("ignored the TTL of a session, which must be positive", zap.Int("ttl-seconds", ttl))
			return
		}
		o.ttl = ttl
	}
}

// WithLease makes the session take over a lease that exists, for instance that of the program before it was restarted.
func WithLease(id client.LeaseID) SessionOption {
	return func(o *sessionOptions, _ *zap.Logger) { o.lease = id }
}

// WithContext sets the context of the session; without it, it is that of the client. Its end leaves the lease to run
// out: Close does not revoke it then.
func WithContext(ctx context.Context) SessionOption {
	return func(o *sessionOptions, _ *zap.Logger) { o.ctx = ctx }
}

// NewSession makes a lease, or takes one over, and keeps it alive.
func NewSession(c *client.Client, opts ...SessionOption) (*Session, error) {
	o := sessionOptions{ttl: defaultSessionTTL, ctx: c.Ctx()}
	for _, opt := range opts {
		opt(&o, c.GetLogger())
	}
	if o.lease == client.NoLease {
		lease, err := c.Grant(o.ctx, int64(o.ttl))
		if err != nil {
			return nil, err
		}
		o.lease = lease.ID
	}
	s := &Session{
		client: c, id: o.lease, ttl: time.Duration(o.ttl) * time.Second, base: o.ctx,
		done: make(chan struct{}), expired: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(o.ctx)
	renewals, err := c.KeepAlive(s.ctx, s.id)
	if err != nil {
		s.cancel()
		return nil, err
	}
	go s.watch(renewals)
	return s, nil
}

func (s *Session) watch(renewals <-chan *client.LeaseKeepAliveResponse) {
	for range renewals {
	}
	if !s.orphaned.Load() && s.base.Err() == nil {
		close(s.expired)
	}
	s.cancel()
	close(s.done)
}

// Client returns the client of the session.
func (s *Session) Client() *client.Client { return s.client }

// Lease returns the lease of the session.
func (s *Session) Lease() client.LeaseID { return s.id }

// Ctx returns a context that ends when the lease is not renewed any more.
func (s *Session) Ctx() context.Context { return s.ctx }

// Done returns a channel that is closed when the lease is not renewed any more: it is gone, its time was over without an
// answer, or the session was ended here.
func (s *Session) Done() <-chan struct{} { return s.done }

// Orphan ends the renewals and leaves the lease to run out, or to another session.
func (s *Session) Orphan() {
	s.orphaned.Store(true)
	s.cancel()
	<-s.done
}

// Close ends the renewals and revokes the lease.
func (s *Session) Close() error {
	s.Orphan()
	// After the TTL the lease is over in any case.
	ctx, cancel := context.WithTimeout(s.base, s.ttl)
	defer cancel()
	_, err := s.client.Revoke(ctx, s.id)
	return err
}

// whileAlive returns a context that also ends, with ErrSessionExpired as its cause, when the session is lost. One that
// was orphaned on purpose is not.
func (s *Session) whileAlive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.expired:
			cancel(ErrSessionExpired)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// aside returns a context to tidy up with, whether or not that of a call has ended.
func (s *Session) aside() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.client.Ctx(), s.ttl)
}
