package load

import pb "quoin.dev/api/etcdserverpb"

// txnMix is the transactions that programs write: compare-and-put with a read, two puts, create or delete, two reads.
func txnMix(key, other, val []byte) []message {
	get := func(k []byte) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: k}}}
	}
	put := func(k []byte) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: k, Value: val}}}
	}
	del := func(k []byte) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: k}}}
	}
	exists := &pb.Compare{
		Key: key, Target: pb.Compare_VERSION, Result: pb.Compare_GREATER, TargetUnion: &pb.Compare_Version{Version: 0},
	}
	absent := &pb.Compare{
		Key: other, Target: pb.Compare_MOD, Result: pb.Compare_EQUAL, TargetUnion: &pb.Compare_ModRevision{ModRevision: 0},
	}
	return []message{
		&pb.TxnRequest{Compare: []*pb.Compare{exists}, Success: []*pb.RequestOp{put(key), get(key)}, Failure: []*pb.RequestOp{put(key)}},
		&pb.TxnRequest{Success: []*pb.RequestOp{put(key), put(other)}},
		&pb.TxnRequest{Compare: []*pb.Compare{absent}, Success: []*pb.RequestOp{put(other)}, Failure: []*pb.RequestOp{del(other)}},
		&pb.TxnRequest{Success: []*pb.RequestOp{get(key), get(other)}},
	}
}
