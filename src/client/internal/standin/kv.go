package standin

import (
	"cmp"
	"context"
	"slices"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"
)

// Range implements KV.
func (m *Member) Range(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.get(r), nil
}

// Put implements KV.
func (m *Member) Put(_ context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.granted(r.Lease) {
		return nil, rpctypes.ErrGRPCLeaseNotFound
	}
	m.head++
	m.put(r, m.head)
	m.tell()
	return &pb.PutResponse{Header: m.header()}, nil
}

// DeleteRange implements KV.
func (m *Member) DeleteRange(_ context.Context, r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.remove(r, m.head+1)
	if n > 0 {
		m.head++
		m.tell()
	}
	return &pb.DeleteRangeResponse{Header: m.header(), Deleted: n}, nil
}

// Txn implements KV, without nested transactions.
func (m *Member) Txn(_ context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	resp, ops := &pb.TxnResponse{Succeeded: true}, r.Success
	state := m.state(m.head)
	for _, c := range r.Compare {
		if !holds(c, state[string(c.Key)]) {
			resp.Succeeded, ops = false, r.Failure
			break
		}
	}
	for _, op := range ops {
		if !m.granted(op.GetRequestPut().GetLease()) {
			return nil, rpctypes.ErrGRPCLeaseNotFound
		}
	}
	before, revision := len(m.events), m.head+1
	for _, op := range ops {
		one := &pb.ResponseOp{}
		switch o := op.Request.(type) {
		case *pb.RequestOp_RequestRange:
			one.Response = &pb.ResponseOp_ResponseRange{ResponseRange: m.get(o.RequestRange)}
		case *pb.RequestOp_RequestPut:
			m.put(o.RequestPut, revision)
			one.Response = &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{}}
		case *pb.RequestOp_RequestDeleteRange:
			n := m.remove(o.RequestDeleteRange, revision)
			one.Response = &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: &pb.DeleteRangeResponse{Deleted: n}}
		}
		if len(m.events) > before {
			m.head = revision
		}
		resp.Responses = append(resp.Responses, one)
	}
	if m.head == revision {
		m.tell()
	}
	resp.Header = m.header()
	return resp, nil
}

func (m *Member) granted(lease int64) bool { return lease == 0 || m.leases[lease] > 0 }

func (m *Member) get(r *pb.RangeRequest) *pb.RangeResponse {
	revision := r.Revision
	if revision == 0 {
		revision = m.head
	}
	resp := &pb.RangeResponse{Header: m.header()}
	for key, kv := range m.state(revision) {
		if within(key, r.Key, r.RangeEnd) && (r.MaxCreateRevision == 0 || kv.CreateRevision <= r.MaxCreateRevision) {
			resp.Kvs = append(resp.Kvs, kv)
		}
	}
	resp.Count = int64(len(resp.Kvs))
	slices.SortFunc(resp.Kvs, func(a, b *mvccpb.KeyValue) int {
		order := slices.Compare(a.Key, b.Key)
		if r.SortTarget == pb.RangeRequest_CREATE {
			order = cmp.Or(cmp.Compare(a.CreateRevision, b.CreateRevision), order)
		}
		if r.SortOrder == pb.RangeRequest_DESCEND {
			order = -order
		}
		return order
	})
	if r.Limit > 0 && int64(len(resp.Kvs)) > r.Limit {
		resp.Kvs, resp.More = resp.Kvs[:r.Limit], true
	}
	return resp
}

func (m *Member) put(r *pb.PutRequest, revision int64) {
	kv := &mvccpb.KeyValue{
		Key: r.Key, Value: r.Value, Lease: r.Lease, CreateRevision: revision, ModRevision: revision, Version: 1,
	}
	if old := m.state(revision)[string(r.Key)]; old != nil {
		kv.CreateRevision, kv.Version = old.CreateRevision, old.Version+1
	}
	m.add(&mvccpb.Event{Type: mvccpb.Event_PUT, Kv: kv})
}

func (m *Member) remove(r *pb.DeleteRangeRequest, revision int64) (n int64) {
	for key := range m.state(revision) {
		if within(key, r.Key, r.RangeEnd) {
			m.add(&mvccpb.Event{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: revision}})
			n++
		}
	}
	return n
}

// holds decides about a comparison of a revision or version of one key.
func holds(c *pb.Compare, kv *mvccpb.KeyValue) bool {
	var is, want int64
	switch c.Target {
	case pb.Compare_CREATE:
		is, want = kv.GetCreateRevision(), c.GetCreateRevision()
	case pb.Compare_MOD:
		is, want = kv.GetModRevision(), c.GetModRevision()
	case pb.Compare_VERSION:
		is, want = kv.GetVersion(), c.GetVersion()
	default:
		panic("standin: only revisions and versions are compared")
	}
	switch c.Result {
	case pb.Compare_EQUAL:
		return is == want
	case pb.Compare_LESS:
		return is < want
	case pb.Compare_GREATER:
		return is > want
	}
	return is != want
}
