package apply

import (
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
)

func TestCost(t *testing.T) {
	const overhead = 256
	ten := op(put("12345", "67890"))
	for name, c := range map[string]struct {
		request *pb.InternalRaftRequest
		want    int
	}{
		"put":          {entry(put("key", "value")), overhead + 8},
		"empty put":    {entry(put("k", "")), overhead + 1},
		"lease":        {entry(&pb.LeaseGrantRequest{ID: 1, TTL: 1}), 64},
		"revoke":       {entry(&pb.LeaseRevokeRequest{ID: 1}), 0},
		"delete":       {entry(del("key")), 0},
		"range":        {entry(get("key", 0)), 0},
		"compaction":   {entry(&pb.CompactionRequest{Revision: 1}), 0},
		"alarm":        {entry(&pb.AlarmRequest{}), 0},
		"nothing":      {&pb.InternalRaftRequest{}, 0},
		"empty txn":    {entry(txn()), 0},
		"reading txn":  {entry(txn(op(get("a", 0)), op(del("b")))), 0},
		"dear success": {entry(&pb.TxnRequest{Success: []*pb.RequestOp{ten, ten}, Failure: []*pb.RequestOp{ten}}), 2 * (overhead + 10)},
		"dear failure": {entry(&pb.TxnRequest{Success: []*pb.RequestOp{op(get("a", 0))}, Failure: []*pb.RequestOp{ten}}), overhead + 10},
		// etcd#22139: what is nested counts.
		"nested":         {entry(txn(op(txn(ten)), ten, op(txn(op(txn(ten)))))), 3 * (overhead + 10)},
		"nested failure": {entry(txn(op(&pb.TxnRequest{Success: []*pb.RequestOp{ten}, Failure: []*pb.RequestOp{ten, ten}}))), 2 * (overhead + 10)},
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(Cost(c.request)).To(Equal(c.want)) })
	}
}
