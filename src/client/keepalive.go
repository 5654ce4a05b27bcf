package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	pb "quoin.dev/api/etcdserverpb"
)

const (
	// LeaseResponseChSize is how many answers a channel of KeepAlive holds for its reader.
	LeaseResponseChSize = 16

	// renewalsPerTTL is how often a lease is renewed within its time.
	renewalsPerTTL = 3
	// keepAliveStep is the least time between two looks at all leases; renewals that are due within it go together.
	keepAliveStep = 50 * time.Millisecond
	// leastPatience is for how long a member may leave a question unanswered, however short the lease.
	leastPatience = 500 * time.Millisecond
)

var errUnanswered = errors.New("etcdclient: a member did not answer to the renewal of a lease")

// lessor implements Lease. One goroutine (keep) renews, as long as there is a lease to renew.
type lessor struct {
	remote pb.LeaseClient
	c      *Client
	// first is how long the first answer about a lease may take, whose time to live is not known then.
	first time.Duration

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup
	changed chan struct{} // has a token when there is a new lease to renew

	mu      sync.Mutex // guards what follows; nothing is waited for under it
	keeping bool       // the goroutine runs
	kept    map[LeaseID]*kept
}

// kept is a lease that is renewed.
//
//	asked <= now < deadline, and due <= deadline once there was an answer
type kept struct {
	readers  map[*keepAliveReader]bool // never empty
	ttl      time.Duration             // 0 = there was no answer yet
	due      time.Time                 // when to ask next
	asked    time.Time                 // when the question was sent that is not answered yet; zero = there is none
	deadline time.Time                 // when the lease may end without another answer
}

// patience is how long an answer may take before another member is asked.
func (k *kept) patience(first time.Duration) time.Duration {
	if k.ttl == 0 {
		return max(first/renewalsPerTTL, leastPatience)
	}
	return max(k.ttl/renewalsPerTTL, leastPatience)
}

// NewLease returns a Lease of a client's connection. It must be closed, or ends with the client.
func NewLease(c *Client) Lease {
	return NewLeaseFromLeaseClient(pb.NewLeaseClient(c.conn), c, or(c.cfg.DialTimeout, defaultConnectTimeout)+time.Second)
}

// NewLeaseFromLeaseClient returns a Lease over a generated client. The client, which may be nil, says how calls are
// repeated; keepAliveTimeout is how long KeepAlive waits for its first answer.
func NewLeaseFromLeaseClient(remote pb.LeaseClient, c *Client, keepAliveTimeout time.Duration) Lease {
	c = orBare(c)
	l := &lessor{
		remote: remote, c: c, first: or(keepAliveTimeout, defaultConnectTimeout),
		changed: make(chan struct{}, 1), kept: map[LeaseID]*kept{},
	}
	l.ctx, l.cancel = context.WithCancel(c.ctx)
	return l
}

func (l *lessor) KeepAlive(ctx context.Context, id LeaseID) (<-chan *LeaseKeepAliveResponse, error) {
	r := &keepAliveReader{lg: l.c.lg, id: id, ch: make(chan *LeaseKeepAliveResponse, LeaseResponseChSize)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ctx.Err(); err != nil {
		return nil, ErrKeepAliveHalted{err}
	}
	k := l.kept[id]
	if k == nil {
		now := time.Now()
		k = &kept{readers: map[*keepAliveReader]bool{}, due: now, deadline: now.Add(l.first)}
		l.kept[id] = k
	}
	k.readers[r] = true
	r.forget = context.AfterFunc(ctx, func() { l.unread(id, k, r) })
	if !l.keeping {
		l.keeping = true
		l.running.Go(l.keep)
	}
	l.change()
	return r.ch, nil
}

func (l *lessor) Close() error {
	l.mu.Lock()
	l.cancel()
	l.mu.Unlock()
	l.running.Wait()
	return nil
}

// change lets the goroutine look at the leases.
func (l *lessor) change() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// unread closes a channel whose context has ended. The lease of the last one is not renewed any more.
func (l *lessor) unread(id LeaseID, k *kept, r *keepAliveReader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !k.readers[r] {
		return
	}
	delete(k.readers, r)
	close(r.ch)
	if len(k.readers) == 0 && l.kept[id] == k {
		delete(l.kept, id)
		l.change()
	}
}

// lose closes all channels of a lease. It must be called with mu held.
func (l *lessor) lose(id LeaseID, k *kept) {
	for r := range k.readers {
		r.forget()
		close(r.ch)
	}
	clear(k.readers)
	delete(l.kept, id)
}

// keepAliveReader is a channel of KeepAlive. Only the lessor sends on it and closes it, under its mutex.
type keepAliveReader struct {
	lg     *zap.Logger
	id     LeaseID
	ch     chan *LeaseKeepAliveResponse
	forget func() bool // stops the wait for the end of the context
	late   bool        // answers were dropped, and the log says so
}

// hand gives an answer to the reader, in place of the oldest one if there is no room. It does not wait.
func (r *keepAliveReader) hand(answer *LeaseKeepAliveResponse) {
	select {
	case r.ch <- answer:
		return
	default:
	}
	if !r.late {
		r.late = true
		r.lg.Warn("nobody reads the answers to the renewal of a lease; old ones are dropped", zap.Int64("lease", int64(r.id)))
	}
	select {
	case <-r.ch:
	default: // the reader was faster
	}
	r.ch <- answer // there is room, since nobody else sends
}
