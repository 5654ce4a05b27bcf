package mvcc

import (
	"sort"

	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc/index"
)

// A restore with a bumped revision leaves a row without content, which moves the revision. To etcd it is a revision of the
// key with the empty name, which lives for ever, since no request can name it: it is hashed, and compaction keeps the newest.
// Members of one cluster have to agree on both, so it is so here, except that nobody ever reads that key.

// bumpAt is the newest such row at or before a revision. The caller holds mu.
func (s *Store) bumpAt(rev int64) (row backend.Revision, ok bool) {
	i := sort.Search(len(s.bumps), func(i int) bool { return s.bumps[i].Main > rev })
	if i == 0 {
		return row, false
	}
	return s.bumps[i-1], true
}

// compactBumps forgets those that a later one at or before rev supersedes. The caller holds mu for writing.
func (s *Store) compactBumps(rev int64, drop func(index.Rev)) {
	newest, ok := s.bumpAt(rev)
	for ok && s.bumps[0] != newest {
		drop(index.Rev(s.bumps[0]))
		s.bumps = s.bumps[1:]
	}
}
