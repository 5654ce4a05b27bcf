package workload

import (
	"fmt"
	"strconv"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3lockpb"
)

// Locks lets clients take turns: whoever holds a lock writes, under the condition that it still does.
//
// The name of a lock says who makes it. Below locks/served/ it is the Lock service, with a key of its own for each lease; below
// locks/plain/ one key is created by a transaction. The create revision of that key is the fencing token of its holder: it is compared
// by each write to locks/data/, and stands at the end of each value, "c3-000017 fence=42".
type Locks struct {
	// Clients is how many there are; 0: 6. Names is how many locks there are of each sort; 0: 1. Rate is how many calls each client
	// makes a second; 0: 20.
	Clients, Names int
	Rate           float64
}

// Name is "locks".
func (Locks) Name() string { return "locks" }

const (
	servedLocks = "locks/served/"
	plainLocks  = "locks/plain/"
	lockData    = "locks/data/"
	// mostWrites is how often a holder writes.
	mostWrites = 6
	// tries is how often a client tries to get a plain lock before it looks for another one.
	tries = 20
	// lockPatience is how long a client waits for a lock of the service.
	lockPatience = 8 * time.Second
)

func (k Locks) bodies() []body {
	return paced(or(k.Clients, 6), or(k.Rate, 20), func(c *client, _ int) {
		l := &locker{client: c}
		for c.next() {
			name := strconv.Itoa(c.random.IntN(or(k.Names, 1)))
			if c.chance(2) {
				l.turn(servedLocks+name, l.enter)
			} else {
				l.turn(plainLocks+name, l.seize)
			}
		}
	})
}

// locker is one client, with the lock that it has or wants.
type locker struct {
	*client
	lease int64
}

// lock is a lock that is held: its key is there, with this create revision.
type lock struct {
	name, key string
	fence     int64
}

// turn gets a lock by take, writes, and gives it back. Leases live shortly, so that a holder that is cut off loses its lock.
func (l *locker) turn(name string, take func(name string) (lock, bool)) {
	l.lease = l.client.lease()
	if _, err := l.grant(l.lease, 2+l.random.Int64N(3)); err != nil {
		return
	}
	if held, ok := take(name); ok {
		l.write(held)
		if l.next() {
			l.leave(held)
		}
	}
	if l.next() {
		_, _ = l.revoke(l.lease)
	}
}

// enter takes a place in the line of the Lock service, and learns the fencing token of its key.
func (l *locker) enter(name string) (lock, bool) {
	if !l.next() {
		return lock{}, false
	}
	r, err := l.waitFor(name)
	if err != nil || !l.next() {
		return lock{}, false
	}
	a, err := l.read(&pb.RangeRequest{Key: r.Key})
	if err != nil || len(a.Kvs) != 1 {
		return lock{}, false
	}
	return lock{name, string(r.Key), a.Kvs[0].CreateRevision}, true
}

func (l *locker) waitFor(name string) (*v3lockpb.LockResponse, error) {
	usual := l.patience
	defer func() { l.patience = usual }()
	l.patience = l.between(lockPatience/8, lockPatience)
	return call(l.client, (*client).locks, v3lockpb.LockClient.Lock, &v3lockpb.LockRequest{Name: []byte(name), Lease: l.lease})
}

// seize tries to create the key of a lock until it is there, or the client has lost its patience.
func (l *locker) seize(name string) (lock, bool) {
	key := name + "/holder"
	for range tries {
		if !l.next() {
			return lock{}, false
		}
		put := putRequest(key, l.value())
		put.Lease = l.lease
		a, err := l.txn(guarded(key, compareCreateRevision(key, 0), putOp(put)))
		if err != nil {
			return lock{}, false // it may be held: the lease ends it
		}
		if a.Succeeded {
			return lock{name, key, a.Header.GetRevision()}, true
		}
	}
	return lock{}, false
}

// write makes changes as the holder of a lock, until it hears that it does not hold it any more.
func (l *locker) write(held lock) {
	key := lockData + held.name[len("locks/"):]
	for range 1 + l.random.IntN(mostWrites) {
		if !l.next() {
			return
		}
		if l.chance(4) {
			if a, err := l.renew(l.lease); err == nil && a.TTL <= 0 {
				return
			}
			continue
		}
		put := putRequest(key, fmt.Sprintf("%s fence=%d", l.value(), held.fence))
		put.PrevKv = true
		a, err := l.txn(guarded(held.key, compareCreateRevision(held.key, held.fence), putOp(put)))
		if err == nil && !a.Succeeded {
			return
		}
	}
}

// leave gives a lock back.
func (l *locker) leave(held lock) {
	if held.key == held.name+"/holder" {
		_, _ = l.txn(guarded(held.key, compareCreateRevision(held.key, held.fence), deleteOp(&pb.DeleteRangeRequest{Key: []byte(held.key)})))
		return
	}
	_, _ = call(l.client, (*client).locks, v3lockpb.LockClient.Unlock, &v3lockpb.UnlockRequest{Key: []byte(held.key)})
}
