package model

import (
	"bytes"
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"
)

// openEnd as the end of a range stands for all keys that follow.
const openEnd = "\x00"

// Each calls f for the keys of a range in their order, until it is false. Without an end it is one key.
func Each(keys Keys, key, end []byte, f func(kv *mvccpb.KeyValue) bool) {
	if len(end) == 0 {
		if kv, ok := keys.Get(string(key)); ok {
			f(kv)
		}
		return
	}
	keys.From(string(key), func(k string, kv *mvccpb.KeyValue) bool {
		return InRange([]byte(k), key, end) && f(kv)
	})
}

// InRange tells whether a key is in a range.
func InRange(k, key, end []byte) bool {
	switch {
	case len(end) == 0:
		return bytes.Equal(k, key)
	case string(end) == openEnd:
		return bytes.Compare(k, key) >= 0
	}
	return bytes.Compare(k, key) >= 0 && bytes.Compare(k, end) < 0
}

// plainRange answers a range outside of a transaction.
func (s *State) plainRange(r *pb.RangeRequest, a Answer) outcome {
	got, _ := a.Response.(*pb.RangeResponse)
	keys := s.keys
	switch {
	case r.Revision > s.revision:
		return s.refused(rpctypes.ErrGRPCFutureRev)
	case r.Revision > 0 && r.Revision < s.compacted:
		return s.refused(rpctypes.ErrGRPCCompacted)
	case r.Revision > 0:
		then, ok := s.keysAt(r.Revision)
		if !ok {
			return s.refused(rpctypes.ErrGRPCCompacted)
		}
		keys = then
	}
	want := Range(keys, r, got)
	want.Header = header(got.GetHeader(), s.revision)
	return outcome{next: s, response: want}
}

// Range is the answer to a range over these keys, without header. Where several answers are right, it is the one that was found,
// if that is one of them.
func Range(keys Keys, r *pb.RangeRequest, found *pb.RangeResponse) *pb.RangeResponse {
	want := &pb.RangeResponse{}
	var all []*mvccpb.KeyValue
	Each(keys, r.Key, r.RangeEnd, func(kv *mvccpb.KeyValue) bool {
		want.Count++
		if passes(r, kv) {
			all = append(all, kv)
		}
		return true
	})
	if r.CountOnly {
		return want
	}
	order := orderOf(r)
	if order != nil {
		slices.SortStableFunc(all, order)
	}
	cut := all
	if r.Limit > 0 && int64(len(all)) > r.Limit {
		cut, want.More = all[:r.Limit], true
	}
	if order != nil && alike(order, r.KeysOnly, cut, all, found.GetKvs()) {
		cut = found.GetKvs()
	}
	for i, kv := range cut {
		if r.KeysOnly {
			kv = onlyKey(kv, found.GetKvs(), i)
		}
		want.Kvs = append(want.Kvs, kv)
	}
	return want
}

func passes(r *pb.RangeRequest, kv *mvccpb.KeyValue) bool {
	return (r.MinModRevision == 0 || kv.ModRevision >= r.MinModRevision) && (r.MaxModRevision == 0 || kv.ModRevision <= r.MaxModRevision) &&
		(r.MinCreateRevision == 0 || kv.CreateRevision >= r.MinCreateRevision) && (r.MaxCreateRevision == 0 || kv.CreateRevision <= r.MaxCreateRevision)
}

// orderOf is how the keys of an answer are sorted; nil for the order of the keys.
func orderOf(r *pb.RangeRequest) func(a, b *mvccpb.KeyValue) int {
	if r.SortTarget == pb.RangeRequest_KEY && r.SortOrder != pb.RangeRequest_DESCEND {
		return nil
	}
	sign := 1
	if r.SortOrder == pb.RangeRequest_DESCEND {
		sign = -1
	}
	return func(a, b *mvccpb.KeyValue) int {
		switch r.SortTarget {
		case pb.RangeRequest_VERSION:
			return sign * cmp.Compare(a.Version, b.Version)
		case pb.RangeRequest_CREATE:
			return sign * cmp.Compare(a.CreateRevision, b.CreateRevision)
		case pb.RangeRequest_MOD:
			return sign * cmp.Compare(a.ModRevision, b.ModRevision)
		case pb.RangeRequest_VALUE:
			return sign * bytes.Compare(a.Value, b.Value)
		}
		return sign * bytes.Compare(a.Key, b.Key)
	}
}

// alike tells whether what was found is as good as cut, since sorting is not stable: keys that nothing sets apart may come in any order,
// and any of them may be cut off.
func alike(order func(a, b *mvccpb.KeyValue) int, keysOnly bool, cut, all, found []*mvccpb.KeyValue) bool {
	if len(found) != len(cut) {
		return false
	}
	byKey := make(map[string]*mvccpb.KeyValue, len(all))
	for _, kv := range all {
		byKey[string(kv.Key)] = kv
	}
	for i, f := range found {
		kv := byKey[string(f.Key)]
		if kv == nil || order(kv, cut[i]) != 0 {
			return false
		}
		delete(byKey, string(f.Key))
		if keysOnly {
			kv = onlyKey(kv, found, i)
		}
		if !proto.Equal(kv, f) {
			return false
		}
	}
	return true
}

// onlyKey is a key without its value. Whether its lease is shown depends on the version of the member.
func onlyKey(kv *mvccpb.KeyValue, found []*mvccpb.KeyValue, i int) *mvccpb.KeyValue {
	lease := kv.Lease
	if i < len(found) && found[i].Lease == 0 {
		lease = 0
	}
	return withoutValue(kv, lease)
}

func withoutValue(kv *mvccpb.KeyValue, lease int64) *mvccpb.KeyValue {
	return &mvccpb.KeyValue{Key: kv.Key, CreateRevision: kv.CreateRevision, ModRevision: kv.ModRevision, Version: kv.Version, Lease: lease}
}
