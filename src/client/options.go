package client

// OpOption changes an operation.
type OpOption func(*Op)

func (op *Op) apply(opts []OpOption) {
	for _, opt := range opts {
		opt(op)
	}
	if op.isWithPrefix && op.isWithFromKey {
		panic("`WithPrefix` and `WithFromKey` cannot be set at the same time, choose one")
	}
}

// IsOptsWithPrefix reports whether WithPrefix is among the options.
func IsOptsWithPrefix(opts []OpOption) bool {
	var op Op
	for _, opt := range opts {
		opt(&op)
	}
	return op.isWithPrefix
}

// IsOptsWithFromKey reports whether WithFromKey is among the options.
func IsOptsWithFromKey(opts []OpOption) bool {
	var op Op
	for _, opt := range opts {
		opt(&op)
	}
	return op.isWithFromKey
}

// WithRange widens a get, delete or watch to the keys from the given one up to, but without, end.
func WithRange(end string) OpOption {
	return func(op *Op) { op.end, op.chosenInterval = []byte(end), true }
}

// WithPrefix widens a get, delete or watch to all keys that begin with the given one; with an empty key that is every
// key.
func WithPrefix() OpOption {
	return func(op *Op) {
		op.isWithPrefix, op.chosenInterval = true, true
		if len(op.key) == 0 {
			op.key, op.end = []byte(fromKey), []byte(fromKey)
			return
		}
		op.end = prefixEnd(op.key)
	}
}

// WithFromKey widens a get, delete or watch to all keys from the given one on.
func WithFromKey() OpOption {
	return func(op *Op) {
		op.isWithFromKey, op.chosenInterval = true, true
		if len(op.key) == 0 {
			op.key = []byte(fromKey)
		}
		op.end = []byte(fromKey)
	}
}

// WithLease attaches the key of a put to a lease: the end of the lease deletes it.
func WithLease(id LeaseID) OpOption { return func(op *Op) { op.leaseID = id } }

// WithPrevKV makes a put or delete return what was there before, and a watch tell it with each event.
func WithPrevKV() OpOption { return func(op *Op) { op.prevKV = true } }

// WithIgnoreValue makes a put keep the value of the key, which must exist, and change only its lease. The value given
// must be empty.
func WithIgnoreValue() OpOption { return func(op *Op) { op.ignoreValue = true } }

// WithIgnoreLease makes a put keep the lease of the key, which must exist. It excludes WithLease.
func WithIgnoreLease() OpOption { return func(op *Op) { op.ignoreLease = true } }

// WithLimit bounds the number of keys that a get returns; 0 = all.
func WithLimit(n int64) OpOption { return func(op *Op) { op.limit = n } }

// WithRev makes a get read at a revision in the past, and a watch begin at a revision in the past or future; 0 = the
// current one, or for a watch the next.
func WithRev(rev int64) OpOption { return func(op *Op) { op.rev = rev } }

// WithSort orders what a get returns.
func WithSort(target SortTarget, order SortOrder) OpOption {
	return func(op *Op) {
		if target == SortByKey && order == SortAscend {
			// The store is in this order anyway, and sorting would make the member fetch everything before a limit.
			order = SortNone
		}
		op.sort = &SortOption{target, order}
	}
}

// WithSerializable lets the member that is asked answer a get, or a list of members, from its own state: fast, without
// a quorum, and possibly out of date.
func WithSerializable() OpOption { return func(op *Op) { op.serializable = true } }

// WithKeysOnly makes a get leave the values out.
func WithKeysOnly() OpOption { return func(op *Op) { op.keysOnly = true } }

// WithCountOnly makes a get return only the number of keys.
func WithCountOnly() OpOption { return func(op *Op) { op.countOnly = true } }

// WithMinModRev makes a get leave out keys last changed before the revision.
func WithMinModRev(rev int64) OpOption { return func(op *Op) { op.minModRev = rev } }

// WithMaxModRev makes a get leave out keys last changed after the revision.
func WithMaxModRev(rev int64) OpOption { return func(op *Op) { op.maxModRev = rev } }

// WithMinCreateRev makes a get leave out keys created before the revision.
func WithMinCreateRev(rev int64) OpOption { return func(op *Op) { op.minCreateRev = rev } }

// WithMaxCreateRev makes a get leave out keys created after the revision.
func WithMaxCreateRev(rev int64) OpOption { return func(op *Op) { op.maxCreateRev = rev } }

// WithFirstCreate makes a get return the key with the prefix that was created first.
func WithFirstCreate() []OpOption { return top(SortByCreateRevision, SortAscend) }

// WithLastCreate makes a get return the key with the prefix that was created last.
func WithLastCreate() []OpOption { return top(SortByCreateRevision, SortDescend) }

// WithFirstKey makes a get return the first key with the prefix in byte order.
func WithFirstKey() []OpOption { return top(SortByKey, SortAscend) }

// WithLastKey makes a get return the last key with the prefix in byte order.
func WithLastKey() []OpOption { return top(SortByKey, SortDescend) }

// WithFirstRev makes a get return the key with the prefix whose last change is oldest.
func WithFirstRev() []OpOption { return top(SortByModRevision, SortAscend) }

// WithLastRev makes a get return the key with the prefix whose last change is newest.
func WithLastRev() []OpOption { return top(SortByModRevision, SortDescend) }

func top(target SortTarget, order SortOrder) []OpOption {
	return []OpOption{WithPrefix(), WithSort(target, order), WithLimit(1)}
}

// WithProgressNotify makes a watch that is quiet tell from time to time, every ten minutes if the member is not
// configured otherwise, how far it is. Such a watch can also go on after a break when the revisions of a long silence
// are compacted.
func WithProgressNotify() OpOption { return func(op *Op) { op.progressNotify = true } }

// WithCreatedNotify makes a watch begin with a response that has Created set. It comes once, also when the watch has to
// go on at another member.
func WithCreatedNotify() OpOption { return func(op *Op) { op.createdNotify = true } }

// WithFilterPut makes a watch leave puts out.
func WithFilterPut() OpOption { return func(op *Op) { op.filterPut = true } }

// WithFilterDelete makes a watch leave deletes out.
func WithFilterDelete() OpOption { return func(op *Op) { op.filterDelete = true } }

// WithFragment lets the member send responses that are larger than a request may be in parts. The client puts them
// together, so it only matters where Config.MaxCallRecvMsgSize is low.
func WithFragment() OpOption { return func(op *Op) { op.fragment = true } }

// WithWatchBufLog writes a line to the log when a watch is given back to the member since its reader is too slow.
func WithWatchBufLog() OpOption { return func(op *Op) { op.logBuffer = true } }

// SortTarget is what a get is ordered by.
type SortTarget int

// SortOrder is the direction of an order.
type SortOrder int

// Directions of WithSort.
const (
	SortNone SortOrder = iota
	SortAscend
	SortDescend
)

// Targets of WithSort.
const (
	SortByKey SortTarget = iota
	SortByVersion
	SortByCreateRevision
	SortByModRevision
	SortByValue
)

// SortOption is the order of a get.
type SortOption struct {
	Target SortTarget
	Order  SortOrder
}
