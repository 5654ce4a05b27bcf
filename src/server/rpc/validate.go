package rpc

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

func validateRange(r *pb.RangeRequest) error {
	if len(r.Key) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	if _, ok := pb.RangeRequest_SortOrder_name[int32(r.SortOrder)]; !ok {
		return rpctypes.ErrGRPCInvalidSortOption
	}
	if _, ok := pb.RangeRequest_SortTarget_name[int32(r.SortTarget)]; !ok {
		return rpctypes.ErrGRPCInvalidSortOption
	}
	return nil
}

// validateStream holds a range against what can be answered piece by piece. No order at all passes with every target.
func validateStream(r *pb.RangeRequest) error {
	if err := validateRange(r); err != nil {
		return err
	}
	if r.SortOrder == pb.RangeRequest_DESCEND || r.SortOrder == pb.RangeRequest_ASCEND && r.SortTarget != pb.RangeRequest_KEY {
		return status.Error(codes.Unimplemented, "RangeStream does not support custom sort orders")
	}
	if r.MinModRevision != 0 || r.MaxModRevision != 0 || r.MinCreateRevision != 0 || r.MaxCreateRevision != 0 {
		return status.Error(codes.Unimplemented, "RangeStream does not support revision filters")
	}
	return nil
}

func validatePut(r *pb.PutRequest) error {
	switch {
	case len(r.Key) == 0:
		return rpctypes.ErrGRPCEmptyKey
	case r.IgnoreValue && len(r.Value) != 0:
		return rpctypes.ErrGRPCValueProvided
	case r.IgnoreLease && r.Lease != 0:
		return rpctypes.ErrGRPCLeaseProvided
	}
	return nil
}

func validateDelete(r *pb.DeleteRangeRequest) error {
	if len(r.Key) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	return nil
}

// validateTxn checks the shape of a transaction, nested ones included: at most maxOps operations on a path, every
// operation valid by itself, and no key written twice by what may run together.
func validateTxn(r *pb.TxnRequest, maxOps int) error {
	if err := validateOps(r, maxOps); err != nil {
		return err
	}
	if _, err := branchWrites(r.Success); err != nil {
		return err
	}
	_, err := branchWrites(r.Failure)
	return err
}

func validateOps(r *pb.TxnRequest, maxOps int) error {
	longest := max(len(r.Compare), len(r.Success), len(r.Failure))
	if longest > maxOps {
		return rpctypes.ErrGRPCTooManyOps
	}
	for _, c := range r.Compare {
		if len(c.Key) == 0 {
			return rpctypes.ErrGRPCEmptyKey
		}
	}
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range ops {
			if err := validateOp(op, maxOps-longest); err != nil {
				return err
			}
		}
	}
	return nil
}

// validateOp gives a nested transaction what its parent left of the operations.
func validateOp(op *pb.RequestOp, remaining int) error {
	switch r := op.GetRequest().(type) {
	case *pb.RequestOp_RequestRange:
		return validateRange(r.RequestRange)
	case *pb.RequestOp_RequestPut:
		return validatePut(r.RequestPut)
	case *pb.RequestOp_RequestDeleteRange:
		return validateDelete(r.RequestDeleteRange)
	case *pb.RequestOp_RequestTxn:
		return validateOps(r.RequestTxn, remaining)
	}
	return rpctypes.ErrGRPCKeyNotFound
}
