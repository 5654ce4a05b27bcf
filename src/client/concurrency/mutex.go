package concurrency

import (
	"context"
	"errors"
	"sync"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/client"
)

var (
	// ErrLocked is returned by TryLock when another session holds the lock.
	ErrLocked = errors.New("mutex: Locked by another session")
	// ErrSessionExpired is returned when the lease of the session ended before the lock was obtained.
	ErrSessionExpired = errors.New("mutex: session is expired")
	// ErrLockReleased is returned by Unlock without a lock.
	ErrLockReleased = errors.New("mutex: lock has already been released")
)

// Mutex is a lock that one session at a time holds. A session that holds it gets it again at once, so goroutines that
// exclude each other need sessions of their own. A Mutex itself is for one goroutine at a time.
//
// The end of the session's lease ends the lock as well; the package comment says how to be safe from that.
type Mutex struct {
	s   *Session
	pfx string

	key      string // empty = not locked
	revision int64  // that created key
	header   *pb.ResponseHeader
}

// NewMutex returns a lock; all with the same prefix are the same lock.
func NewMutex(s *Session, pfx string) *Mutex { return &Mutex{s: s, pfx: pfx} }

// Lock waits for the lock. When the context ends before, the place in the line is given up. Only an answer that is lost
// while the place is taken leaves it taken, until the next Lock and Unlock or the end of the session.
func (m *Mutex) Lock(ctx context.Context) error {
	first, _, err := m.enter(ctx)
	if err != nil || first {
		return err
	}
	header, err := waitForTurn(ctx, m.s, m.pfx, m.key, m.revision)
	if err != nil {
		ctx, cancel := m.s.aside()
		defer cancel()
		_ = m.Unlock(ctx) // the lease does it later, if this does not
		m.key, m.revision = "", 0
		return err
	}
	m.header = header
	return nil
}

// TryLock takes the lock, or returns ErrLocked if another session holds it.
func (m *Mutex) TryLock(ctx context.Context) error {
	first, taken, err := m.enter(ctx)
	if err != nil || first {
		return err
	}
	if taken { // else somebody waits in it
		if err := m.Unlock(ctx); err != nil {
			return err
		}
	}
	m.key, m.revision = "", 0
	return ErrLocked
}

// enter takes a place in the line, or finds the one that the session has, and reports whether it is the first one.
func (m *Mutex) enter(ctx context.Context) (first, taken bool, err error) {
	key := keyOf(m.pfx, m.s)
	holder := client.OpGet(keyPrefix(m.pfx), client.WithFirstCreate()...)
	resp, err := m.s.client.Txn(ctx).
		If(client.Compare(client.CreateRevision(key), "=", 0)).
		Then(client.OpPut(key, "", client.WithLease(m.s.Lease())), holder).
		Else(client.OpGet(key), holder).
		Commit()
	if err != nil {
		return false, false, err
	}
	m.key, m.revision = key, resp.Header.Revision
	if !resp.Succeeded {
		m.revision = resp.Responses[0].GetResponseRange().Kvs[0].CreateRevision
	}
	if resp.Responses[1].GetResponseRange().Kvs[0].CreateRevision != m.revision {
		return false, resp.Succeeded, nil
	}
	m.header = resp.Header
	return true, resp.Succeeded, nil
}

// Unlock gives the lock back.
func (m *Mutex) Unlock(ctx context.Context) error {
	if m.key == "" {
		return ErrLockReleased
	}
	if _, err := m.s.client.Txn(ctx).If(m.IsOwner()).Then(client.OpDelete(m.key)).Commit(); err != nil {
		return err
	}
	m.key, m.revision = "", 0
	return nil
}

// IsOwner is the condition of a transaction that the lock is held. Without a lock it is never met.
func (m *Mutex) IsOwner() client.Cmp {
	if m.key == "" {
		return client.Compare(client.CreateRevision(keyOf(m.pfx, m.s)), "=", -1)
	}
	return client.Compare(client.CreateRevision(m.key), "=", m.revision)
}

// Key returns the key of the lock, empty while it is not held.
func (m *Mutex) Key() string { return m.key }

// Header returns the header of the response that brought the lock.
func (m *Mutex) Header() *pb.ResponseHeader { return m.header }

type locker struct{ Mutex }

// NewLocker returns a lock that waits without bound and panics when it fails.
func NewLocker(s *Session, pfx string) sync.Locker { return &locker{Mutex{s: s, pfx: pfx}} }

// Lock implements sync.Locker.
func (l *locker) Lock() {
	if err := l.Mutex.Lock(l.s.client.Ctx()); err != nil {
		panic(err)
	}
}

// Unlock implements sync.Locker.
func (l *locker) Unlock() {
	if err := l.Mutex.Unlock(l.s.client.Ctx()); err != nil {
		panic(err)
	}
}
