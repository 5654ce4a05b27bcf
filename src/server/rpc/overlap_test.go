package rpc

import (
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

// TestOverlap holds the check for duplicate keys to what etcd was seen to do, also where that is surprising.
func TestOverlap(t *testing.T) {
	either := func(success, failure *pb.RequestOp) *pb.RequestOp {
		return op(&pb.TxnRequest{Success: []*pb.RequestOp{success}, Failure: []*pb.RequestOp{failure}})
	}
	nested := func(ops ...*pb.RequestOp) *pb.RequestOp { return op(&pb.TxnRequest{Success: ops}) }
	for name, c := range map[string]struct {
		ops       []*pb.RequestOp
		duplicate bool
	}{
		"nothing":                     {nil, false},
		"puts of two keys":            {[]*pb.RequestOp{put("a"), put("b")}, false},
		"put twice":                   {[]*pb.RequestOp{put("a"), put("a")}, true},
		"put and delete":              {[]*pb.RequestOp{put("a"), del("a", "")}, true},
		"delete and put":              {[]*pb.RequestOp{del("a", ""), put("a")}, true},
		"delete twice":                {[]*pb.RequestOp{del("a", ""), del("a", "")}, false},
		"deletes that overlap":        {[]*pb.RequestOp{del("a", "c"), del("b", "d")}, false},
		"put inside of a delete":      {[]*pb.RequestOp{del("a", "c"), put("b")}, true},
		"put at its begin":            {[]*pb.RequestOp{del("a", "c"), put("a")}, true},
		"put at its end":              {[]*pb.RequestOp{del("a", "c"), put("c")}, false},
		"put before it":               {[]*pb.RequestOp{del("b", "c"), put("a")}, false},
		"put just behind one key":     {[]*pb.RequestOp{del("a", ""), put("a\x00")}, false},
		"delete of nothing":           {[]*pb.RequestOp{del("c", "a"), put("b")}, false},
		"delete of an empty interval": {[]*pb.RequestOp{del("b", "b"), put("b")}, false},
		// An open end is one zero byte, which is before every key.
		"put behind an open delete":   {[]*pb.RequestOp{del("a", "\x00"), put("b")}, false},
		"put where it begins":         {[]*pb.RequestOp{del("b", "\x00"), put("b")}, false},
		"put inside of everything":    {[]*pb.RequestOp{del("\x00", "\x00"), put("b")}, false},
		"reads do not count":          {[]*pb.RequestOp{op(&pb.RangeRequest{Key: []byte("a")}), put("a")}, false},
		"nested puts its own":         {[]*pb.RequestOp{nested(put("a")), put("b")}, false},
		"nested puts the same":        {[]*pb.RequestOp{nested(put("a")), put("a")}, true},
		"nested puts what is deleted": {[]*pb.RequestOp{nested(put("a")), del("a", "")}, true},
		"nested deletes what is put":  {[]*pb.RequestOp{put("a"), nested(del("a", ""))}, true},
		"nested deletes the same":     {[]*pb.RequestOp{del("a", ""), nested(del("a", ""))}, false},
		"nested contradicts itself":   {[]*pb.RequestOp{nested(put("a"), put("a"))}, true},
		"branches exclude each other": {[]*pb.RequestOp{either(put("a"), put("a"))}, false},
		"put or delete":               {[]*pb.RequestOp{either(put("a"), del("a", ""))}, false},
		"either branch counts":        {[]*pb.RequestOp{either(put("a"), put("b")), put("b")}, true},
		"a failure that contradicts":  {[]*pb.RequestOp{op(&pb.TxnRequest{Failure: []*pb.RequestOp{put("a"), put("a")}})}, true},
		"two nested put the same":     {[]*pb.RequestOp{nested(put("a")), nested(put("a"))}, true},
		"deep inside":                 {[]*pb.RequestOp{nested(nested(nested(put("a")))), put("a")}, true},
		// Nested ones are held against what came before them, so that the order matters.
		"nested delete, nested put": {[]*pb.RequestOp{nested(del("a", "")), nested(put("a"))}, true},
		"nested put, nested delete": {[]*pb.RequestOp{nested(put("a")), nested(del("a", ""))}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			for _, r := range []*pb.TxnRequest{{Success: c.ops}, {Failure: c.ops}, {Success: []*pb.RequestOp{op(&pb.TxnRequest{Failure: c.ops})}}} {
				err := validateTxn(r, 100)
				if c.duplicate {
					w.Expect(err).To(BeIdenticalTo(rpctypes.ErrGRPCDuplicateKey))
				} else {
					w.Expect(err).NotTo(HaveOccurred())
				}
			}
		})
	}
}
