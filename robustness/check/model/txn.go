package model

import (
	"bytes"
	"cmp"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
)

// decisions are the outcomes of all comparisons of a transaction, nested ones in the branches that are run included, in the order
// in which running comes to them. All are made before anything is written.
type decisions []bool

func (l *decisions) take() bool {
	first := (*l)[0]
	*l = (*l)[1:]
	return first
}

func (l *decisions) decide(keys Keys, r *pb.TxnRequest) {
	all := Holds(keys, r)
	*l = append(*l, all)
	for _, op := range branch(r, all) {
		if nested := op.GetRequestTxn(); nested != nil {
			l.decide(keys, nested)
		}
	}
}

func branch(r *pb.TxnRequest, succeeded bool) []*pb.RequestOp {
	if succeeded {
		return r.Success
	}
	return r.Failure
}

// holds tells whether a comparison is true of every key of its range. Where there is none, it is held against a key of which everything
// is zero, and which has no value.
func holds(keys Keys, c *pb.Compare) bool {
	found, all := false, true
	Each(keys, c.Key, c.RangeEnd, func(kv *mvccpb.KeyValue) bool {
		found = true
		all = all && holdsOf(kv, c)
		return all
	})
	if !found {
		return c.Target != pb.Compare_VALUE && holdsOf(&mvccpb.KeyValue{}, c)
	}
	return all
}

func holdsOf(kv *mvccpb.KeyValue, c *pb.Compare) bool {
	order := 0
	switch c.Target {
	case pb.Compare_VERSION:
		order = cmp.Compare(kv.Version, c.GetVersion())
	case pb.Compare_CREATE:
		order = cmp.Compare(kv.CreateRevision, c.GetCreateRevision())
	case pb.Compare_MOD:
		order = cmp.Compare(kv.ModRevision, c.GetModRevision())
	case pb.Compare_VALUE:
		order = bytes.Compare(kv.Value, c.GetValue())
	case pb.Compare_LEASE:
		order = cmp.Compare(kv.Lease, c.GetLease())
	}
	switch c.Result {
	case pb.Compare_GREATER:
		return order > 0
	case pb.Compare_LESS:
		return order < 0
	case pb.Compare_NOT_EQUAL:
		return order != 0
	default:
		return order == 0
	}
}

func (s *State) txn(r *pb.TxnRequest, a Answer) outcome {
	d := s.begin()
	var decided decisions
	decided.decide(s.keys, r)
	checked := decided
	if err := d.checkTxn(r, &checked); err != nil {
		return s.refused(err)
	}
	got, _ := a.Response.(*pb.TxnResponse)
	want := d.runTxn(r, &decided, got)
	want.Header = header(got.GetHeader(), d.revision())
	return outcome{next: d.end(), response: want}
}

// checkTxn finds out whether everything that would be run can be, before anything is written.
func (d *draft) checkTxn(r *pb.TxnRequest, decided *decisions) error {
	for _, op := range branch(r, decided.take()) {
		var err error
		switch o := op.Request.(type) {
		case *pb.RequestOp_RequestRange:
			err = d.checkRange(o.RequestRange)
		case *pb.RequestOp_RequestPut:
			err = d.checkPut(o.RequestPut)
		case *pb.RequestOp_RequestTxn:
			err = d.checkTxn(o.RequestTxn, decided)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *draft) runTxn(r *pb.TxnRequest, decided *decisions, found *pb.TxnResponse) *pb.TxnResponse {
	want := &pb.TxnResponse{Succeeded: decided.take()}
	for i, op := range branch(r, want.Succeeded) {
		var foundHere *pb.ResponseOp
		if i < len(found.GetResponses()) {
			foundHere = found.Responses[i]
		}
		want.Responses = append(want.Responses, d.runOp(op, decided, foundHere))
	}
	return want
}

func (d *draft) runOp(op *pb.RequestOp, decided *decisions, found *pb.ResponseOp) *pb.ResponseOp {
	switch o := op.Request.(type) {
	case *pb.RequestOp_RequestRange:
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: d.read(o.RequestRange, found.GetResponseRange())}}
	case *pb.RequestOp_RequestPut:
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponsePut{ResponsePut: d.put(o.RequestPut)}}
	case *pb.RequestOp_RequestDeleteRange:
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: d.delete(o.RequestDeleteRange)}}
	case *pb.RequestOp_RequestTxn:
		nested := d.runTxn(o.RequestTxn, decided, found.GetResponseTxn())
		nested.Header = &pb.ResponseHeader{} // it has no revision of its own
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseTxn{ResponseTxn: nested}}
	}
	return &pb.ResponseOp{}
}

// Writes tells whether a transaction may change something, and so goes through the log.
func Writes(r *pb.TxnRequest) bool {
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range ops {
			if op.GetRequestRange() == nil {
				return true
			}
		}
	}
	return false
}

// Serializable tells whether a member may answer from what it has, without asking the others.
func Serializable(m any) bool {
	switch r := m.(type) {
	case *pb.RangeRequest:
		return r.Serializable
	case *pb.TxnRequest:
		for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
			for _, op := range ops {
				if !op.GetRequestRange().GetSerializable() {
					return false
				}
			}
		}
		return len(r.Success)+len(r.Failure) > 0
	}
	return false
}

// Holds tells whether all comparisons of a transaction are true of these keys.
func Holds(keys Keys, r *pb.TxnRequest) bool {
	for _, c := range r.Compare {
		if !holds(keys, c) {
			return false
		}
	}
	return true
}
