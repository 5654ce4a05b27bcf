package mvcc

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc/index"
)

// HashKV is the hash of the key space at a revision. Members that agree on HashRevision and CompactRevision have to agree
// on Hash.
type HashKV struct {
	Hash            uint32
	CompactRevision int64 // -1 = never compacted
	HashRevision    int64
	Revision        int64 // current revision when it was taken
}

// keptHashes is how many hashes of compactions are remembered.
const keptHashes = 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// HashKV hashes the rows up to rev, 0 or less = current. For a revision that this process has compacted it is the hash
// that was taken before the compaction deleted anything, as long as it is kept. It takes as long as reading everything does,
// and Close ends it. Errors: ErrCompacted, ErrFutureRevision, ErrClosed.
func (s *Store) HashKV(rev int64) (HashKV, error) {
	defer s.o.Meter.HashKV.Since(time.Now())
	s.hashing.RLock() // held across reading: Close has to know when nobody reads any more
	defer s.hashing.RUnlock()
	if s.closed {
		return HashKV{}, ErrClosed
	}
	for {
		if rev > 0 {
			if h, ok, err := s.compact.hashOf(rev); ok || err != nil {
				h.Revision = s.current.Load()
				return h, err
			}
		}
		s.mu.RLock()
		current, compacted := s.current.Load(), s.compacted.Load()
		at, err := s.revision(rev, current)
		if err != nil {
			s.mu.RUnlock()
			return HashKV{}, err
		}
		s.mu.RUnlock()
		if at == compacted {
			if h, ok, err := s.compact.hashOf(at); ok || err != nil {
				h.Revision = current
				return h, err
			}
		}
		if !s.pinIf(compacted) {
			continue // compacted meanwhile: begin again
		}
		h, err := s.hash(s.compact.ctx, at, compacted)
		s.pins.remove(compacted)
		if s.compact.ctx.Err() != nil {
			return HashKV{}, ErrClosed
		}
		h.Revision = current
		return h, err
	}
}

// pinIf pins the compact revision if it still is what the caller saw: then no later compaction begins to delete, and the
// rows stay those of this compact revision.
func (s *Store) pinIf(compacted int64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.compacted.Load() != compacted {
		return false
	}
	s.pins.add(compacted)
	return true
}

// CompactionHashes are the hashes taken by the last compactions of this process, oldest first.
func (s *Store) CompactionHashes() []HashKV {
	s.compact.mu.Lock()
	defer s.compact.mu.Unlock()
	return slices.Clone(s.compact.hashes)
}

func (c *compactor) keep(h HashKV) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hashes = append(c.hashes, h)
	if n := len(c.hashes) - keptHashes; n > 0 {
		c.hashes = slices.Delete(c.hashes, 0, n)
	}
}

// hashOf finds the hash that the compaction at rev took; if it is about to be taken it waits for it.
func (c *compactor) hashOf(rev int64) (HashKV, bool, error) {
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	if last != nil && last.rev == rev && !last.resumed {
		select {
		case <-last.hashed:
		case <-c.ctx.Done():
			return HashKV{}, false, ErrClosed
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hashes {
		if h.HashRevision == rev {
			return h, true, nil
		}
	}
	return HashKV{}, false, nil
}

// hash is CRC-32C over "key" and, in order, key and value of the rows up to rev that either are newer than compacted or
// hold a key that is alive at rev. If no key is alive at rev, all rows that compaction at compacted left count. The
// caller makes sure that nothing newer than compacted is being deleted.
func (s *Store) hash(ctx context.Context, rev, compacted int64) (HashKV, error) {
	keep, any, err := s.aliveAt(ctx, rev, compacted)
	if err == nil && !any && compacted > 0 {
		keep, _, err = s.aliveAt(ctx, compacted, compacted)
	}
	if err != nil {
		return HashKV{}, err
	}
	h := crc32.Update(0, castagnoli, []byte(backend.Key.Name()))
	err = s.eachRow(ctx, backend.Revision{}, func(r backend.Revision, key, value []byte) bool {
		if r.Main > rev {
			return false
		}
		if r.Main <= compacted {
			for len(keep) > 0 && keep[0].Less(r) {
				keep = keep[1:]
			}
			if len(keep) == 0 || keep[0] != r {
				return true
			}
		}
		h = crc32.Update(crc32.Update(h, castagnoli, key), castagnoli, value)
		return true
	})
	return HashKV{Hash: h, CompactRevision: compacted, HashRevision: rev}, err
}

// aliveAt lists, ascending, the rows up to limit that hold a key at rev; any says whether there is a key at all.
func (s *Store) aliveAt(ctx context.Context, rev, limit int64) (rows []backend.Revision, any bool, err error) {
	r := ranger{s: s, ctx: ctx, rev: rev}
	r.pinned = true // by the caller
	s.mu.RLock()
	err = r.scan(func(_ []byte, m index.Meta) bool {
		any = true
		if m.Mod.Main <= limit {
			rows = append(rows, backend.Revision(m.Mod))
		}
		return true
	}, nil)
	s.mu.RLock()
	if bump, ok := s.bumpAt(rev); ok {
		any = true
		if bump.Main <= limit {
			rows = append(rows, bump)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(rows, func(a, b backend.Revision) int {
		switch {
		case a.Less(b):
			return -1
		case b.Less(a):
			return 1
		}
		return 0
	})
	return rows, any, err
}

// rowsPerView bounds how long a walk over all rows holds old pages of the file.
const rowsPerView = 4096

var errEnough = errors.New("enough")

// eachRow walks the key bucket in short views until fn returns false. While the store is written it rests after each view, as
// a compaction does: nobody waits for a hash, and many may wait for the processor.
func (s *Store) eachRow(ctx context.Context, from backend.Revision, fn func(r backend.Revision, key, value []byte) bool) error {
	next, more := backend.AppendRevisionKey(nil, from, false), true
	for more {
		if ctx.Err() != nil {
			return ErrClosed
		}
		n := 0
		more = false
		began, current := time.Now(), s.current.Load()
		v := s.b.View()
		err := v.Scan(backend.Key, next, nil, func(key, value []byte) error {
			r, _, err := backend.ParseRevisionKey(key)
			if err != nil {
				return fmt.Errorf("bucket key: %w: restore the member from a snapshot", err)
			}
			if n++; n > s.rowsPerView {
				next, more = append(next[:0], key...), true
				return errEnough
			}
			if !fn(r, key, value) {
				return errEnough
			}
			return nil
		})
		v.Close()
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
		if more && s.current.Load() != current {
			time.Sleep(restFor(time.Since(began)))
		}
	}
	return nil
}
