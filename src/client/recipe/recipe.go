// Package recipe has a lock for one writer or many readers, under the names of etcd's experimental recipes.
package recipe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
	"quoin.dev/client/internal/turn"
)

// ErrKeyExists is returned when a key that has to be new is not.
var ErrKeyExists = errors.New("key already exists")

// RWMutex is a lock that one writer or many readers hold, in the order in which they asked. It is for one goroutine at a
// time, and holds one lock at a time.
//
// The end of the session's lease ends the lock as well; package concurrency says how to be safe from that.
type RWMutex struct {
	s   *concurrency.Session
	pfx string
	key string // of the lock that is held, or empty
}

// NewRWMutex returns a lock; all with the same prefix are the same lock.
func NewRWMutex(s *concurrency.Session, prefix string) *RWMutex {
	return &RWMutex{s: s, pfx: prefix + "/"}
}

// RLock waits until no writer is in front.
func (rwm *RWMutex) RLock() error { return rwm.lock("read", rwm.pfx+"write") }

// Lock waits until nobody is in front.
func (rwm *RWMutex) Lock() error { return rwm.lock("write", rwm.pfx) }

// RUnlock gives a lock of RLock back.
func (rwm *RWMutex) RUnlock() error { return rwm.unlock() }

// Unlock gives a lock of Lock back.
func (rwm *RWMutex) Unlock() error { return rwm.unlock() }

// lock waits until the keys with a prefix that are older than the own one are deleted.
func (rwm *RWMutex) lock(kind, before string) error {
	c, ctx := rwm.s.Client(), rwm.s.Client().Ctx()
	// As in etcd's recipe the last part is a decimal number, there of nanoseconds. A random one is taken by nobody else.
	key := fmt.Sprintf("%s%s/%d", rwm.pfx, kind, rand.Int64())
	resp, err := c.Txn(ctx).
		If(client.Compare(client.CreateRevision(key), "=", 0)).
		Then(client.OpPut(key, "", client.WithLease(rwm.s.Lease()))).
		Commit()
	if err != nil {
		rwm.leave(key) // only the answer may be lost
		return err
	}
	if !resp.Succeeded {
		return ErrKeyExists
	}
	if err := rwm.wait(before, key, resp.Header.Revision); err != nil {
		rwm.leave(key)
		return err
	}
	rwm.key = key
	return nil
}

// leaveTimeout bounds how long an error is held back to give a place in the line up.
const leaveTimeout = 5 * time.Second

// leave gives a place in the line up. The lease does it later, if this does not.
func (rwm *RWMutex) leave(key string) {
	ctx, cancel := context.WithTimeout(rwm.s.Client().Ctx(), leaveTimeout)
	defer cancel()
	_, _ = rwm.s.Client().Delete(ctx, key)
}

func (rwm *RWMutex) wait(before, key string, revision int64) error {
	// Without its session the own key goes, and the wait would be for nothing.
	ctx, cancel := context.WithCancel(rwm.s.Client().Ctx())
	defer cancel()
	defer context.AfterFunc(rwm.s.Ctx(), cancel)()
	_, err := turn.Wait(ctx, rwm.s.Client(), before, key, revision)
	if err == turn.ErrLost || err != nil && rwm.s.Ctx().Err() != nil {
		return concurrency.ErrSessionExpired
	}
	return err
}

func (rwm *RWMutex) unlock() error {
	if rwm.key == "" {
		return concurrency.ErrLockReleased
	}
	if _, err := rwm.s.Client().Delete(rwm.s.Client().Ctx(), rwm.key); err != nil {
		return err
	}
	rwm.key = ""
	return nil
}
