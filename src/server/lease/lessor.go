package lease

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"quoin.dev/api/leasepb"
	"quoin.dev/storage/schema"
)

// Lessor is the table of leases. Applying entries changes it, from one goroutine; any may read. It knows no clock:
// when a lease has run out is for the leader to find, and it ends by a revoke in the log like any other.
//
// A key is attached to at most one lease at a time. Attachments are not rows of their own: the store attaches every
// key again when it rebuilds its index.
type Lessor struct {
	options Options
	rows    schema.Writer // takes rows into the batch that is being applied
	clock   *Clock        // is told of every change

	mu     sync.RWMutex // guards leases and the keys in them; held for lookups and copies only
	leases map[ID]*entry
}

type entry struct {
	Lease
	keys map[string]struct{} // nil until there is one: most leases have few keys or none
}

// New returns a table without leases that persists into rows.
func New(rows schema.Writer, o Options) *Lessor {
	l := &Lessor{options: o, rows: rows, clock: o.Clock, leases: map[ID]*entry{}}
	if l.clock == nil {
		l.clock = NewClock()
	}
	return l
}

// Load returns the table that the stored rows describe, without keys; it persists further changes into rows.
func Load(stored schema.Reader, rows schema.Writer, o Options) (*Lessor, error) {
	l := New(rows, o)
	leases, err := schema.Leases(stored)
	if err != nil {
		return nil, err
	}
	for _, row := range leases {
		l.leases[ID(row.ID)] = &entry{Lease: Lease{ID(row.ID), row.TTL, row.RemainingTTL}}
	}
	return l, nil
}

func (l *Lessor) persist(e *entry) {
	schema.PutLease(l.rows, &leasepb.Lease{ID: int64(e.ID), TTL: e.TTL, RemainingTTL: e.RemainingTTL})
}

// Grant makes a lease. A TTL below the minimum, also 0 or a negative one, is raised to it. Errors: ErrNotFound for
// id 0, which names no lease, ErrTTLTooLarge, ErrExists.
func (l *Lessor) Grant(id ID, ttl int64) (Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case id == None:
		return Lease{}, ErrNotFound
	case ttl > MaxTTL:
		return Lease{}, ErrTTLTooLarge
	case l.leases[id] != nil:
		return Lease{}, ErrExists
	}
	e := &entry{Lease: Lease{ID: id, TTL: max(ttl, l.options.MinTTL)}}
	l.leases[id] = e
	l.persist(e)
	l.clock.Granted(e.Lease)
	l.clock.meter.Granted.Inc()
	l.clock.meter.TTL.Count(e.TTL)
	return e.Lease, nil
}

// Revoke ends a lease and returns the keys that were attached, in byte order: the order in which every member deletes
// them. The caller deletes them in the same batch. Error: ErrNotFound.
func (l *Lessor) Revoke(id ID) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.leases[id]
	if e == nil {
		return nil, ErrNotFound
	}
	delete(l.leases, id)
	schema.DeleteLease(l.rows, int64(id))
	l.clock.Revoked(id)
	l.clock.meter.Revoked.Inc()
	return sortedKeys(e), nil
}

// Checkpoint records how much of a lease is left, in seconds; 0 means all of it, as after a renewal. An unknown lease
// has been revoked meanwhile: there is nothing to record.
func (l *Lessor) Checkpoint(id ID, remainingTTL int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.leases[id]
	if e == nil {
		return ErrNotFound
	}
	e.RemainingTTL = remainingTTL
	l.persist(e)
	l.clock.Checkpointed(id, remainingTTL)
	return nil
}

// Attach lets the key live by the lease. A lease that is gone is passed over: its revoke deletes the key, or has.
func (l *Lessor) Attach(id int64, key []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.leases[ID(id)]; e != nil {
		if e.keys == nil {
			e.keys = map[string]struct{}{}
		}
		e.keys[string(key)] = struct{}{}
	}
}

// Detach ends what Attach began.
func (l *Lessor) Detach(id int64, key []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.leases[ID(id)]; e != nil {
		delete(e.keys, string(key))
	}
}

// Exists tells whether there is such a lease.
func (l *Lessor) Exists(id ID) bool {
	_, ok := l.Lookup(id)
	return ok
}

// Lookup returns a lease.
func (l *Lessor) Lookup(id ID) (Lease, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if e := l.leases[id]; e != nil {
		return e.Lease, true
	}
	return Lease{}, false
}

// Keys returns the keys of a lease in byte order; nil for an unknown one.
func (l *Lessor) Keys(id ID) [][]byte {
	l.mu.RLock()
	defer l.mu.RUnlock()
	e := l.leases[id]
	if e == nil {
		return nil
	}
	return sortedKeys(e)
}

// EveryKey reports whether ok holds for every key of a lease, so also for an unknown one. ok must not call back.
func (l *Lessor) EveryKey(id ID, ok func(key string) bool) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if e := l.leases[id]; e != nil {
		for key := range e.keys {
			if !ok(key) {
				return false
			}
		}
	}
	return true
}

// List returns all leases by id.
func (l *Lessor) List() []Lease {
	l.mu.RLock()
	list := make([]Lease, 0, len(l.leases))
	for _, e := range l.leases {
		list = append(list, e.Lease)
	}
	l.mu.RUnlock()
	slices.SortFunc(list, func(a, b Lease) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Len is the count of leases.
func (l *Lessor) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.leases)
}

func sortedKeys(e *entry) [][]byte {
	keys := make([][]byte, 0, len(e.keys))
	for _, key := range slices.Sorted(maps.Keys(e.keys)) {
		keys = append(keys, []byte(key))
	}
	return keys
}
