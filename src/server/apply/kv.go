package apply

import (
	"context"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"

	"quoin.dev/server/lease"
	"quoin.dev/storage/mvcc"
)

func (s *State) put(r *pb.PutRequest) (*pb.PutResponse, error) {
	txn := s.KV.Begin()
	defer s.end(txn)
	if err := s.checkPut(txn, r); err != nil {
		return nil, err
	}
	return s.putIn(txn, r)
}

func (s *State) deleteRange(r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	txn := s.KV.Begin()
	defer s.end(txn)
	return deleteIn(txn, r)
}

// rangeInLog answers a range that went through the log by itself, as members of old versions propose it.
func (s *State) rangeInLog(r *pb.RangeRequest, wanted bool) (*pb.RangeResponse, error) {
	if !wanted {
		return &pb.RangeResponse{}, nil
	}
	txn := s.KV.Begin()
	defer s.end(txn)
	if err := checkRevision(r.Revision, txn.Revision(), s.KV.CompactRevision()); err != nil {
		return nil, err
	}
	return rangeIn(txn, r)
}

// checkPut finds out whether a put can succeed, before anything of its transaction is written.
func (s *State) checkPut(txn *mvcc.Txn, r *pb.PutRequest) error {
	if r.IgnoreValue || r.IgnoreLease {
		if _, ok := txn.Get(r.Key); !ok {
			return ErrKeyNotFound
		}
	}
	if r.Lease != 0 && !s.Leases.Exists(lease.ID(r.Lease)) {
		return lease.ErrNotFound
	}
	return nil
}

// checkRevision finds out whether a range inside of a transaction can be served, before anything is written. Unlike in a
// range by itself, a negative revision is a revision there, and was compacted long ago.
func checkRevision(revision, head, compacted int64) error {
	switch {
	case revision > head:
		return mvcc.ErrFutureRevision
	case revision != 0 && revision < compacted:
		return mvcc.ErrCompacted
	}
	return nil
}

func (s *State) putIn(txn *mvcc.Txn, r *pb.PutRequest) (*pb.PutResponse, error) {
	response := &pb.PutResponse{Header: &pb.ResponseHeader{}}
	value, leaseID := r.Value, r.Lease
	if r.PrevKv || r.IgnoreValue || r.IgnoreLease {
		previous, err := current(txn, r.Key)
		if err != nil {
			return nil, err
		}
		if r.IgnoreValue {
			value = previous.GetValue()
		}
		if r.IgnoreLease {
			leaseID = previous.GetLease()
		}
		if r.PrevKv {
			response.PrevKv = previous
		}
	}
	txn.Put(r.Key, value, leaseID)
	response.Header.Revision = txn.Revision()
	return response, nil
}

func deleteIn(txn *mvcc.Txn, r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	response := &pb.DeleteRangeResponse{Header: &pb.ResponseHeader{}}
	if r.PrevKv {
		_, err := txn.Range(context.Background(), r.Key, r.RangeEnd, mvcc.RangeOptions{}, appendTo(&response.PrevKvs))
		if err != nil {
			return nil, err
		}
	}
	response.Deleted = txn.DeleteRange(r.Key, r.RangeEnd)
	response.Header.Revision = txn.Revision()
	return response, nil
}

func rangeIn(txn *mvcc.Txn, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	response := &pb.RangeResponse{Header: &pb.ResponseHeader{}}
	info, err := txn.Range(context.Background(), r.Key, r.RangeEnd, RangeOptions(r), appendTo(&response.Kvs))
	if err != nil {
		return nil, err
	}
	response.Count, response.More = info.Count, info.More
	response.Header.Revision = txn.Revision()
	return response, nil
}

// current reads a key as the transaction sees it, nil if it does not exist.
func current(txn *mvcc.Txn, key []byte) (*mvccpb.KeyValue, error) {
	var kvs []*mvccpb.KeyValue
	_, err := txn.Range(context.Background(), key, nil, mvcc.RangeOptions{}, appendTo(&kvs))
	if err != nil || len(kvs) == 0 {
		return nil, err
	}
	return kvs[0], nil
}

// appendTo returns an emitter that decodes into list.
func appendTo(list *[]*mvccpb.KeyValue) func([]byte) error {
	return func(encoded []byte) error {
		kv := new(mvccpb.KeyValue)
		if err := kv.UnmarshalVT(encoded); err != nil {
			return err
		}
		*list = append(*list, kv)
		return nil
	}
}

// RangeOptions translates the options of a range request.
func RangeOptions(r *pb.RangeRequest) mvcc.RangeOptions {
	return mvcc.RangeOptions{
		Revision:          r.Revision,
		Limit:             r.Limit,
		CountOnly:         r.CountOnly,
		KeysOnly:          r.KeysOnly,
		MinModRevision:    r.MinModRevision,
		MaxModRevision:    r.MaxModRevision,
		MinCreateRevision: r.MinCreateRevision,
		MaxCreateRevision: r.MaxCreateRevision,
		Order:             mvcc.SortOrder(r.SortOrder),
		Target:            mvcc.SortTarget(r.SortTarget),
	}
}
