package auth

import (
	"cmp"
	"slices"
	"sort"

	"quoin.dev/api/authpb"
)

// span is the keys from begin up to end, without end; all keys from begin on if it is endless.
type span struct {
	begin, end string
	endless    bool
}

// spans is a set of keys: disjoint spans in order, with a gap between any two. So a range of keys is in the set if and only if
// it is in one of its spans.
type spans []span

// openEnd as the end of a range stands for all keys that follow.
const openEnd = "\x00"

// spanOf is what a permission or a range is about. Without an end it is one key.
func spanOf(key, end string) span {
	switch end {
	case "":
		return span{begin: key, end: key + "\x00"}
	case openEnd:
		return span{begin: key, endless: true}
	}
	return span{begin: key, end: end}
}

// empty: rows that old versions wrote may name ranges without keys (etcd#15619).
func (s span) empty() bool { return !s.endless && s.end <= s.begin }

// unite makes a set of spans that may overlap and come in any order.
func unite(all []span) spans {
	all = slices.DeleteFunc(all, span.empty)
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.begin, b.begin) })
	var set spans
	for _, s := range all {
		if len(set) == 0 || (!set[len(set)-1].endless && set[len(set)-1].end < s.begin) {
			set = append(set, s)
			continue
		}
		last := &set[len(set)-1]
		if s.endless {
			last.endless, last.end = true, ""
		}
		if !last.endless {
			last.end = max(last.end, s.end)
		}
	}
	return set
}

// holdsKey reports whether the set has the key.
func holdsKey[K string | []byte](set spans, key K) bool {
	s, ok := spanAt(set, key)
	return ok && (s.endless || string(key) < s.end)
}

// holds reports whether the set has all keys of a range, as requests name it. Of a range without keys the first one must be in the set,
// as if it were asked for alone.
func (set spans) holds(key, end []byte) bool {
	switch {
	case string(end) == openEnd:
		s, ok := spanAt(set, key)
		return ok && s.endless
	case string(end) <= string(key): // one key, or no key at all
		return holdsKey(set, key)
	}
	s, ok := spanAt(set, key)
	return ok && (s.endless || string(end) <= s.end)
}

// spanAt finds the last span that does not begin behind key.
func spanAt[K string | []byte](set spans, key K) (span, bool) {
	i := sort.Search(len(set), func(i int) bool { return set[i].begin > string(key) })
	if i == 0 {
		return span{}, false
	}
	return set[i-1], true
}

// grants are the keys that somebody may read and write.
type grants struct{ read, write spans }

// grantsOf unites the permissions of roles.
func grantsOf(roles []*authpb.Role) grants {
	var read, write []span
	for _, r := range roles {
		for _, p := range r.KeyPermission {
			s := spanOf(string(p.Key), string(p.RangeEnd))
			if p.PermType == authpb.Permission_READ || p.PermType == authpb.Permission_READWRITE {
				read = append(read, s)
			}
			if p.PermType == authpb.Permission_WRITE || p.PermType == authpb.Permission_READWRITE {
				write = append(write, s)
			}
		}
	}
	return grants{unite(read), unite(write)}
}
