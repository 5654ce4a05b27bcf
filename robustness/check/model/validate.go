package model

import (
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// maxOps is how many operations a transaction may have on one way through it.
const maxOps = 128

// text is the message of an error as it is on the wire.
func text(err error) string { return status.Convert(err).Message() }

// judged are the errors that say something about the store. All others say something about the cluster or the connection, and that
// nothing was done.
var judged = map[string]bool{}

func init() {
	for _, err := range []error{
		rpctypes.ErrGRPCEmptyKey, rpctypes.ErrGRPCKeyNotFound, rpctypes.ErrGRPCValueProvided, rpctypes.ErrGRPCLeaseProvided,
		rpctypes.ErrGRPCTooManyOps, rpctypes.ErrGRPCDuplicateKey, rpctypes.ErrGRPCInvalidSortOption, rpctypes.ErrGRPCCompacted,
		rpctypes.ErrGRPCFutureRev, rpctypes.ErrGRPCLeaseNotFound, rpctypes.ErrGRPCLeaseExist, rpctypes.ErrGRPCLeaseTTLTooLarge,
		rpctypes.ErrGRPCRootUserNotExist, rpctypes.ErrGRPCRootRoleNotExist, rpctypes.ErrGRPCUserAlreadyExist,
		rpctypes.ErrGRPCUserNotFound, rpctypes.ErrGRPCRoleAlreadyExist, rpctypes.ErrGRPCRoleNotFound, rpctypes.ErrGRPCRoleEmpty,
		rpctypes.ErrGRPCAuthFailed, rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCRoleNotGranted, rpctypes.ErrGRPCPermissionNotGranted,
		rpctypes.ErrGRPCAuthNotEnabled, rpctypes.ErrGRPCInvalidAuthMgmt,
	} {
		judged[text(err)] = true
	}
}

// Judges tells whether an error can be right or wrong by what the store holds. That a user has no name says so only where none was
// given: a token may be missing for other reasons.
func Judges(user, message string) bool {
	return judged[message] || user == "" && message == text(rpctypes.ErrGRPCUserEmpty)
}

// validate finds out whether a request makes sense at all.
func validate(m proto.Message) error {
	switch r := m.(type) {
	case *pb.RangeRequest:
		return validateRange(r)
	case *pb.PutRequest:
		return validatePut(r)
	case *pb.DeleteRangeRequest:
		if len(r.Key) == 0 {
			return rpctypes.ErrGRPCEmptyKey
		}
	case *pb.TxnRequest:
		if err := validateTxn(r, maxOps); err != nil {
			return err
		}
		_, err := written(r)
		return err
	}
	return nil
}

func validateRange(r *pb.RangeRequest) error {
	switch {
	case len(r.Key) == 0:
		return rpctypes.ErrGRPCEmptyKey
	case pb.RangeRequest_SortOrder_name[int32(r.SortOrder)] == "" || pb.RangeRequest_SortTarget_name[int32(r.SortTarget)] == "":
		return rpctypes.ErrGRPCInvalidSortOption
	}
	return nil
}

func validatePut(r *pb.PutRequest) error {
	switch {
	case len(r.Key) == 0:
		return rpctypes.ErrGRPCEmptyKey
	case r.IgnoreValue && len(r.Value) > 0:
		return rpctypes.ErrGRPCValueProvided
	case r.IgnoreLease && r.Lease != 0:
		return rpctypes.ErrGRPCLeaseProvided
	}
	return nil
}

func validateTxn(r *pb.TxnRequest, left int) error {
	longest := max(len(r.Compare), len(r.Success), len(r.Failure))
	if longest > left {
		return rpctypes.ErrGRPCTooManyOps
	}
	for _, c := range r.Compare {
		if len(c.Key) == 0 {
			return rpctypes.ErrGRPCEmptyKey
		}
	}
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range ops {
			if err := validateOp(op, left-longest); err != nil {
				return err
			}
		}
	}
	return nil
}

func validateOp(op *pb.RequestOp, left int) error {
	switch o := op.Request.(type) {
	case *pb.RequestOp_RequestRange:
		return validateRange(o.RequestRange)
	case *pb.RequestOp_RequestPut:
		return validatePut(o.RequestPut)
	case *pb.RequestOp_RequestDeleteRange:
		if len(o.RequestDeleteRange.Key) == 0 {
			return rpctypes.ErrGRPCEmptyKey
		}
		return nil
	case *pb.RequestOp_RequestTxn:
		return validateTxn(o.RequestTxn, left)
	}
	return rpctypes.ErrGRPCKeyNotFound
}

// changes are the keys that one branch puts, and the ranges that it deletes.
type changes struct {
	puts    map[string]bool
	deletes []*pb.DeleteRangeRequest
}

// written collects what a transaction changes. What is run together must not put a key twice, nor put and delete it; the two branches
// of a transaction are never run together.
func written(r *pb.TxnRequest) (changes, error) {
	all := changes{puts: map[string]bool{}}
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		one, err := writtenBy(ops)
		if err != nil {
			return changes{}, err
		}
		for key := range one.puts {
			all.puts[key] = true
		}
		all.deletes = append(all.deletes, one.deletes...)
	}
	return all, nil
}

func writtenBy(ops []*pb.RequestOp) (changes, error) {
	all := changes{puts: map[string]bool{}}
	for _, op := range ops {
		one := changes{}
		switch o := op.Request.(type) {
		case *pb.RequestOp_RequestPut:
			one.puts = map[string]bool{string(o.RequestPut.Key): true}
		case *pb.RequestOp_RequestDeleteRange:
			one.deletes = []*pb.DeleteRangeRequest{o.RequestDeleteRange}
		case *pb.RequestOp_RequestTxn:
			var err error
			if one, err = written(o.RequestTxn); err != nil {
				return changes{}, err
			}
		}
		for key := range one.puts {
			if all.puts[key] || deletes(all.deletes, key) {
				return changes{}, rpctypes.ErrGRPCDuplicateKey
			}
		}
		for key := range all.puts {
			if deletes(one.deletes, key) {
				return changes{}, rpctypes.ErrGRPCDuplicateKey
			}
		}
		for key := range one.puts {
			all.puts[key] = true
		}
		all.deletes = append(all.deletes, one.deletes...)
	}
	return all, nil
}

// deletes tells whether a key is in one of the ranges. An open end is taken as it stands there, and so has no keys.
func deletes(ranges []*pb.DeleteRangeRequest, key string) bool {
	for _, r := range ranges {
		if string(r.RangeEnd) != openEnd && InRange([]byte(key), r.Key, r.RangeEnd) {
			return true
		}
	}
	return false
}
