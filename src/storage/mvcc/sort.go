package mvcc

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"

	"quoin.dev/storage/mvcc/index"
)

// sorted says whether the order of the index is not the order of the answer.
func (r *ranger) sorted() bool { return r.o.Target != ByKey || r.o.Order == Descend }

// sort collects what the interval holds, sorts it by what the index knows, cuts it to the limit, and only then reads
// rows. Only sorting by value reads rows first. It is entered with the lock held and returns without it.
func (r *ranger) sort() error {
	r.pin()
	var all []entry
	// Without an order, though with a target, etcd takes the first keys up to the limit and sorts only those.
	enough := int64(math.MaxInt64)
	if r.o.Order == None && r.o.Limit > 0 && !r.filtered() {
		enough = r.o.Limit + 1
	}
	err := r.scan(func(key []byte, m index.Meta) bool {
		r.info.Count++
		if e := newEntry(key, m); int64(len(all)) < enough && r.wanted(&e) {
			all = append(all, e)
		}
		return true
	}, nil)
	if err != nil {
		return err
	}
	if r.o.Target == ByValue {
		return r.sortByValue(all)
	}
	compare := map[SortTarget]func(a, b entry) int{
		ByKey:     func(a, b entry) int { return bytes.Compare(a.key, b.key) },
		ByVersion: func(a, b entry) int { return cmp.Compare(a.version, b.version) },
		ByCreate:  func(a, b entry) int { return cmp.Compare(a.create, b.create) },
		ByMod:     func(a, b entry) int { return cmp.Compare(a.mod, b.mod) },
	}[r.o.Target]
	if compare == nil {
		return fmt.Errorf("range: sort target %d is unknown", r.o.Target)
	}
	slices.SortStableFunc(all, r.directed(compare))
	for n := r.cut(len(all)); n > 0; n = len(all) {
		chunk := all[:min(n, chunkKeys)]
		r.openView()
		for i := range chunk {
			if err := r.put(&chunk[i]); err != nil {
				return err
			}
		}
		r.closeView()
		if err := r.ctx.Err(); err != nil {
			return fmt.Errorf("range: %w", err)
		}
		all = all[len(chunk):n]
	}
	return nil
}

func (r *ranger) directed(compare func(a, b entry) int) func(a, b entry) int {
	if r.o.Order == Descend {
		return func(a, b entry) int { return compare(b, a) }
	}
	return compare
}

// filtered says whether a bound may leave keys out.
func (r *ranger) filtered() bool {
	o := &r.o
	return o.MinModRevision|o.MaxModRevision|o.MinCreateRevision|o.MaxCreateRevision != 0
}

// cut applies the limit to n results.
func (r *ranger) cut(n int) int {
	if r.o.Limit > 0 && int64(n) > r.o.Limit {
		r.info.More = true
		return int(r.o.Limit)
	}
	return n
}

// sortByValue keeps one view open, so that values are compared where they lie.
func (r *ranger) sortByValue(all []entry) error {
	type valued struct {
		entry
		value []byte
	}
	r.openView()
	rows := make([]valued, len(all))
	for i := range all {
		rows[i] = valued{all[i], Value(r.row(&all[i]))}
		if i%chunkKeys == 0 {
			if err := r.ctx.Err(); err != nil {
				return fmt.Errorf("range: %w", err)
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b valued) int {
		if r.o.Order == Descend {
			a, b = b, a
		}
		return bytes.Compare(a.value, b.value)
	})
	for i := range rows[:r.cut(len(rows))] {
		if err := r.put(&rows[i].entry); err != nil {
			return err
		}
	}
	return nil
}
