package apply

import pb "quoin.dev/api/etcdserverpb"

// What a change is taken to add to the database file, beside its key and value.
const (
	putOverheadBytes = 256
	leaseBytes       = 64
)

// Cost estimates by how many bytes a request grows the database file, 0 for a request that does not grow it.
func Cost(r *pb.InternalRaftRequest) int {
	switch {
	case r.Put != nil:
		return putCost(r.Put)
	case r.Txn != nil:
		return txnCost(r.Txn)
	case r.LeaseGrant != nil:
		return leaseBytes
	}
	return 0
}

func putCost(r *pb.PutRequest) int { return putOverheadBytes + len(r.Key) + len(r.Value) }

// txnCost is that of the dearer branch, nested transactions included (etcd#22139).
func txnCost(r *pb.TxnRequest) int { return max(opsCost(r.Success), opsCost(r.Failure)) }

func opsCost(ops []*pb.RequestOp) int {
	sum := 0
	for _, op := range ops {
		if put := op.GetRequestPut(); put != nil {
			sum += putCost(put)
		}
		if nested := op.GetRequestTxn(); nested != nil {
			sum += txnCost(nested)
		}
	}
	return sum
}
