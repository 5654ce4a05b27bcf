package rpc

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

var key = []byte("k")

// op is an operation of a transaction.
func op(request any) *pb.RequestOp {
	switch r := request.(type) {
	case *pb.RangeRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
	case *pb.PutRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: r}}
	case *pb.DeleteRangeRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
	case *pb.TxnRequest:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: r}}
	}
	panic("not an operation")
}

func put(key string) *pb.RequestOp { return op(&pb.PutRequest{Key: []byte(key)}) }

func del(key, end string) *pb.RequestOp {
	return op(&pb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end)})
}

func txn(success ...*pb.RequestOp) *pb.TxnRequest { return &pb.TxnRequest{Success: success} }

func TestValidateRange(t *testing.T) {
	for name, c := range map[string]struct {
		request      *pb.RangeRequest
		want         error
		streamed     error
		streamedText string
	}{
		"plain":             {request: &pb.RangeRequest{Key: key}},
		"no key":            {request: &pb.RangeRequest{}, want: rpctypes.ErrGRPCEmptyKey},
		"only an end":       {request: &pb.RangeRequest{RangeEnd: key}, want: rpctypes.ErrGRPCEmptyKey},
		"end before key":    {request: &pb.RangeRequest{Key: key, RangeEnd: []byte("a")}},
		"unknown order":     {request: &pb.RangeRequest{Key: key, SortOrder: 3}, want: rpctypes.ErrGRPCInvalidSortOption},
		"negative order":    {request: &pb.RangeRequest{Key: key, SortOrder: -1}, want: rpctypes.ErrGRPCInvalidSortOption},
		"unknown target":    {request: &pb.RangeRequest{Key: key, SortTarget: 5}, want: rpctypes.ErrGRPCInvalidSortOption},
		"ascending":         {request: &pb.RangeRequest{Key: key, SortOrder: pb.RangeRequest_ASCEND}},
		"target, no order":  {request: &pb.RangeRequest{Key: key, SortTarget: pb.RangeRequest_VALUE}},
		"descending":        {request: &pb.RangeRequest{Key: key, SortOrder: pb.RangeRequest_DESCEND}, streamedText: "sort orders"},
		"ascending values":  {request: &pb.RangeRequest{Key: key, SortOrder: pb.RangeRequest_ASCEND, SortTarget: pb.RangeRequest_VALUE}, streamedText: "sort orders"},
		"changed since":     {request: &pb.RangeRequest{Key: key, MinModRevision: 1}, streamedText: "revision filters"},
		"changed before":    {request: &pb.RangeRequest{Key: key, MaxModRevision: 1}, streamedText: "revision filters"},
		"created since":     {request: &pb.RangeRequest{Key: key, MinCreateRevision: -1}, streamedText: "revision filters"},
		"created before":    {request: &pb.RangeRequest{Key: key, MaxCreateRevision: 1}, streamedText: "revision filters"},
		"negative limit":    {request: &pb.RangeRequest{Key: key, Limit: -1}},
		"negative revision": {request: &pb.RangeRequest{Key: key, Revision: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			w.Expect(matches(validateRange(c.request), c.want)).To(BeTrue())
			streamed := validateStream(c.request)
			if c.streamedText == "" {
				w.Expect(matches(streamed, c.want)).To(BeTrue())
				return
			}
			w.Expect(status.Code(streamed)).To(Equal(codes.Unimplemented))
			w.Expect(streamed).To(MatchError(ContainSubstring("RangeStream does not support ")))
			w.Expect(streamed).To(MatchError(ContainSubstring(c.streamedText)))
		})
	}
}

// matches compares errors of the API by identity, which is how they are sent.
func matches(err, want error) bool { return err == want }

func TestValidateTxn(t *testing.T) {
	const maxOps = 3
	compare := &pb.Compare{Key: key}
	read := op(&pb.RangeRequest{Key: key})
	puts := func(keys string) (ops []*pb.RequestOp) {
		for _, k := range strings.Split(keys, "") {
			ops = append(ops, put(k))
		}
		return ops
	}
	for name, c := range map[string]struct {
		request *pb.TxnRequest
		want    error
	}{
		"empty":                    {txn(), nil},
		"one of each":              {txn(read, put("a"), del("b", ""), op(txn())), rpctypes.ErrGRPCTooManyOps},
		"full":                     {txn(puts("abc")...), nil},
		"too many":                 {txn(puts("abcd")...), rpctypes.ErrGRPCTooManyOps},
		"too many otherwise":       {&pb.TxnRequest{Failure: puts("abcd")}, rpctypes.ErrGRPCTooManyOps},
		"too many comparisons":     {&pb.TxnRequest{Compare: []*pb.Compare{compare, compare, compare, compare}}, rpctypes.ErrGRPCTooManyOps},
		"both branches full":       {&pb.TxnRequest{Success: puts("abc"), Failure: puts("abc")}, nil},
		"nested gets what is left": {txn(op(txn(puts("ab")...))), nil},
		"nested gets no more":      {txn(op(txn(puts("abc")...))), rpctypes.ErrGRPCTooManyOps},
		"comparisons count too":    {&pb.TxnRequest{Compare: []*pb.Compare{compare, compare}, Success: []*pb.RequestOp{op(txn(puts("ab")...))}}, rpctypes.ErrGRPCTooManyOps},
		"as deep as it may":        {txn(op(txn(op(txn(op(txn())))))), nil},
		"too deep":                 {txn(op(txn(op(txn(op(txn(put("a")))))))), rpctypes.ErrGRPCTooManyOps},
		"comparison without key":   {&pb.TxnRequest{Compare: []*pb.Compare{{}}}, rpctypes.ErrGRPCEmptyKey},
		"operation without any":    {txn(&pb.RequestOp{}), rpctypes.ErrGRPCKeyNotFound},
		"no key in a range":        {txn(op(&pb.RangeRequest{})), rpctypes.ErrGRPCEmptyKey},
		"no key in a put":          {txn(op(&pb.PutRequest{})), rpctypes.ErrGRPCEmptyKey},
		"no key in a delete":       {txn(op(&pb.DeleteRangeRequest{})), rpctypes.ErrGRPCEmptyKey},
		"odd order in a range":     {txn(op(&pb.RangeRequest{Key: key, SortOrder: 7})), rpctypes.ErrGRPCInvalidSortOption},
		"value is provided":        {txn(op(&pb.PutRequest{Key: key, Value: key, IgnoreValue: true})), rpctypes.ErrGRPCValueProvided},
		"lease is provided":        {txn(op(&pb.PutRequest{Key: key, Lease: 1, IgnoreLease: true})), rpctypes.ErrGRPCLeaseProvided},
		"wrong in the failure":     {&pb.TxnRequest{Failure: []*pb.RequestOp{op(&pb.PutRequest{})}}, rpctypes.ErrGRPCEmptyKey},
		"wrong inside":             {txn(op(txn(op(txn(op(&pb.PutRequest{})))))), rpctypes.ErrGRPCEmptyKey},
		"wrong just inside":        {txn(op(txn(op(&pb.PutRequest{})))), rpctypes.ErrGRPCEmptyKey},
		"comparison wrong inside":  {txn(op(&pb.TxnRequest{Compare: []*pb.Compare{{}}})), rpctypes.ErrGRPCEmptyKey},
		"twice the same":           {txn(puts("aa")...), rpctypes.ErrGRPCDuplicateKey},
		"wrong before duplicate":   {txn(put("a"), put("a"), op(&pb.PutRequest{})), rpctypes.ErrGRPCEmptyKey},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(matches(validateTxn(c.request, maxOps), c.want)).To(BeTrue(), "%v", validateTxn(c.request, maxOps))
		})
	}
}

func TestValidateOne(t *testing.T) {
	w := NewWithT(t)
	w.Expect(validatePut(&pb.PutRequest{Key: key, Value: key, Lease: 1, PrevKv: true})).To(Succeed())
	w.Expect(validatePut(&pb.PutRequest{Key: key, IgnoreValue: true, IgnoreLease: true})).To(Succeed())
	w.Expect(validatePut(&pb.PutRequest{})).To(BeIdenticalTo(rpctypes.ErrGRPCEmptyKey))
	w.Expect(validatePut(&pb.PutRequest{Key: key, Value: key, IgnoreValue: true})).To(BeIdenticalTo(rpctypes.ErrGRPCValueProvided))
	w.Expect(validatePut(&pb.PutRequest{Key: key, Lease: -1, IgnoreLease: true})).To(BeIdenticalTo(rpctypes.ErrGRPCLeaseProvided))
	w.Expect(validateDelete(&pb.DeleteRangeRequest{Key: key})).To(Succeed())
	w.Expect(validateDelete(&pb.DeleteRangeRequest{RangeEnd: key})).To(BeIdenticalTo(rpctypes.ErrGRPCEmptyKey))
}
