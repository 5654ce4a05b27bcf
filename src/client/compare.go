package client

import (
	"fmt"

	pb "quoin.dev/api/etcdserverpb"
)

// Cmp is a condition of a transaction on one key, or on each key of an interval. It is made by Value, Version,
// CreateRevision, ModRevision or LeaseValue and completed by Compare.
//
// A missing key has version, revisions and lease 0; a condition on its value is never met.
type Cmp struct {
	target pb.Compare_CompareTarget
	result pb.Compare_CompareResult
	key    []byte
	end    []byte
	value  []byte
	number int64
}

// Compare completes a condition: result is one of =, !=, >, <; v is a string for Value, an int, int64 or LeaseID for the
// others. It panics on anything else.
func Compare(cmp Cmp, result string, v any) Cmp {
	switch result {
	case "=":
		cmp.result = pb.Compare_EQUAL
	case "!=":
		cmp.result = pb.Compare_NOT_EQUAL
	case ">":
		cmp.result = pb.Compare_GREATER
	case "<":
		cmp.result = pb.Compare_LESS
	default:
		panic("Unknown result op")
	}
	if cmp.target == pb.Compare_VALUE {
		s, ok := v.(string)
		if !ok {
			panic(fmt.Sprintf("bad compare value: %T, want a string", v))
		}
		cmp.value = []byte(s)
		return cmp
	}
	switch n := v.(type) {
	case int64:
		cmp.number = n
	case int:
		cmp.number = int64(n)
	case LeaseID:
		cmp.number = int64(n)
	default:
		panic(fmt.Sprintf("bad compare value: %T, want an integer", v))
	}
	return cmp
}

// Value is a condition on the value of a key.
func Value(key string) Cmp { return Cmp{key: []byte(key), target: pb.Compare_VALUE} }

// Version is a condition on the number of puts since a key was created; 0 = there is no such key.
func Version(key string) Cmp { return Cmp{key: []byte(key), target: pb.Compare_VERSION} }

// CreateRevision is a condition on the revision that created a key; 0 = there is no such key.
func CreateRevision(key string) Cmp { return Cmp{key: []byte(key), target: pb.Compare_CREATE} }

// ModRevision is a condition on the revision of the last change of a key; 0 = there is no such key.
func ModRevision(key string) Cmp { return Cmp{key: []byte(key), target: pb.Compare_MOD} }

// LeaseValue is a condition on the lease of a key; NoLease = none.
func LeaseValue(key string) Cmp { return Cmp{key: []byte(key), target: pb.Compare_LEASE} }

// WithRange widens the condition to every key from the given one up to, but without, end.
func (cmp Cmp) WithRange(end string) Cmp {
	cmp.end = []byte(end)
	return cmp
}

// WithPrefix widens the condition to every key that begins with the given one.
func (cmp Cmp) WithPrefix() Cmp {
	cmp.end = prefixEnd(cmp.key)
	return cmp
}

// KeyBytes returns the key.
func (cmp *Cmp) KeyBytes() []byte { return cmp.key }

// WithKeyBytes sets the key.
func (cmp *Cmp) WithKeyBytes(key []byte) { cmp.key = key }

// ValueBytes returns the value to compare with, nil for a condition that is not on the value.
func (cmp *Cmp) ValueBytes() []byte { return cmp.value }

// WithValueBytes sets the value to compare with.
func (cmp *Cmp) WithValueBytes(v []byte) { cmp.value = v }

func (cmp Cmp) proto() *pb.Compare {
	p := &pb.Compare{Result: cmp.result, Target: cmp.target, Key: cmp.key, RangeEnd: cmp.end}
	switch cmp.target {
	case pb.Compare_VALUE:
		p.TargetUnion = &pb.Compare_Value{Value: cmp.value}
	case pb.Compare_VERSION:
		p.TargetUnion = &pb.Compare_Version{Version: cmp.number}
	case pb.Compare_CREATE:
		p.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: cmp.number}
	case pb.Compare_MOD:
		p.TargetUnion = &pb.Compare_ModRevision{ModRevision: cmp.number}
	case pb.Compare_LEASE:
		p.TargetUnion = &pb.Compare_Lease{Lease: cmp.number}
	}
	return p
}
