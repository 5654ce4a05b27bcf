package workload

import (
	"fmt"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
)

// transaction makes one of any form.
func (m *mixed) transaction() {
	r := m.branches()
	if m.chance(8) {
		r = m.readOnly()
	}
	if a, err := m.txn(r); err == nil {
		m.know(a.Header)
		m.learnTxn(r, a, a.Header)
	}
}

// readOnly is one that does not go through the log.
func (m *mixed) readOnly() *pb.TxnRequest {
	r := &pb.TxnRequest{Compare: m.conditions()}
	serializable := m.chance(3)
	for range 1 + m.random.IntN(2) {
		for _, branch := range []*[]*pb.RequestOp{&r.Success, &r.Failure} {
			read := m.interval()
			read.Serializable = serializable
			*branch = append(*branch, rangeOp(read))
		}
	}
	return r
}

// branches is a transaction with conditions and changes, and perhaps others within.
func (m *mixed) branches() *pb.TxnRequest {
	r := &pb.TxnRequest{Compare: m.conditions()}
	r.Success = m.operations(m.shuffled(), 1+m.random.IntN(mostOps), 0)
	if m.chance(2) {
		r.Failure = m.operations(m.shuffled(), 1+m.random.IntN(2), 0)
	} else {
		r.Failure = []*pb.RequestOp{rangeOp(prefixRequest(mixedPrefix))}
	}
	return r
}

// shuffled are all keys, in any order.
func (m *mixed) shuffled() (keys []string) {
	for _, i := range m.random.Perm(m.keys) {
		keys = append(keys, fmt.Sprint(mixedPrefix, "k", i))
	}
	return keys
}

// operations makes n operations. Each takes a key of its own to change, so that none is changed twice.
func (m *mixed) operations(keys []string, n, depth int) (ops []*pb.RequestOp) {
	for i := range n {
		switch k := m.random.IntN(12); {
		case k < 6:
			put := putRequest(keys[i], m.value())
			put.PrevKv = m.chance(4)
			ops = append(ops, putOp(put))
		case k < 8:
			ops = append(ops, deleteOp(&pb.DeleteRangeRequest{Key: []byte(keys[i]), PrevKv: m.chance(3)}))
		case k < 10 || depth > 0 || len(keys) < n+2:
			ops = append(ops, rangeOp(m.interval()))
		default:
			inner := &pb.TxnRequest{Compare: m.conditions()}
			inner.Success = m.operations(keys[n:n+1], 1, depth+1)
			inner.Failure = m.operations(keys[n+1:n+2], 1, depth+1)
			ops = append(ops, txnOp(inner))
			keys = append(keys[:n:n], keys[n+2:]...)
		}
	}
	return ops
}

// conditions are none, one or two.
func (m *mixed) conditions() (all []*pb.Compare) {
	for range m.random.IntN(3) {
		all = append(all, m.condition())
	}
	return all
}

// condition compares one property of a key with what it was last, as far as that is known, or of all keys with something.
func (m *mixed) condition() *pb.Compare {
	key := m.key()
	c := m.comparison(key, m.seen[key])
	if !m.chance(2) {
		c.Result = pb.Compare_CompareResult(m.random.IntN(4))
	}
	if m.chance(12) {
		c.Key, c.RangeEnd = []byte(mixedPrefix), prefixEnd(mixedPrefix)
	}
	return c
}

// comparison says of a key that it is as it was.
func (m *mixed) comparison(key string, kv *mvccpb.KeyValue) *pb.Compare {
	if kv == nil {
		kv = &mvccpb.KeyValue{} // as a key that is not there
	}
	switch m.random.IntN(5) {
	case 0:
		return compareVersion(key, kv.Version)
	case 1:
		return compareCreateRevision(key, kv.CreateRevision)
	case 2:
		return compareModRevision(key, kv.ModRevision)
	case 3:
		return compareValue(key, kv.Value)
	default:
		return compareLease(key, kv.Lease)
	}
}

// learnTxn remembers what the operations of the branch that was taken have shown.
func (m *mixed) learnTxn(r *pb.TxnRequest, a *pb.TxnResponse, h *pb.ResponseHeader) {
	ops := r.Success
	if !a.Succeeded {
		ops = r.Failure
	}
	for i := range min(len(ops), len(a.Responses)) { // a member that answers with less has a fault that the checks find
		switch {
		case ops[i].GetRequestPut() != nil:
			m.wrote(ops[i].GetRequestPut(), h)
		case ops[i].GetRequestDeleteRange() != nil:
			delete(m.seen, string(ops[i].GetRequestDeleteRange().Key))
		case ops[i].GetRequestRange() != nil:
			m.learn(ops[i].GetRequestRange(), a.Responses[i].GetResponseRange().GetKvs())
		case ops[i].GetRequestTxn() != nil && a.Responses[i].GetResponseTxn() != nil:
			m.learnTxn(ops[i].GetRequestTxn(), a.Responses[i].GetResponseTxn(), h)
		}
	}
}
