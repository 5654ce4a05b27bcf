package client

type kind uint8

const (
	kindGet kind = iota + 1
	kindPut
	kindDelete
	kindTxn
	kindWatch
)

// Op is one operation on keys. One made by OpGet, OpPut, OpDelete or OpTxn is for KV.Do or a part of a Txn.
type Op struct {
	kind kind
	key  []byte
	end  []byte

	// get and watch
	rev int64

	// get
	limit          int64
	sort           *SortOption
	serializable   bool
	keysOnly       bool
	countOnly      bool
	minModRev      int64
	maxModRev      int64
	minCreateRev   int64
	maxCreateRev   int64
	isWithPrefix   bool
	isWithFromKey  bool
	chosenInterval bool // some option set end

	// put, delete and watch
	prevKV bool

	// put
	val         []byte
	leaseID     LeaseID
	ignoreValue bool
	ignoreLease bool

	// watch
	progressNotify bool
	createdNotify  bool
	filterPut      bool
	filterDelete   bool
	fragment       bool
	logBuffer      bool

	// txn
	cmps []Cmp
	then []Op
	alt  []Op
}

// OpGet returns an operation that reads a key or, with options, an interval of keys.
//
// It panics on WithPrefix together with WithFromKey.
func OpGet(key string, opts ...OpOption) Op {
	op := Op{kind: kindGet, key: []byte(key)}
	op.apply(opts)
	op.refuse("get", misuse{op.leaseID != NoLease, "lease"}, misuse{op.ignoreValue, "ignore value"}, misuse{op.ignoreLease, "ignore lease"})
	return op
}

// OpPut returns an operation that sets the value of a key. It panics on options that make no sense for it.
func OpPut(key, val string, opts ...OpOption) Op {
	op := Op{kind: kindPut, key: []byte(key), val: []byte(val)}
	op.apply(opts)
	op.refuse("put", append(op.readOptions(), misuse{op.chosenInterval, "range"}, misuse{op.serializable, "serializable"})...)
	return op
}

// OpDelete returns an operation that deletes a key or, with options, an interval of keys. It panics on options that make
// no sense for it.
func OpDelete(key string, opts ...OpOption) Op {
	op := Op{kind: kindDelete, key: []byte(key)}
	op.apply(opts)
	op.refuse("delete", append(op.readOptions(), misuse{op.serializable, "serializable"}, misuse{op.leaseID != NoLease, "lease"},
		misuse{op.ignoreValue, "ignore value"}, misuse{op.ignoreLease, "ignore lease"})...)
	return op
}

// OpTxn returns a transaction as an operation, to be run by KV.Do or nested in another one.
func OpTxn(cmps []Cmp, thenOps []Op, elseOps []Op) Op {
	return Op{kind: kindTxn, cmps: cmps, then: thenOps, alt: elseOps}
}

// OpWatch returns a watch of a key or, with options, of an interval of keys, as Watcher.Watch begins it. It panics on
// options that make no sense for it.
func OpWatch(key string, opts ...OpOption) Op {
	op := Op{kind: kindWatch, key: []byte(key)}
	op.apply(opts)
	op.refuse("watch", misuse{op.leaseID != NoLease, "lease"}, misuse{op.limit != 0, "limit"}, misuse{op.sort != nil, "sort"},
		misuse{op.serializable, "serializable"}, misuse{op.countOnly, "countOnly"},
		misuse{op.minModRev != 0 || op.maxModRev != 0, "mod revision filter"},
		misuse{op.minCreateRev != 0 || op.maxCreateRev != 0, "create revision filter"})
	return op
}

// misuse is an option that an operation can not have. It is a mistake in the program, not in its input.
type misuse struct {
	given  bool
	option string
}

func (op *Op) refuse(name string, list ...misuse) {
	for _, m := range list {
		if m.given {
			panic("unexpected " + m.option + " in " + name)
		}
	}
}

// readOptions lists the options that only a get has.
func (op *Op) readOptions() []misuse {
	return []misuse{
		{op.limit != 0, "limit"},
		{op.rev != 0, "revision"},
		{op.sort != nil, "sort"},
		{op.keysOnly, "keysOnly"},
		{op.countOnly, "countOnly"},
		{op.minModRev != 0 || op.maxModRev != 0, "mod revision filter"},
		{op.minCreateRev != 0 || op.maxCreateRev != 0, "create revision filter"},
	}
}

// IsGet reports whether the operation was made by OpGet.
func (op Op) IsGet() bool { return op.kind == kindGet }

// IsPut reports whether the operation was made by OpPut.
func (op Op) IsPut() bool { return op.kind == kindPut }

// IsDelete reports whether the operation was made by OpDelete.
func (op Op) IsDelete() bool { return op.kind == kindDelete }

// IsTxn reports whether the operation was made by OpTxn.
func (op Op) IsTxn() bool { return op.kind == kindTxn }

// Txn returns the parts of a transaction.
func (op Op) Txn() ([]Cmp, []Op, []Op) { return op.cmps, op.then, op.alt }

// KeyBytes returns the key.
func (op Op) KeyBytes() []byte { return op.key }

// WithKeyBytes sets the key.
func (op *Op) WithKeyBytes(key []byte) { op.key = key }

// RangeBytes returns the end of the interval: empty for a single key, a zero byte for all keys from KeyBytes on.
func (op Op) RangeBytes() []byte { return op.end }

// WithRangeBytes sets the end of the interval.
func (op *Op) WithRangeBytes(end []byte) { op.end = end }

// ValueBytes returns the value to put.
func (op Op) ValueBytes() []byte { return op.val }

// WithValueBytes sets the value to put.
func (op *Op) WithValueBytes(v []byte) { op.val = v }

// Limit returns the greatest number of keys to read; 0 = all.
func (op Op) Limit() int64 { return op.limit }

// Rev returns the revision to read at or to watch from; 0 = the current one, or for a watch the next.
func (op Op) Rev() int64 { return op.rev }

// IsSerializable reports whether any member may answer a get from its own state.
func (op Op) IsSerializable() bool { return op.serializable }

// IsKeysOnly reports whether a get leaves the values out.
func (op Op) IsKeysOnly() bool { return op.keysOnly }

// IsCountOnly reports whether a get only counts.
func (op Op) IsCountOnly() bool { return op.countOnly }

// IsOptsWithPrefix reports whether WithPrefix was among the options.
func (op Op) IsOptsWithPrefix() bool { return op.isWithPrefix }

// IsOptsWithFromKey reports whether WithFromKey was among the options.
func (op Op) IsOptsWithFromKey() bool { return op.isWithFromKey }

// MinModRev returns the lower bound on modification revisions; 0 = none.
func (op Op) MinModRev() int64 { return op.minModRev }

// MaxModRev returns the upper bound on modification revisions; 0 = none.
func (op Op) MaxModRev() int64 { return op.maxModRev }

// MinCreateRev returns the lower bound on creation revisions; 0 = none.
func (op Op) MinCreateRev() int64 { return op.minCreateRev }

// MaxCreateRev returns the upper bound on creation revisions; 0 = none.
func (op Op) MaxCreateRev() int64 { return op.maxCreateRev }

// IsPrevKV reports whether what was there before is wanted.
func (op Op) IsPrevKV() bool { return op.prevKV }

// IsProgressNotify reports whether WithProgressNotify was among the options.
func (op Op) IsProgressNotify() bool { return op.progressNotify }

// IsCreatedNotify reports whether WithCreatedNotify was among the options.
func (op Op) IsCreatedNotify() bool { return op.createdNotify }

// IsFilterPut reports whether a watch leaves puts out.
func (op Op) IsFilterPut() bool { return op.filterPut }

// IsFilterDelete reports whether a watch leaves deletes out.
func (op Op) IsFilterDelete() bool { return op.filterDelete }

// IsFragment reports whether WithFragment was among the options.
func (op Op) IsFragment() bool { return op.fragment }
