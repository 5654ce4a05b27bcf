package eventlog

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3lockpb"
)

// Changed tells whether an answer says that something was changed at the revision of its header. certain is false where the answer does
// not tell.
func Changed(response proto.Message) (changed, certain bool) {
	switch r := response.(type) {
	case *pb.PutResponse:
		return true, true
	case *pb.DeleteRangeResponse:
		return r.Deleted > 0, true
	case *pb.TxnResponse:
		return changedBy(r.Responses), true
	case *pb.LeaseRevokeResponse, *v3lockpb.UnlockResponse:
		return false, false
	}
	return false, true
}

func changedBy(responses []*pb.ResponseOp) bool {
	for _, r := range responses {
		if r.GetResponsePut() != nil || r.GetResponseDeleteRange().GetDeleted() > 0 || changedBy(r.GetResponseTxn().GetResponses()) {
			return true
		}
	}
	return false
}

// Mutates tells whether a request may change keys.
func Mutates(request proto.Message) bool {
	switch r := request.(type) {
	case *pb.PutRequest, *pb.DeleteRangeRequest, *pb.LeaseRevokeRequest, *v3lockpb.LockRequest, *v3lockpb.UnlockRequest:
		return true
	case *pb.TxnRequest:
		return mutatesAny(r.Success) || mutatesAny(r.Failure)
	}
	return false
}

func mutatesAny(ops []*pb.RequestOp) bool {
	for _, op := range ops {
		if op.GetRequestPut() != nil || op.GetRequestDeleteRange() != nil || op.GetRequestTxn() != nil {
			return true
		}
	}
	return false
}

// puts calls f for each put in a request, with all branches of transactions.
func puts(request proto.Message, f func(*pb.PutRequest)) {
	switch r := request.(type) {
	case *pb.PutRequest:
		f(r)
	case *pb.TxnRequest:
		for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
			for _, op := range ops {
				if p := op.GetRequestPut(); p != nil {
					f(p)
				}
				if t := op.GetRequestTxn(); t != nil {
					puts(t, f)
				}
			}
		}
	}
}

// lockKey is the key of the lock that a request asks for, empty if the member made the lease as well.
func lockKey(r *v3lockpb.LockRequest, response *v3lockpb.LockResponse) string {
	switch {
	case len(response.GetKey()) > 0:
		return string(response.Key)
	case r.Lease != 0:
		return fmt.Sprintf("%s/%x", r.Name, uint64(r.Lease))
	}
	return ""
}
