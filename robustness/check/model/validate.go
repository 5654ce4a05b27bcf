package model

import (
	"bytes"
	"slices"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

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

// validate holds a request to the rules that need no store.
func validate(m proto.Message) error {
	if r, ok := m.(*pb.TxnRequest); ok {
		all, err := flatten(r, maxOps, nil)
		if err == nil && clash(all) {
			err = rpctypes.ErrGRPCDuplicateKey
		}
		return err
	}
	return validatePlain(m)
}

// validatePlain is about anything but a transaction.
func validatePlain(m proto.Message) error {
	key, wrong := []byte(nil), error(nil)
	switch r := m.(type) {
	case *pb.DeleteRangeRequest:
		key = r.Key
	case *pb.RangeRequest:
		key = r.Key
		if !known(r.SortOrder) || !known(r.SortTarget) {
			wrong = rpctypes.ErrGRPCInvalidSortOption
		}
	case *pb.PutRequest:
		key = r.Key
		if r.IgnoreLease && r.Lease != 0 {
			wrong = rpctypes.ErrGRPCLeaseProvided
		}
		if r.IgnoreValue && len(r.Value) > 0 {
			wrong = rpctypes.ErrGRPCValueProvided
		}
	default:
		return nil
	}
	if len(key) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	return wrong
}

func known(e protoreflect.Enum) bool { return e.Descriptor().Values().ByNumber(e.Number()) != nil }

// change is what an operation of a transaction writes, nested however deep: a put of key, or else a delete of what is from key to end.
type change struct {
	way      []turn
	put      bool
	key, end []byte
}

// turn is a part of the way to an operation: a branch of a transaction, and a place in it.
type turn struct{ branch, place int }

// flatten lists everything that a transaction may write, and finds out whether each operation is in order by itself. It may have so many
// operations on one way through it as are left.
func flatten(r *pb.TxnRequest, left int, way []turn) (all []change, err error) {
	left -= max(len(r.Compare), len(r.Success), len(r.Failure))
	if left < 0 {
		return nil, rpctypes.ErrGRPCTooManyOps
	}
	if slices.ContainsFunc(r.Compare, func(c *pb.Compare) bool { return len(c.Key) == 0 }) {
		return nil, rpctypes.ErrGRPCEmptyKey
	}
	for b, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for n, op := range ops {
			var some []change
			here := append(slices.Clone(way), turn{b, n})
			switch o := op.Request.(type) {
			case *pb.RequestOp_RequestRange:
				err = validatePlain(o.RequestRange)
			case *pb.RequestOp_RequestPut:
				err, some = validatePlain(o.RequestPut), []change{{way: here, put: true, key: o.RequestPut.Key}}
			case *pb.RequestOp_RequestDeleteRange:
				err, some = validatePlain(o.RequestDeleteRange), []change{{way: here, key: o.RequestDeleteRange.Key, end: o.RequestDeleteRange.RangeEnd}}
			case *pb.RequestOp_RequestTxn:
				some, err = flatten(o.RequestTxn, left, here)
			default:
				err = rpctypes.ErrGRPCKeyNotFound
			}
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

// clash tells whether any two changes that may be made together are about one key, and a put is one of them.
func clash(all []change) bool {
	for i, a := range all {
		for _, b := range all[:i] {
			if (a.put && b.covers(a.key) || b.put && a.covers(b.key)) && together(a.way, b.way) {
				return true
			}
		}
	}
	return false
}

// covers tells whether a change is about a key. An open end is taken as it stands there, and so has no keys.
func (c change) covers(key []byte) bool {
	return bytes.Equal(key, c.key) && c.put || !c.put && string(c.end) != openEnd && InRange(key, c.key, c.end)
}

// together tells whether two operations may be run in one go: where their ways part they do so within a branch.
func together(a, b []turn) bool {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i].branch == b[i].branch
		}
	}
	return true
}
