package interop

import (
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"quoin.dev/quoin/e2e/interop/lab"
	"quoin.dev/quoin/e2e/interop/randomkv"
)

func putOp(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte("op")}}}
}

func deleteOp(key, end string) *pb.RequestOp {
	r := &pb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end)}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
}

func rangeOp(key string, revision int64) *pb.RequestOp {
	r := &pb.RangeRequest{Key: []byte(key), Revision: revision}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
}

func txn(success ...*pb.RequestOp) *pb.TxnRequest { return &pb.TxnRequest{Success: success} }

// edgeRequests is requests at the edges of the rules, in the order in which they are sent.
func edgeRequests() []proto.Message {
	var out []proto.Message
	put := func(key, value string) {
		out = append(out, &pb.PutRequest{Key: []byte(key), Value: []byte(value)})
	}
	put("c", "3")
	put("a", "2")
	put("b", "9")
	put("d", "1")
	put("a", "5")
	// Every order and target. Without an order but with a target etcd fetches limit+1 keys in the order of keys, and only
	// sorts those.
	for target := range len(pb.RangeRequest_SortTarget_name) {
		for order := range len(pb.RangeRequest_SortOrder_name) {
			for _, keysOnly := range []bool{false, true} {
				for limit := range int64(6) {
					out = append(out, &pb.RangeRequest{
						Key: []byte("a"), RangeEnd: []byte{0}, Limit: limit - 1, KeysOnly: keysOnly,
						SortTarget: pb.RangeRequest_SortTarget(target), SortOrder: pb.RangeRequest_SortOrder(order),
					})
				}
			}
		}
	}
	for _, r := range []*pb.RangeRequest{
		{MinModRevision: 4}, {MinModRevision: -1}, {MaxModRevision: 4, Limit: 1}, {MaxModRevision: 4, Limit: 1, KeysOnly: true},
		{MinModRevision: 4, SortTarget: pb.RangeRequest_VALUE, Limit: 2}, {MaxModRevision: 4, CountOnly: true}, {MinCreateRevision: 3, MaxCreateRevision: 4},
		{SortOrder: 9}, {SortTarget: 9}, {SortOrder: 9, MinModRevision: 3}, {SortOrder: pb.RangeRequest_DESCEND, MinModRevision: 3},
		{CountOnly: true, KeysOnly: true, Limit: 1}, {CountOnly: true, SortOrder: pb.RangeRequest_DESCEND},
		{Revision: -3}, {Revision: -1}, {Revision: 1}, {Revision: 99}, {Revision: 99, CountOnly: true},
	} {
		r.Key, r.RangeEnd = []byte("a"), []byte{0}
		out = append(out, r)
	}
	// An interval that ends at 0x00 is open; the check for duplicate keys does not see it that way.
	for _, ends := range [][2]string{{"a", "\x00"}, {"\x00", "\x00"}, {"a", "c"}, {"a", "b"}, {"c", "a"}, {"b", ""}, {"b", "b"}} {
		out = append(out, txn(deleteOp(ends[0], ends[1]), putOp("b")), txn(putOp("b"), deleteOp(ends[0], ends[1])), txn(deleteOp(ends[0], ends[1]), putOp("c")))
	}
	nested := func(branch ...*pb.RequestOp) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{Success: branch, Failure: branch}}}
	}
	out = append(out, txn(nested(putOp("n")), putOp("n")), txn(nested(putOp("n")), deleteOp("n", "")), txn(nested(putOp("n"), rangeOp("n", 0))),
		txn(nested(deleteOp("n", "")), nested(deleteOp("n", "o"))), txn(nested(putOp("n")), nested(putOp("n"))), txn(&pb.RequestOp{}), txn(nested()), txn())
	// Revisions below zero count as compacted inside of transactions and in compactions, not in a plain range.
	revisions := func() {
		for rev := range int64(8) {
			out = append(out, txn(rangeOp("a", rev-3)), txn(rangeOp("a", rev-3), putOp("z")), &pb.RangeRequest{Key: []byte("a"), Revision: rev - 3})
		}
	}
	revisions()
	for _, compacted := range []int64{-5, -1, 0, 0, 1, 2, 1, 2, 99} {
		out = append(out, &pb.CompactionRequest{Revision: compacted})
		revisions()
	}
	return out
}

// TestEdgesGetEqualAnswers sends requests at the edges of the rules to etcd and to the server under test.
func TestEdgesGetEqualAnswers(t *testing.T) {
	t.Parallel()
	reference, subject := lab.StartOne(t, lab.Etcd), lab.StartOne(t, lab.Subject(t))
	connections := [2]*grpc.ClientConn{reference.Conn(t), subject.Conn(t)}
	for _, request := range edgeRequests() {
		answers := both(connections, func(conn *grpc.ClientConn) (proto.Message, error) {
			return randomkv.Execute(t.Context(), conn, request)
		})
		if d := randomkv.Difference(request, answers[0], answers[1]); d != "" {
			t.Errorf("etcd first, %s second: %s\nrequest %T:\n%s", subject.Kind, d, request, show(request))
		}
		if r, ok := request.(*pb.RangeRequest); ok {
			compareStream(t, connections, r)
		}
	}
}

// TestHashesOfCompactedRevisions asks for the hash of every revision after each of many compactions. A process remembers
// the hashes of the revisions that it compacted, and answers with them although the revisions are gone; members compare
// these to find corruption.
func TestHashesOfCompactedRevisions(t *testing.T) {
	t.Parallel()
	reference, subject := lab.StartOne(t, lab.Etcd), lab.StartOne(t, lab.Subject(t))
	connections := [2]*grpc.ClientConn{reference.Conn(t), subject.Conn(t)}
	equal := func(request proto.Message, ask func(*grpc.ClientConn) (proto.Message, error)) {
		t.Helper()
		answers := both(connections, ask)
		if d := randomkv.Difference(request, answers[0], answers[1]); d != "" {
			t.Errorf("etcd first, %s second: %s\nrequest %T: %s", subject.Kind, d, request, show(request))
		}
	}
	const last = 40
	for rev := range last {
		key := []byte{'a' + byte(rev%7)}
		request := proto.Message(&pb.PutRequest{Key: key})
		if rev%5 == 4 {
			request = txn(deleteOp("b", "e"), putOp("x"))
		}
		equal(request, func(c *grpc.ClientConn) (proto.Message, error) { return randomkv.Execute(t.Context(), c, request) })
	}
	for _, compacted := range []int64{3, 5, 6, 10, 11, 14, 15, 20, 21, 25, 28, 30, 31} {
		compact := &pb.CompactionRequest{Revision: compacted, Physical: true}
		equal(compact, func(c *grpc.ClientConn) (proto.Message, error) { return randomkv.Execute(t.Context(), c, compact) })
		for rev := range int64(last + 3) {
			r := &pb.HashKVRequest{Revision: rev}
			equal(r, func(c *grpc.ClientConn) (proto.Message, error) {
				return pb.NewMaintenanceClient(c).HashKV(t.Context(), r)
			})
			if t.Failed() {
				t.Fatalf("that was after compacting %d", compacted)
			}
		}
	}
}
