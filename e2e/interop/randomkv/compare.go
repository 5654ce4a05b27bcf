package randomkv

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// Answer is a response or an error.
type Answer struct {
	Response proto.Message
	Err      error
}

// Difference says how two answers to a request differ, or "" when they are equal in everything that must be equal.
func Difference(request proto.Message, a, b Answer) string {
	if a.Err != nil || b.Err != nil {
		// Both are nil or carry code and text from the server.
		sa, sb := status.Convert(a.Err), status.Convert(b.Err)
		if sa.Code() == sb.Code() && sa.Message() == sb.Message() {
			return ""
		}
		return fmt.Sprintf("errors differ:\n  %v\n  %v", a.Err, b.Err)
	}
	left, right := normal(request, a.Response), normal(request, b.Response)
	if proto.Equal(left, right) {
		return ""
	}
	return fmt.Sprintf("responses differ:\n--- first\n%s--- second\n%s", prototext.Format(left), prototext.Format(right))
}

// normal copies a response without what may differ between two clusters.
func normal(request, response proto.Message) proto.Message {
	m := proto.Clone(response)
	if h, ok := m.(interface{ GetHeader() *pb.ResponseHeader }); ok && h.GetHeader() != nil {
		header := h.GetHeader()
		header.ClusterId, header.MemberId, header.RaftTerm = 0, 0, 0
	}
	switch r := request.(type) {
	case *pb.RangeRequest:
		normalRange(r, m.(*pb.RangeResponse))
	case *pb.TxnRequest:
		normalTxn(r, m.(*pb.TxnResponse))
	}
	return m
}

func normalTxn(r *pb.TxnRequest, m *pb.TxnResponse) {
	ops := r.Failure
	if m.Succeeded {
		ops = r.Success
	}
	for i, op := range ops {
		if i >= len(m.Responses) {
			return // a difference in number stays visible
		}
		if q, a := op.GetRequestRange(), m.Responses[i].GetResponseRange(); q != nil && a != nil {
			normalRange(q, a)
		}
		if q, a := op.GetRequestTxn(), m.Responses[i].GetResponseTxn(); q != nil && a != nil {
			normalTxn(q, a)
		}
	}
}

// normalRange takes away what etcd leaves open or does wrong.
func normalRange(r *pb.RangeRequest, m *pb.RangeResponse) {
	if r.KeysOnly {
		// etcd 3.7.3 answers keys_only from its index and loses the lease there; quoin returns it. etcd#22209
		for _, kv := range m.Kvs {
			kv.Lease = 0
		}
	}
	if r.SortTarget == pb.RangeRequest_KEY {
		return
	}
	// etcd does not sort stably, so the order of keys that are equal by the target is open, and with a limit also which of
	// the last of them are returned.
	last := len(m.Kvs)
	if m.More && last > 0 {
		cut := m.Kvs[last-1]
		for i, kv := range m.Kvs {
			if byTarget(r.SortTarget, kv, cut) == 0 {
				m.Kvs[i] = onlyTarget(r.SortTarget, kv)
			}
		}
	}
	// Only neighbours that are equal by the target are put in order, so that a wrong order stays visible.
	for first := 0; first < last; {
		end := first + 1
		for end < last && byTarget(r.SortTarget, m.Kvs[first], m.Kvs[end]) == 0 {
			end++
		}
		slices.SortFunc(m.Kvs[first:end], func(a, b *mvccpb.KeyValue) int { return bytes.Compare(a.Key, b.Key) })
		first = end
	}
}

func byTarget(t pb.RangeRequest_SortTarget, a, b *mvccpb.KeyValue) int {
	switch t {
	case pb.RangeRequest_VERSION:
		return cmp.Compare(a.Version, b.Version)
	case pb.RangeRequest_CREATE:
		return cmp.Compare(a.CreateRevision, b.CreateRevision)
	case pb.RangeRequest_MOD:
		return cmp.Compare(a.ModRevision, b.ModRevision)
	case pb.RangeRequest_VALUE:
		return bytes.Compare(a.Value, b.Value)
	}
	return bytes.Compare(a.Key, b.Key)
}

// onlyTarget keeps the field by which is sorted.
func onlyTarget(t pb.RangeRequest_SortTarget, kv *mvccpb.KeyValue) *mvccpb.KeyValue {
	switch t {
	case pb.RangeRequest_VERSION:
		return &mvccpb.KeyValue{Version: kv.Version}
	case pb.RangeRequest_CREATE:
		return &mvccpb.KeyValue{CreateRevision: kv.CreateRevision}
	case pb.RangeRequest_MOD:
		return &mvccpb.KeyValue{ModRevision: kv.ModRevision}
	case pb.RangeRequest_VALUE:
		return &mvccpb.KeyValue{Value: kv.Value}
	}
	return kv
}
