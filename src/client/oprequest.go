package client

import pb "quoin.dev/api/etcdserverpb"

func (op Op) rangeRequest() *pb.RangeRequest {
	r := &pb.RangeRequest{
		Key: op.key, RangeEnd: op.end, Limit: op.limit, Revision: op.rev,
		Serializable: op.serializable, KeysOnly: op.keysOnly, CountOnly: op.countOnly,
		MinModRevision: op.minModRev, MaxModRevision: op.maxModRev,
		MinCreateRevision: op.minCreateRev, MaxCreateRevision: op.maxCreateRev,
	}
	if op.sort != nil {
		r.SortOrder = pb.RangeRequest_SortOrder(op.sort.Order)
		r.SortTarget = pb.RangeRequest_SortTarget(op.sort.Target)
	}
	return r
}

func (op Op) putRequest() *pb.PutRequest {
	return &pb.PutRequest{
		Key: op.key, Value: op.val, Lease: int64(op.leaseID),
		PrevKv: op.prevKV, IgnoreValue: op.ignoreValue, IgnoreLease: op.ignoreLease,
	}
}

func (op Op) deleteRequest() *pb.DeleteRangeRequest {
	return &pb.DeleteRangeRequest{Key: op.key, RangeEnd: op.end, PrevKv: op.prevKV}
}

// watchRequest begins a watch at a revision; 0 = the next one.
func (op Op) watchRequest(start int64) *pb.WatchRequest {
	r := &pb.WatchCreateRequest{
		Key: op.key, RangeEnd: op.end, StartRevision: start,
		ProgressNotify: op.progressNotify, PrevKv: op.prevKV, Fragment: op.fragment,
	}
	if op.filterPut {
		r.Filters = append(r.Filters, pb.WatchCreateRequest_NOPUT)
	}
	if op.filterDelete {
		r.Filters = append(r.Filters, pb.WatchCreateRequest_NODELETE)
	}
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: r}}
}

func (op Op) txnRequest() *pb.TxnRequest {
	r := &pb.TxnRequest{Compare: make([]*pb.Compare, len(op.cmps))}
	for i, c := range op.cmps {
		r.Compare[i] = c.proto()
	}
	r.Success, r.Failure = requestOps(op.then), requestOps(op.alt)
	return r
}

func requestOps(ops []Op) []*pb.RequestOp {
	out := make([]*pb.RequestOp, len(ops))
	for i, op := range ops {
		switch op.kind {
		case kindGet:
			out[i] = &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: op.rangeRequest()}}
		case kindPut:
			out[i] = &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: op.putRequest()}}
		case kindDelete:
			out[i] = &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: op.deleteRequest()}}
		case kindTxn:
			out[i] = &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: op.txnRequest()}}
		default:
			panic("an Op was used that OpGet, OpPut, OpDelete or OpTxn did not make")
		}
	}
	return out
}
