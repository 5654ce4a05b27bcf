package rpc

import (
	"bytes"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// FuzzTxn: whatever a client sends as a transaction is refused, or its branches are those that the slow twin accepts.
func FuzzTxn(f *testing.F) {
	for _, r := range []*pb.TxnRequest{
		{},
		txn(put("a"), del("b", "c"), op(&pb.TxnRequest{Success: []*pb.RequestOp{put("d")}, Failure: []*pb.RequestOp{put("d"), del("e", "\x00")}})),
		{Compare: []*pb.Compare{{Key: []byte("a"), RangeEnd: []byte("b"), TargetUnion: &pb.Compare_Value{Value: []byte("v")}}}, Success: []*pb.RequestOp{op(&pb.RangeRequest{Key: []byte("a")})}},
	} {
		data, err := r.MarshalVT()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r pb.TxnRequest
		if r.UnmarshalVT(data) != nil {
			return
		}
		err := validateTxn(&r, 128)
		if err != nil && err != rpctypes.ErrGRPCDuplicateKey {
			return
		}
		_, success := slowBranch(r.Success)
		_, failure := slowBranch(r.Failure)
		if alright := success && failure; alright != (err == nil) {
			t.Errorf("the twin says %v, %v for %v", alright, err, &r)
		}
	})
}

// deepTxn is transactions in transactions, as a client writes them: the innermost one first.
func deepTxn(depth int) []byte {
	var levels [][]byte
	size := 0
	for range depth {
		nested := lengthDelimited(4, size)            // RequestOp.request_txn
		outer := lengthDelimited(2, size+len(nested)) // TxnRequest.success
		levels = append(levels, append(outer, nested...))
		size += len(outer) + len(nested)
	}
	var b bytes.Buffer
	for i := range levels {
		b.Write(levels[len(levels)-1-i])
	}
	return b.Bytes()
}

func lengthDelimited(field, size int) []byte {
	b := []byte{byte(field<<3 | 2)}
	for ; size >= 0x80; size >>= 7 {
		b = append(b, byte(size)|0x80)
	}
	return append(b, byte(size))
}

// TestDeepTransactions: as many transactions in each other as a request has room for are taken apart and refused.
func TestDeepTransactions(t *testing.T) {
	for depth, want := range map[int]error{1: nil, 100: nil, 128: nil, 129: rpctypes.ErrGRPCTooManyOps, 180_000: rpctypes.ErrGRPCTooManyOps} {
		data := deepTxn(depth)
		if len(data) > 1572864 {
			t.Fatalf("%d bytes are no request", len(data))
		}
		var r pb.TxnRequest
		if err := r.UnmarshalVT(data); err != nil {
			t.Fatal(err)
		}
		if err := validateTxn(&r, 128); err != want {
			t.Errorf("depth %d: %v instead of %v", depth, err, want)
		}
	}
}
