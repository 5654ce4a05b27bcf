package model

import (
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/rpctypes"
)

// draft is a transaction that is being run: it sees what it has changed, and nobody else does.
type draft struct {
	base   *State
	keys   Keys
	events []*mvccpb.Event
}

func (s *State) begin() *draft { return &draft{base: s, keys: s.keys} }

// revision is the one that the transaction has made, or the one before as long as it has changed nothing.
func (d *draft) revision() int64 {
	if len(d.events) > 0 {
		return d.base.revision + 1
	}
	return d.base.revision
}

func (d *draft) end() *State {
	if len(d.events) == 0 {
		return d.base
	}
	return d.base.changed(d.keys, d.events)
}

// checkPut finds out whether a put can be made.
func (d *draft) checkPut(r *pb.PutRequest) error {
	if r.IgnoreValue || r.IgnoreLease {
		if _, ok := d.keys.Get(string(r.Key)); !ok {
			return rpctypes.ErrGRPCKeyNotFound
		}
	}
	if _, ok := d.base.leases.Get(leaseKey(r.Lease)); r.Lease != 0 && !ok {
		return rpctypes.ErrGRPCLeaseNotFound
	}
	return nil
}

// checkRange finds out whether a range in a transaction can be answered. A negative revision was compacted long ago, there.
func (d *draft) checkRange(r *pb.RangeRequest) error {
	switch {
	case r.Revision > d.base.revision:
		return rpctypes.ErrGRPCFutureRev
	case r.Revision < 0 || r.Revision > 0 && r.Revision < d.base.compacted:
		return rpctypes.ErrGRPCCompacted
	case r.Revision > 0:
		if _, ok := d.base.keysAt(r.Revision); !ok {
			return rpctypes.ErrGRPCCompacted
		}
	}
	return nil
}

func (d *draft) put(r *pb.PutRequest) *pb.PutResponse {
	last, _ := d.keys.Get(string(r.Key))
	revision := d.base.revision + 1
	kv := &mvccpb.KeyValue{Key: r.Key, Value: r.Value, Lease: r.Lease, CreateRevision: revision, ModRevision: revision, Version: last.GetVersion() + 1}
	if last != nil {
		kv.CreateRevision = last.CreateRevision
	}
	if r.IgnoreValue {
		kv.Value = last.GetValue()
	}
	if r.IgnoreLease {
		kv.Lease = last.GetLease()
	}
	d.keys = d.keys.With(string(r.Key), kv)
	d.events = append(d.events, &mvccpb.Event{Type: mvccpb.Event_PUT, Kv: kv})
	response := &pb.PutResponse{Header: &pb.ResponseHeader{Revision: revision}}
	if r.PrevKv {
		response.PrevKv = last
	}
	return response
}

func (d *draft) delete(r *pb.DeleteRangeRequest) *pb.DeleteRangeResponse {
	response := &pb.DeleteRangeResponse{}
	var gone []*mvccpb.KeyValue
	Each(d.keys, r.Key, r.RangeEnd, func(kv *mvccpb.KeyValue) bool {
		gone = append(gone, kv)
		return true
	})
	for _, kv := range gone {
		d.drop(kv.Key)
	}
	if response.Deleted = int64(len(gone)); r.PrevKv {
		response.PrevKvs = gone
	}
	response.Header = &pb.ResponseHeader{Revision: d.revision()}
	return response
}

func (d *draft) drop(key []byte) {
	d.keys = d.keys.Without(string(key))
	d.events = append(d.events, &mvccpb.Event{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: key, ModRevision: d.base.revision + 1}})
}

func (d *draft) read(r *pb.RangeRequest, found *pb.RangeResponse) *pb.RangeResponse {
	keys := d.keys
	if r.Revision > 0 {
		keys, _ = d.base.keysAt(r.Revision) // checkRange has found it
	}
	want := Range(keys, r, found)
	want.Header = &pb.ResponseHeader{Revision: d.revision()}
	return want
}

func (s *State) put(r *pb.PutRequest, a Answer) outcome {
	d := s.begin()
	if err := d.checkPut(r); err != nil {
		return s.refused(err)
	}
	want := d.put(r)
	got, _ := a.Response.(*pb.PutResponse)
	want.Header = header(got.GetHeader(), d.revision())
	return outcome{next: d.end(), response: want}
}

func (s *State) delete(r *pb.DeleteRangeRequest, a Answer) outcome {
	d := s.begin()
	want := d.delete(r)
	got, _ := a.Response.(*pb.DeleteRangeResponse)
	want.Header = header(got.GetHeader(), d.revision())
	return outcome{next: d.end(), response: want}
}

func (s *State) compact(r *pb.CompactionRequest, a Answer) outcome {
	switch {
	case r.Revision > s.revision:
		return s.refused(rpctypes.ErrGRPCFutureRev)
	case r.Revision <= s.compacted:
		return s.refused(rpctypes.ErrGRPCCompacted)
	}
	next := *s
	next.compacted = r.Revision
	got, _ := a.Response.(*pb.CompactionResponse)
	return outcome{next: &next, response: &pb.CompactionResponse{Header: header(got.GetHeader(), s.revision)}}
}

// foreign makes changes that are known.
func (s *State) foreign(f *Foreign) outcome {
	keys := Changed(s.keys, f.Events)
	return outcome{next: s.changed(keys, f.Events)}
}

// Changed are the keys after these events.
func Changed(keys Keys, events []*mvccpb.Event) Keys {
	for _, e := range events {
		if e.Type == mvccpb.Event_DELETE {
			keys = keys.Without(string(e.Kv.Key))
		} else {
			keys = keys.With(string(e.Kv.Key), e.Kv)
		}
	}
	return keys
}

// Events are what a request changes, in the order in which watches hear it.
func (s *State) Events(r Request) []*mvccpb.Event {
	d := s.begin()
	switch m := r.Message.(type) {
	case *pb.PutRequest:
		if d.checkPut(m) == nil {
			d.put(m)
		}
	case *pb.DeleteRangeRequest:
		d.delete(m)
	case *pb.TxnRequest:
		var decided decisions
		decided.decide(d.keys, m)
		checked := decided
		if d.checkTxn(m, &checked) == nil {
			d.runTxn(m, &decided, nil)
		}
	case *pb.LeaseRevokeRequest:
		for _, key := range s.attached(m.ID) {
			d.drop([]byte(key))
		}
	}
	return d.events
}
