package backend

import (
	"bytes"
	"fmt"
	"os"
	"sort"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// readTx is a bbolt read transaction that many views share. It lives until it has been replaced (which happens after
// every flush, so that bbolt can reuse old pages) and its last view is closed.
type readTx struct {
	tx      *bbolt.Tx
	file    *os.File                   // that it reads
	buckets [bucketCount]*bbolt.Bucket // nil where the file has no such bucket yet
	refs    atomic.Int64
	lookup  lookup // of the Key bucket
	direct  bool   // lookup can be used
}

// newReadTx opens a transaction with one reference, the caller's. Buckets are looked up now: later, concurrent use of
// the transaction only reads.
func newReadTx(db *database) (*readTx, error) {
	tx, err := db.Begin(false)
	if err != nil {
		return nil, err
	}
	t := &readTx{tx: tx, file: db.file}
	for i, name := range bucketNames {
		t.buckets[i] = tx.Bucket(name)
	}
	t.lookup, t.direct = newLookup(tx, t.buckets[Key])
	t.refs.Store(1)
	return t, nil
}

func (t *readTx) release() {
	if t.refs.Add(-1) == 0 {
		_ = t.tx.Rollback() // fails only on a transaction that is closed already
	}
}

// View is a consistent state of the store: everything written before it was opened, nothing after. Bytes it returns
// are valid until Close and must not be changed. A View belongs to one goroutine and should be short: it holds old
// pages in the file. While a goroutine holds a View it must not open a second one, call Commit or Flush, or wait for a
// lock whose holder might: a growing map waits for the first view and holds all of these back.
type View struct {
	b        *Backend
	tx       *readTx
	flushing genView
	active   genView

	near   place // of the row read last
	closed bool
}

// View opens a view. It waits only while the file's map grows.
func (b *Backend) View() *View {
	v, err := b.openView()
	if err != nil {
		panic(fmt.Sprintf("backend %s: a view was opened after Close or on a map that is lost (%v): stop the readers first", b.o.Path, err))
	}
	return v
}

// openView is View for who does not know whether the backend is still open.
func (b *Backend) openView() (*View, error) {
	for {
		b.mu.RLock()
		if b.cur != nil {
			break
		}
		err, wait := b.err, b.reopen
		if err == nil && b.closed {
			err = ErrClosed
		}
		b.mu.RUnlock()
		if err != nil {
			return nil, err
		}
		<-wait
	}
	defer b.mu.RUnlock()
	v := &View{b: b, tx: b.cur}
	b.cur.refs.Add(1)
	m := b.active.mark()
	v.active = b.active.view(&m)
	if b.flushing != nil {
		v.flushing = *b.flushing
	}
	return v, nil
}

// flushed is a view of the file alone, behind a flush of all that was committed.
func (b *Backend) flushed() (*View, error) {
	if !b.o.ReadOnly {
		if err := b.Flush(); err != nil {
			return nil, err
		}
	}
	return b.fileView()
}

// fileView is a view of the file alone.
func (b *Backend) fileView() (*View, error) {
	v, err := b.openView()
	if err != nil {
		return nil, err
	}
	v.active, v.flushing = genView{}, genView{}
	return v, nil
}

// Close gives the view back. It is safe to call twice.
func (v *View) Close() {
	if v.closed {
		return
	}
	v.closed = true
	v.tx.release()
	v.active, v.flushing = genView{}, genView{}
}

// Get returns the value of a row, nil if there is none. An empty value of an existing row is not nil.
func (v *View) Get(bucket Bucket, key []byte) []byte {
	if bucket == Key {
		r, tombstone, err := ParseRevisionKey(key)
		if err != nil {
			return nil
		}
		value, dead, ok := v.GetRevision(r)
		if !ok || dead != tombstone {
			return nil
		}
		return value
	}
	if value, deleted, ok := v.overlaid(bucket, key); ok {
		if deleted {
			return nil // etcd#17158: the deletion hides the row in the file
		}
		return notNil(value)
	}
	if in := v.tx.buckets[bucket]; in != nil {
		return in.Get(key)
	}
	return nil
}

func (v *View) overlaid(bucket Bucket, key []byte) (value []byte, deleted, ok bool) {
	for _, g := range []*genView{&v.active, &v.flushing} {
		if g.small == nil || g.n[bucket] == 0 {
			continue
		}
		v.b.mu.RLock()
		value, deleted, ok = g.small[bucket].get(key, g.n[bucket])
		v.b.mu.RUnlock()
		if ok {
			return value, deleted, true
		}
	}
	return nil, false, false
}

// GetRevision returns the row of a revision, whether it is a tombstone or not.
func (v *View) GetRevision(r Revision) (value []byte, tombstone, ok bool) {
	if row := v.active.keys.get(r); row != nil {
		return notNil(row.value), row.tombstone, true
	}
	if row := v.flushing.keys.get(r); row != nil {
		return notNil(row.value), row.tombstone, true
	}
	if v.tx.direct {
		v.near, value, tombstone, ok = v.tx.lookup.find(r, v.near)
		return value, tombstone, ok
	}
	return seekRevision(v.tx.buckets[Key], r)
}

// seekRevision is for a bucket so small that it has no page of its own.
func seekRevision(in *bbolt.Bucket, r Revision) (value []byte, tombstone, ok bool) {
	if in == nil {
		return nil, false, false
	}
	want := AppendRevisionKey(nil, r, false)
	k, value := in.Cursor().Seek(want)
	if !bytes.HasPrefix(k, want) {
		return nil, false, false
	}
	return notNil(value), len(k) == TombstoneKeyBytes, true
}

func notNil(v []byte) []byte {
	if v == nil {
		return []byte{}
	}
	return v
}

// Scan calls fn for the rows with from <= key < to in ascending order until fn returns an error, which it passes on.
// A nil from starts at the first row, a nil to ends behind the last. key and value are valid during the call.
func (v *View) Scan(bucket Bucket, from, to []byte, fn func(key, value []byte) error) error {
	if bucket == Key {
		return v.scanKeys(from, to, fn)
	}
	over := v.overlaidRows(bucket, from, to)
	var c *bbolt.Cursor
	var k, val []byte
	if in := v.tx.buckets[bucket]; in != nil {
		c = in.Cursor()
		k, val = seek(c, from, to)
	}
	for k != nil || len(over) > 0 {
		order := -1 // file first
		switch {
		case k == nil:
			order = 1
		case len(over) > 0:
			order = bytes.Compare(k, over[0].key)
		}
		if order < 0 {
			if err := fn(k, val); err != nil {
				return err
			}
		} else {
			row := over[0]
			over = over[1:]
			if !row.deleted {
				if err := fn(row.key, notNil(row.value)); err != nil {
					return err
				}
			}
		}
		if order <= 0 {
			k, val = next(c, to)
		}
	}
	return nil
}

func (v *View) overlaidRows(bucket Bucket, from, to []byte) []overlayRow {
	var both [2][]overlayRow // older first, so that newest lets the younger win
	for i, g := range []*genView{&v.flushing, &v.active} {
		if g.small == nil || g.n[bucket] == 0 {
			continue
		}
		v.b.mu.RLock()
		rows := g.small[bucket].rows[:g.n[bucket]]
		v.b.mu.RUnlock()
		for _, r := range rows {
			if bytes.Compare(r.key, from) >= 0 && (to == nil || bytes.Compare(r.key, to) < 0) {
				both[i] = append(both[i], r)
			}
		}
	}
	return newest(both[0], both[1])
}

func (v *View) scanKeys(from, to []byte, fn func(key, value []byte) error) error {
	if in := v.tx.buckets[Key]; in != nil {
		c := in.Cursor()
		for k, val := seek(c, from, to); k != nil; k, val = next(c, to) {
			if err := fn(k, notNil(val)); err != nil {
				return err
			}
		}
	}
	var scratch [TombstoneKeyBytes]byte
	for _, p := range []*keyPrefix{&v.flushing.keys, &v.active.keys} {
		start := sort.Search(p.rows(), func(i int) bool {
			r := p.at(i)
			return bytes.Compare(AppendRevisionKey(scratch[:0], r.rev, r.tombstone), from) >= 0
		})
		for i := start; i < p.rows(); i++ {
			r := p.at(i)
			key := AppendRevisionKey(scratch[:0], r.rev, r.tombstone)
			if to != nil && bytes.Compare(key, to) >= 0 {
				return nil
			}
			if err := fn(key, notNil(r.value)); err != nil {
				return err
			}
		}
	}
	return nil
}

func seek(c *bbolt.Cursor, from, to []byte) (k, v []byte) {
	if from == nil {
		k, v = c.First()
	} else {
		k, v = c.Seek(from)
	}
	return until(k, v, to)
}

func next(c *bbolt.Cursor, to []byte) (k, v []byte) {
	k, v = c.Next()
	return until(k, v, to)
}

func until(k, v, to []byte) ([]byte, []byte) {
	if k != nil && to != nil && bytes.Compare(k, to) >= 0 {
		return nil, nil
	}
	return k, v
}
