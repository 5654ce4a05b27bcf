package rpc

import (
	"bytes"
	"maps"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// writes is what the operations of one branch may change: the keys they put and the intervals they delete.
type writes struct {
	puts    map[string]struct{}
	deletes []interval
}

// interval is [from, to). An open end, which the wire writes as one zero byte, is taken as it stands: etcd does not find
// a put inside of a delete "from key on", and members must accept the same transactions.
type interval struct{ from, to []byte }

func (i interval) contains(key []byte) bool {
	return bytes.Compare(key, i.from) >= 0 && bytes.Compare(key, i.to) < 0
}

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
			all.deletes = append(all.deletes, intervalOf(d))
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
	w.deletes = append(append(w.deletes, success.deletes...), failure.deletes...)
	return nil
}

func (w *writes) addPut(key string) error {
	if _, ok := w.puts[key]; ok {
		return rpctypes.ErrGRPCDuplicateKey
	}
	for _, d := range w.deletes {
		if d.contains([]byte(key)) {
			return rpctypes.ErrGRPCDuplicateKey
		}
	}
	w.puts[key] = struct{}{}
	return nil
}
