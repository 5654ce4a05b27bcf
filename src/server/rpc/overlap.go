package rpc

import (
	"bytes"
	"sort"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// writes is what the operations of one branch may change: the keys they put and the intervals they delete.
type writes struct {
	puts    map[string]struct{}
	deletes []interval
}

// interval is [from, to); to is nil for "to the end".
type interval struct{ from, to []byte }

func (i interval) contains(key []byte) bool {
	return bytes.Compare(key, i.from) >= 0 && (i.to == nil || bytes.Compare(key, i.to) < 0)
}

func intervalOf(key, end []byte) interval {
	switch {
	case len(end) == 0:
		return interval{key, append(append([]byte(nil), key...), 0)}
	case len(end) == 1 && end[0] == 0:
		return interval{key, nil}
	}
	return interval{key, end}
}

// branchWrites collects what a branch changes and fails when a key is put twice, or put and deleted: within one revision
// the order of such changes would decide the outcome. Deleting twice is harmless. The two branches of a nested
// transaction exclude each other, so both may put one key.
func branchWrites(ops []*pb.RequestOp) (writes, error) {
	all := writes{puts: map[string]struct{}{}}
	for _, op := range ops {
		if d := op.GetRequestDeleteRange(); d != nil {
			all.deletes = append(all.deletes, intervalOf(d.Key, d.RangeEnd))
		}
	}
	if err := all.addNested(ops); err != nil {
		return writes{}, err
	}
	for _, op := range ops {
		put := op.GetRequestPut()
		if put == nil {
			continue
		}
		if _, ok := all.puts[string(put.Key)]; ok {
			return writes{}, rpctypes.ErrGRPCDuplicateKey
		}
		all.puts[string(put.Key)] = struct{}{}
	}
	return all, all.checkDeletes()
}

// addNested merges what the nested transactions of a branch change.
func (w *writes) addNested(ops []*pb.RequestOp) error {
	for _, op := range ops {
		nested := op.GetRequestTxn()
		if nested == nil {
			continue
		}
		success, err := branchWrites(nested.Success)
		if err != nil {
			return err
		}
		failure, err := branchWrites(nested.Failure)
		if err != nil {
			return err
		}
		either := success.puts
		for key := range failure.puts {
			either[key] = struct{}{}
		}
		for key := range either {
			if _, ok := w.puts[key]; ok {
				return rpctypes.ErrGRPCDuplicateKey
			}
			w.puts[key] = struct{}{}
		}
		w.deletes = append(w.deletes, success.deletes...)
		w.deletes = append(w.deletes, failure.deletes...)
	}
	return nil
}

// checkDeletes fails when a key that is put lies in an interval that is deleted.
func (w *writes) checkDeletes() error {
	if len(w.deletes) == 0 || len(w.puts) == 0 {
		return nil
	}
	keys := make([]string, 0, len(w.puts))
	for key := range w.puts {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, d := range w.deletes {
		i := sort.SearchStrings(keys, string(d.from))
		if i < len(keys) && d.contains([]byte(keys[i])) {
			return rpctypes.ErrGRPCDuplicateKey
		}
	}
	return nil
}
