package rpc

import (
	"bytes"
	"maps"
	"slices"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// writes is what the operations of one branch may change: the keys they put and the intervals they delete. The intervals are
// sorted and apart from each other: one request has room for tens of thousands of both.
type writes struct {
	puts    map[string]struct{}
	deletes []interval
}

// interval is [from, to). An open end, which the wire writes as one zero byte, is taken as it stands: etcd does not find
// a put inside of a delete "from key on", and members must accept the same transactions.
type interval struct{ from, to []byte }

func intervalOf(r *pb.DeleteRangeRequest) interval {
	if len(r.RangeEnd) == 0 {
		return interval{r.Key, append(bytes.Clone(r.Key), 0)}
	}
	return interval{r.Key, r.RangeEnd}
}

// branchWrites collects what a branch changes and fails when a key is put twice, or put and deleted: within one revision
// the order of such changes would decide the outcome. Deleting twice is harmless. The two branches of a nested
// transaction exclude each other, so both may change one key.
//
// What is held against what follows etcd: deletes of the branch itself count first, then nested transactions in their
// order, each against what came before it, then puts of the branch itself against everything.
func branchWrites(ops []*pb.RequestOp) (writes, error) {
	all := writes{puts: map[string]struct{}{}}
	for _, op := range ops {
		if d := op.GetRequestDeleteRange(); d != nil {
			all.deletes = union(all.deletes, []interval{intervalOf(d)})
		}
	}
	for _, op := range ops {
		if nested := op.GetRequestTxn(); nested != nil {
			if err := all.addNested(nested); err != nil {
				return writes{}, err
			}
		}
	}
	for _, op := range ops {
		if put := op.GetRequestPut(); put != nil {
			if err := all.addPut(string(put.Key)); err != nil {
				return writes{}, err
			}
		}
	}
	return all, nil
}

// addNested adds what either branch of a nested transaction may change.
func (w *writes) addNested(r *pb.TxnRequest) error {
	success, err := branchWrites(r.Success)
	if err != nil {
		return err
	}
	failure, err := branchWrites(r.Failure)
	if err != nil {
		return err
	}
	maps.Copy(success.puts, failure.puts)
	for key := range success.puts {
		if err := w.addPut(key); err != nil {
			return err
		}
	}
	w.deletes = union(union(w.deletes, success.deletes), failure.deletes)
	return nil
}

func (w *writes) addPut(key string) error {
	if _, ok := w.puts[key]; ok {
		return rpctypes.ErrGRPCDuplicateKey
	}
	if covers(w.deletes, []byte(key)) {
		return rpctypes.ErrGRPCDuplicateKey
	}
	w.puts[key] = struct{}{}
	return nil
}

// covers reports whether one of the sorted intervals holds the key.
func covers(list []interval, key []byte) bool {
	behind, _ := slices.BinarySearchFunc(list, key, func(i interval, key []byte) int {
		if bytes.Compare(i.from, key) <= 0 {
			return -1
		}
		return 1
	})
	return behind > 0 && bytes.Compare(key, list[behind-1].to) < 0
}

// union merges two sorted lists; intervals that meet become one, those that hold nothing are left out.
func union(a, b []interval) []interval {
	if len(b) == 0 {
		return a
	}
	out := make([]interval, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		from := &a
		if len(a) == 0 || len(b) > 0 && bytes.Compare(b[0].from, a[0].from) < 0 {
			from = &b
		}
		next := (*from)[0]
		*from = (*from)[1:]
		switch last := len(out) - 1; {
		case bytes.Compare(next.from, next.to) >= 0:
		case last >= 0 && bytes.Compare(next.from, out[last].to) <= 0:
			if bytes.Compare(next.to, out[last].to) > 0 {
				out[last].to = next.to
			}
		default:
			out = append(out, next)
		}
	}
	return out
}
