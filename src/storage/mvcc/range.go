package mvcc

import (
	"context"
	"fmt"
	"sync"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc/index"
)

// SortOrder is the order of a range.
type SortOrder uint8

// The orders; None is ascending by key, or ascending if the target is another than the key.
const (
	None SortOrder = iota
	Ascend
	Descend
)

// SortTarget is what a range is sorted by.
type SortTarget uint8

// The targets, in the order of the wire.
const (
	ByKey SortTarget = iota
	ByVersion
	ByCreate
	ByMod
	ByValue
)

// RangeOptions select and order what a range returns.
type RangeOptions struct {
	// Revision to read at; 0 or less = current.
	Revision int64
	// Limit of key-values; 0 or less = none.
	Limit int64
	// CountOnly returns no key-values; KeysOnly returns them without their values.
	CountOnly, KeysOnly bool
	// NoCount leaves Count of a range with a limit unknown, which at an old revision saves a walk over the whole interval.
	NoCount bool
	// The bounds are inclusive; 0 = none.
	MinModRevision, MaxModRevision, MinCreateRevision, MaxCreateRevision int64

	Order  SortOrder
	Target SortTarget
}

// RangeInfo is what a range returns besides the key-values.
type RangeInfo struct {
	// Revision of the store at the read.
	Revision int64
	// Count of the keys in the interval at the revision read, before filters and limit.
	Count int64
	// More says that the limit cut something off.
	More bool
	// Kvs is the number of key-values emitted.
	Kvs int
}

// chunkKeys is how many keys of the index a reader visits per hold of the lock; tests lower Store.chunkKeys.
const chunkKeys = 1024

// Range reads [key, end): an empty end means key alone, a single zero byte means all keys from key on. emit gets each
// encoded mvccpb.KeyValue in order; the bytes are valid during the call only. emit should not wait for a network: it
// holds old pages of the file. Errors: ErrCompacted, ErrFutureRevision, the context's, and emit's.
func (s *Store) Range(ctx context.Context, key, end []byte, o RangeOptions, emit func(kv []byte) error) (RangeInfo, error) {
	s.o.Meter.Ranges.Inc()
	return (&ranger{s: s, ctx: ctx, o: o, emit: emit}).run(key, end)
}

// interval is [from, to); to nil means to the end.
type interval struct {
	from, to []byte
	single   bool
}

func newInterval(key, end []byte) interval {
	switch {
	case len(end) == 0:
		return interval{from: key, single: true}
	case len(end) == 1 && end[0] == 0:
		return interval{from: key}
	}
	return interval{from: key, to: end}
}

// entry is a key at a revision, as the index knows it.
type entry struct {
	key                  []byte // of the index: stays valid
	mod, create, version int64
	sub                  int32
	leased               bool
}

func newEntry(key []byte, m index.Meta) entry {
	return entry{key: key, mod: m.Mod.Main, sub: m.Mod.Sub, create: m.Create.Main, version: m.Version, leased: m.Leased}
}

// ranger is one range. Without a transaction it locks the store for reading in small chunks and opens views of its own.
type ranger struct {
	s    *Store
	txn  *Txn
	ctx  context.Context
	o    RangeOptions
	emit func([]byte) error

	in   interval
	rev  int64
	head bool // rev is the newest revision that the index has
	info RangeInfo

	pinned  bool
	view    *backend.View
	scratch []byte
}

var chunks = sync.Pool{New: func() any { c := make([]entry, 0, chunkKeys); return &c }}

func (r *ranger) lock() {
	if r.txn == nil || !r.txn.locked {
		r.s.mu.RLock()
	}
}

func (r *ranger) unlock() {
	if r.txn == nil || !r.txn.locked {
		r.s.mu.RUnlock()
	}
}

// pin keeps the revision readable after the lock is given up; the caller holds the lock. A transaction needs no pin,
// since compactions come from its own goroutine.
func (r *ranger) pin() {
	if r.txn == nil && !r.pinned {
		r.s.pins.add(r.rev)
		r.pinned = true
	}
}

func (r *ranger) close() {
	r.closeView()
	if r.pinned {
		r.s.pins.remove(r.rev)
	}
}

// openView is called with the revision pinned: the rows of that revision are in any view that is opened from then on. It is
// not called under the lock, since it waits while the file's map grows, which waits for the views of others.
func (r *ranger) openView() {
	if r.txn != nil {
		r.txn.openView()
	} else if r.view == nil {
		r.view = r.s.b.View()
	}
}

func (r *ranger) closeView() {
	if r.view != nil {
		r.view.Close()
		r.view = nil
	}
}

func (r *ranger) row(e *entry) []byte {
	if r.txn != nil {
		return r.txn.row(e)
	}
	return mustRow(r.view, e)
}

func mustRow(v *backend.View, e *entry) []byte {
	raw, tombstone, ok := v.GetRevision(backend.Revision{Main: e.mod, Sub: e.sub})
	if !ok || tombstone {
		panic(fmt.Sprintf("mvcc: expected a row of key %q at revision %d/%d, found none (tombstone: %v): index and file disagree, restore this member from a snapshot",
			e.key, e.mod, e.sub, tombstone))
	}
	return raw
}

func (r *ranger) run(key, end []byte) (RangeInfo, error) {
	defer r.close()
	r.in = newInterval(key, end)
	r.lock()
	r.info.Revision = r.s.current.Load()
	if r.txn != nil {
		r.info.Revision = r.txn.Revision()
	}
	rev, err := r.s.revision(r.o.Revision, r.info.Revision)
	if err != nil {
		r.unlock()
		return RangeInfo{Revision: r.info.Revision}, err
	}
	r.rev, r.head = rev, rev == r.info.Revision
	switch {
	case r.in.single:
		err = r.single()
	case r.o.CountOnly:
		err = r.count()
	case r.sorted():
		err = r.sort()
	default:
		err = r.stream()
	}
	return r.info, err
}

// Each of the following is entered with the lock held and returns without it.

func (r *ranger) single() error {
	m, ok := r.s.index.Get(r.in.from, r.rev)
	if !ok {
		r.unlock()
		return nil
	}
	e := newEntry(r.in.from, m)
	r.info.Count = 1
	wanted := !r.o.CountOnly && r.wanted(&e)
	if wanted {
		r.pin()
	}
	r.unlock()
	if !wanted {
		return nil
	}
	if r.needsRow(&e) {
		r.openView()
	}
	return r.put(&e)
}

func (r *ranger) count() error {
	if r.head {
		r.info.Count = r.s.index.CountLatest(r.in.from, r.in.to)
		r.unlock()
		return nil
	}
	return r.scan(func([]byte, index.Meta) bool {
		r.info.Count++
		return true
	}, nil)
}

// scan visits the interval in chunks. fn is called under the lock and returns false to end; between, if not nil, is
// called after each chunk without the lock.
func (r *ranger) scan(fn func(key []byte, m index.Meta) bool, between func() error) error {
	for from := r.in.from; ; {
		next, done := r.s.index.Scan(from, r.in.to, r.rev, r.s.chunkKeys, fn)
		if !done {
			r.pin()
		}
		r.unlock()
		if between != nil {
			if err := between(); err != nil {
				return err
			}
		}
		if done {
			return nil
		}
		if err := r.ctx.Err(); err != nil {
			return fmt.Errorf("range: %w", err)
		}
		from = next
		r.lock()
	}
}

// stream emits in key order while it scans.
func (r *ranger) stream() error {
	counted := r.head || r.o.NoCount
	if r.head && !r.o.NoCount {
		r.info.Count = r.s.index.CountLatest(r.in.from, r.in.to)
	}
	pool := chunks.Get().(*[]entry)
	chunk := (*pool)[:0]
	defer func() {
		clear(chunk[:cap(chunk)])
		*pool = chunk[:0]
		chunks.Put(pool)
	}()
	r.pin()
	taken, rows := int64(0), false
	return r.scan(func(key []byte, m index.Meta) bool {
		if !counted {
			r.info.Count++
		}
		e := newEntry(key, m)
		if r.info.More || !r.wanted(&e) {
			return true
		}
		if r.o.Limit > 0 && taken == r.o.Limit {
			r.info.More = true
			return !counted
		}
		taken++
		chunk = append(chunk, e)
		rows = rows || r.needsRow(&e)
		return true
	}, func() error {
		if rows {
			r.openView()
		}
		for i := range chunk {
			if err := r.put(&chunk[i]); err != nil {
				return err
			}
		}
		chunk, rows = chunk[:0], false
		r.closeView()
		return nil
	})
}

func (r *ranger) wanted(e *entry) bool {
	o := &r.o
	return (o.MaxModRevision == 0 || e.mod <= o.MaxModRevision) && (o.MinModRevision == 0 || e.mod >= o.MinModRevision) &&
		(o.MaxCreateRevision == 0 || e.create <= o.MaxCreateRevision) && (o.MinCreateRevision == 0 || e.create >= o.MinCreateRevision)
}

// needsRow: a key without its value is known to the index, but for the id of its lease (etcd#22209).
func (r *ranger) needsRow(e *entry) bool { return !r.o.KeysOnly || e.leased }

func (r *ranger) put(e *entry) error {
	var raw []byte
	switch {
	case !r.o.KeysOnly:
		raw = r.row(e)
	default:
		kv := keyValue{key: e.key, create: e.create, mod: e.mod, version: e.version}
		if e.leased {
			kv.lease = LeaseID(r.row(e))
		}
		if r.txn != nil {
			r.scratch = nil // what a transaction emits stays valid until its end
		}
		r.scratch = kv.appendTo(r.scratch[:0])
		raw = r.scratch
	}
	r.info.Kvs++
	return r.emit(raw)
}
