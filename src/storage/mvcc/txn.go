package mvcc

import (
	"context"
	"fmt"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc/index"
)

// Change is one change of a transaction: what a watcher sees.
type Change struct {
	// Key that changed.
	Key []byte
	// Revision of the change and its place in the transaction.
	Revision int64
	Sub      int32
	// Tombstone: the key was deleted. Raw then holds the key only.
	Tombstone bool
	// Raw is the encoded mvccpb.KeyValue as it is stored. It must not be changed and stays valid.
	Raw []byte
	// Version after the change; 1 means that the key was created.
	Version int64
}

// Txn is the one transaction in progress. Its changes share one revision and become visible together at End. It belongs
// to the writer goroutine and is not concurrent with itself, another Txn, or Compact.
type Txn struct {
	s       *Store
	begin   int64
	begun   bool
	done    operations
	changes []Change
	locked  bool          // the store is locked for writing, since the first change
	view    *backend.View // opened by the first read of a row; own changes are in changes, all others in it
}

// keptChanges is how many changes the store keeps room for between transactions.
const keptChanges = 1024

// Begin starts a transaction. It has to be ended. What the transaction before returned at its End is overwritten.
func (s *Store) Begin() *Txn {
	t := &s.txn
	if t.begun {
		panic("mvcc: expected one transaction at a time, found a second Begin before End: this is a fault of the caller")
	}
	changes := t.changes[:0]
	if cap(changes) > keptChanges {
		changes = nil
	}
	*t = Txn{s: s, begin: s.current.Load(), begun: true, changes: changes}
	return t
}

// Revision is the current revision, one more once the transaction has changed something.
func (t *Txn) Revision() int64 {
	if len(t.changes) > 0 {
		return t.begin + 1
	}
	return t.begin
}

// End publishes the changes and returns them in order. The list is valid until the next Begin, what its elements refer to
// for good. Bytes that reads of the transaction returned end with it.
func (t *Txn) End() []Change {
	t.begun = false
	if t.view != nil {
		t.view.Close()
		t.view = nil
	}
	if t.locked {
		t.s.current.Store(t.Revision())
		t.locked = false
		t.s.mu.Unlock()
	}
	t.s.o.Meter.add(t.done)
	return t.changes
}

func (t *Txn) lock() {
	if !t.locked {
		t.s.mu.Lock()
		t.locked = true
	}
}

func (t *Txn) openView() {
	if t.view == nil {
		t.view = t.s.b.View()
	}
}

// row returns a row that stays valid until End.
func (t *Txn) row(e *entry) []byte {
	if e.mod == t.begin+1 {
		return t.changes[e.sub].Raw
	}
	t.openView()
	return mustRow(t.view, e)
}

// Range is Store.Range as the transaction sees it: its own changes are at Revision. The emitted bytes stay valid until End.
func (t *Txn) Range(ctx context.Context, key, end []byte, o RangeOptions, emit func(kv []byte) error) (RangeInfo, error) {
	t.done.ranges++
	return (&ranger{s: t.s, txn: t, ctx: ctx, o: o, emit: emit}).run(key, end)
}

// Entry is a key as the transaction sees it.
type Entry struct {
	Key                  []byte
	Create, Mod, Version int64
	e                    entry
}

// Get returns a key as of now; false if it does not exist.
func (t *Txn) Get(key []byte) (Entry, bool) {
	r := ranger{s: t.s, txn: t}
	r.lock()
	m, ok := t.s.index.Get(key, t.Revision())
	r.unlock()
	if !ok {
		return Entry{}, false
	}
	return publicEntry(newEntry(key, m)), true
}

func publicEntry(e entry) Entry {
	return Entry{Key: e.key, Create: e.create, Mod: e.mod, Version: e.version, e: e}
}

// Raw returns the encoded mvccpb.KeyValue of an entry, valid until End. Value and LeaseID cut it up.
func (t *Txn) Raw(e Entry) []byte { return t.row(&e.e) }

// LeaseOf returns the lease of an entry, 0 for none; it reads the row only if there is one.
func (t *Txn) LeaseOf(e Entry) int64 {
	if !e.e.leased {
		return 0
	}
	return LeaseID(t.row(&e.e))
}

// Each calls fn for the keys of [key, end) as of now, in order, until it returns false. fn must not change the store.
func (t *Txn) Each(key, end []byte, fn func(Entry) bool) {
	for _, e := range t.collect(key, end) {
		if !fn(publicEntry(e)) {
			return
		}
	}
}

func (t *Txn) collect(key, end []byte) (all []entry) {
	r := ranger{s: t.s, txn: t, ctx: context.Background(), in: newInterval(key, end), rev: t.Revision()}
	r.lock()
	if r.in.single {
		m, ok := t.s.index.Get(key, r.rev)
		r.unlock()
		if ok {
			all = append(all, newEntry(key, m))
		}
		return all
	}
	_ = r.scan(func(key []byte, m index.Meta) bool { // fails only when its context ends
		all = append(all, newEntry(key, m))
		return true
	}, nil)
	return all
}

// Put sets a key and attaches it to a lease, 0 for none; a former lease loses it. key and value are copied.
func (t *Txn) Put(key, value []byte, lease int64) {
	t.done.puts++
	t.done.putBytes += uint64(len(key) + len(value))
	t.lock()
	old := t.leaseOf(key)
	rev := t.next()
	m := t.s.index.Put(key, rev, lease != 0)
	kv := keyValue{key: key, create: m.Create.Main, mod: rev.Main, version: m.Version, value: value, lease: lease}
	t.record(rev, &kv, false)
	t.s.anyLease = t.s.anyLease || lease != 0
	t.moveLease(old, lease, key)
}

// DeleteRange deletes the keys of [key, end) and returns how many there were.
func (t *Txn) DeleteRange(key, end []byte) int64 {
	t.done.deletes++
	victims := t.collect(key, end)
	if len(victims) == 0 {
		return 0
	}
	t.lock()
	for i := range victims {
		e := &victims[i]
		old := int64(0)
		if e.leased {
			old = LeaseID(t.row(e))
		}
		rev := t.next()
		if !t.s.index.Tombstone(e.key, rev) {
			panic(fmt.Sprintf("mvcc: expected key %q to exist at revision %d, found it gone: only one transaction may be in progress", e.key, t.Revision()))
		}
		kv := keyValue{key: e.key}
		t.record(rev, &kv, true)
		t.moveLease(old, 0, t.changes[rev.Sub].Key)
	}
	return int64(len(victims))
}

func (t *Txn) next() index.Rev { return index.Rev{Main: t.begin + 1, Sub: int32(len(t.changes))} }

// record encodes a change and hands it to the backend.
func (t *Txn) record(rev index.Rev, kv *keyValue, tombstone bool) {
	raw := kv.encode()
	t.s.b.PutRevision(backend.Revision(rev), tombstone, raw)
	at := 1 + sizeVarint(uint64(len(kv.key)))
	t.changes = append(t.changes, Change{
		Key: raw[at : at+len(kv.key) : at+len(kv.key)], Revision: rev.Main, Sub: rev.Sub, Tombstone: tombstone, Raw: raw, Version: kv.version,
	})
}

// leaseOf is the lease a key has before it is replaced. Stores that never saw a lease don't look.
func (t *Txn) leaseOf(key []byte) int64 {
	if !t.s.anyLease {
		return 0
	}
	m, ok := t.s.index.Latest(key)
	if !ok || !m.Leased {
		return 0
	}
	e := newEntry(key, m)
	return LeaseID(t.row(&e))
}

func (t *Txn) moveLease(from, to int64, key []byte) {
	if t.s.o.Leases == nil || from == to {
		return
	}
	if from != 0 {
		t.s.o.Leases.Detach(from, key)
	}
	if to != 0 {
		t.s.o.Leases.Attach(to, key)
	}
}
