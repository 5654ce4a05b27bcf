package mvcc

import (
	"fmt"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc/index"
	"quoin.dev/storage/schema"
)

// restore rebuilds the index and the revisions from the file. pending says that a compaction has to be resumed.
func (s *Store) restore() (pending bool, err error) {
	v := s.b.View()
	defer v.Close()
	marks, err := schema.ReadCompaction(v)
	if err != nil {
		return false, err
	}
	r := restorer{s: s, leases: map[string]int64{}}
	if err := v.Scan(backend.Key, nil, nil, r.row); err != nil {
		return false, err
	}
	if s.o.Leases != nil {
		for key, lease := range r.leases {
			s.o.Leases.Attach(lease, []byte(key))
		}
	}
	// Compaction may have removed the newest rows: then its markers know the revision (etcd#17780).
	s.compacted.Store(max(marks.Scheduled, marks.Finished))
	s.current.Store(max(r.last.Main, marks.Scheduled, marks.Finished, 1))
	return marks.Scheduled > marks.Finished, nil
}

type restorer struct {
	s      *Store
	last   backend.Revision // of the row before
	leases map[string]int64 // of the keys at head that have one
}

func (r *restorer) row(key, value []byte) error {
	rev, tombstone, err := backend.ParseRevisionKey(key)
	if err != nil {
		return fmt.Errorf("bucket key: %w: restore the member from a snapshot", err)
	}
	if rev.Main < 1 || !r.last.Less(rev) {
		return fmt.Errorf("bucket key: row %d/%d follows row %d/%d: restore the member from a snapshot", rev.Main, rev.Sub, r.last.Main, r.last.Sub)
	}
	r.last = rev
	if len(value) == 0 {
		// A restore with a bumped revision leaves a row without content: it only moves the revision.
		r.s.bumps = append(r.s.bumps, rev)
		return nil
	}
	var kv keyValue
	if err := kv.parse(value); err != nil {
		return fmt.Errorf("row %d/%d: %w: restore the member from a snapshot", rev.Main, rev.Sub, err)
	}
	if len(kv.key) == 0 || (!tombstone && kv.mod != rev.Main) {
		return fmt.Errorf("row %d/%d: found key %q of revision %d: restore the member from a snapshot", rev.Main, rev.Sub, kv.key, kv.mod)
	}
	m := index.Meta{Mod: index.Rev(rev), Tombstone: tombstone}
	if !tombstone {
		m.Create, m.Version, m.Leased = index.Rev{Main: kv.create}, kv.version, kv.lease != 0
	}
	r.s.index.Restore(kv.key, m)
	if m.Leased {
		r.s.anyLease = true
		r.leases[string(kv.key)] = kv.lease
	} else if len(r.leases) > 0 {
		delete(r.leases, string(kv.key))
	}
	return nil
}
