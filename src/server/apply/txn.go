package apply

import (
	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/storage/mvcc"
)

// branches is the outcome of every comparison of a transaction and of those nested in the branches that will run, in the
// order in which running visits them. All of them are decided before anything is written.
type branches []bool

func (b *branches) next() bool {
	first := (*b)[0]
	*b = (*b)[1:]
	return first
}

// txn runs a transaction: decide, check, then write. A check that fails leaves no trace.
func (s *State) txn(r *pb.TxnRequest, wanted bool) (*pb.TxnResponse, error) {
	txn := s.KV.Begin()
	defer s.end(txn)
	var decided branches
	if err := decide(txn, r, &decided); err != nil {
		return nil, err
	}
	toCheck := decided
	if err := s.check(txn, r, &toCheck); err != nil {
		return nil, err
	}
	response, err := s.run(txn, r, &decided, wanted)
	if err != nil {
		// Everything that a client can cause was checked; what is left is a read that failed, and then part of the
		// transaction is in the table already. Going on would make this member differ from the others.
		panic("apply: a transaction failed after its checks: expected none to, found: " + err.Error() +
			"; stop this member and inspect its database file")
	}
	response.Header = &pb.ResponseHeader{Revision: txn.Revision()}
	return response, nil
}

func branch(r *pb.TxnRequest, succeeded bool) []*pb.RequestOp {
	if succeeded {
		return r.Success
	}
	return r.Failure
}

func decide(reader Reader, r *pb.TxnRequest, decided *branches) error {
	succeeded, err := holdAll(reader, r.Compare)
	if err != nil {
		return err
	}
	*decided = append(*decided, succeeded)
	for _, op := range branch(r, succeeded) {
		if nested := op.GetRequestTxn(); nested != nil {
			if err := decide(reader, nested, decided); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *State) check(txn *mvcc.Txn, r *pb.TxnRequest, decided *branches) error {
	for _, op := range branch(r, decided.next()) {
		var err error
		switch {
		case op.GetRequestRange() != nil:
			err = checkRevision(op.GetRequestRange().Revision, txn.Revision(), s.KV.CompactRevision())
		case op.GetRequestPut() != nil:
			err = s.checkPut(txn, op.GetRequestPut())
		case op.GetRequestTxn() != nil:
			err = s.check(txn, op.GetRequestTxn(), decided)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *State) run(txn *mvcc.Txn, r *pb.TxnRequest, decided *branches, wanted bool) (*pb.TxnResponse, error) {
	response := &pb.TxnResponse{Succeeded: decided.next()}
	for _, op := range branch(r, response.Succeeded) {
		answer, err := s.runOp(txn, op, decided, wanted)
		if err != nil {
			return nil, err
		}
		response.Responses = append(response.Responses, answer)
	}
	return response, nil
}

func (s *State) runOp(txn *mvcc.Txn, op *pb.RequestOp, decided *branches, wanted bool) (*pb.ResponseOp, error) {
	switch {
	case op.GetRequestRange() != nil:
		if !wanted {
			return &pb.ResponseOp{}, nil
		}
		r, err := rangeIn(txn, op.GetRequestRange())
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: r}}, err
	case op.GetRequestPut() != nil:
		r, err := s.putIn(txn, op.GetRequestPut())
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponsePut{ResponsePut: r}}, err
	case op.GetRequestDeleteRange() != nil:
		r, err := deleteIn(txn, op.GetRequestDeleteRange())
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: r}}, err
	case op.GetRequestTxn() != nil:
		r, err := s.run(txn, op.GetRequestTxn(), decided, wanted)
		if r != nil {
			r.Header = &pb.ResponseHeader{} // a nested transaction has no revision of its own
		}
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseTxn{ResponseTxn: r}}, err
	}
	return &pb.ResponseOp{}, nil // an operation without a request is refused before it is proposed
}
