package randomkv

import (
	"bytes"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// maxTxnOps is the default of --max-txn-ops.
const maxTxnOps = 128

// maxTxnDepth is how many transactions are inside of each other at most.
const maxTxnDepth = 4

// transaction draws a transaction that etcd survives. The check for duplicate keys takes the end of an interval "from key
// on" for the key 0x00, so that one transaction can delete a key and then put it. etcd 3.7.3 panics when that put is to keep
// the value or the lease; and a compaction of its revision loses the put, after which reading the key ends the process.
func (g *Generator) transaction() *pb.TxnRequest {
	r := g.txn(maxTxnDepth - 1)
	var puts bool
	var deletes []*pb.DeleteRangeRequest
	eachOp(r, func(op *pb.RequestOp) {
		puts = puts || op.GetRequestPut() != nil
		if d := op.GetRequestDeleteRange(); d != nil {
			deletes = append(deletes, d)
		}
	})
	for _, d := range deletes {
		if puts && bytes.Equal(d.RangeEnd, fromKeyOn) {
			d.RangeEnd = []byte{0xff, 0xff}
		}
	}
	return r
}

// fromKeyOn is the end of an interval that has none.
var fromKeyOn = []byte{0}

// eachOp visits the operations of a transaction and of those inside of it.
func eachOp(r *pb.TxnRequest, visit func(*pb.RequestOp)) {
	for _, branch := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range branch {
			visit(op)
			if inner := op.GetRequestTxn(); inner != nil {
				eachOp(inner, visit)
			}
		}
	}
}

// txn draws a transaction whose nested ones go depth levels down at most.
func (g *Generator) txn(depth int) *pb.TxnRequest {
	r := &pb.TxnRequest{}
	for range g.rng.IntN(3) {
		r.Compare = append(r.Compare, g.compare())
	}
	r.Success, r.Failure = g.branch(depth), g.branch(depth)
	if g.bad(60) {
		for range maxTxnOps + g.rng.IntN(2) - len(r.Success) {
			r.Success = append(r.Success, rangeOp(g.Range()))
		}
	}
	return r
}

func (g *Generator) branch(depth int) []*pb.RequestOp {
	var ops []*pb.RequestOp
	reads := g.chance(4)
	for range g.rng.IntN(5) {
		switch n := g.rng.IntN(20); {
		case n < 8 || reads:
			ops = append(ops, rangeOp(g.Range()))
		case n < 14:
			ops = append(ops, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: g.put()}})
		case n < 17:
			ops = append(ops, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: g.deleteRange()}})
		case n < 19 && depth > 0:
			ops = append(ops, &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: g.txn(depth - 1)}})
		case g.bad(8):
			ops = append(ops, &pb.RequestOp{})
		}
	}
	if g.Valid {
		return withoutDuplicates(ops)
	}
	return ops
}

func rangeOp(r *pb.RangeRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
}

// withoutDuplicates keeps of the writes only the first, which can not touch a key twice.
func withoutDuplicates(ops []*pb.RequestOp) []*pb.RequestOp {
	var out []*pb.RequestOp
	wrote := false
	for _, op := range ops {
		read := op.GetRequestRange() != nil
		if read || !wrote {
			out = append(out, op)
		}
		wrote = wrote || !read
	}
	return out
}

func (g *Generator) compare() *pb.Compare {
	c := &pb.Compare{
		Key:    g.key(),
		Target: pb.Compare_CompareTarget(g.rng.IntN(5)),
		Result: pb.Compare_CompareResult(g.rng.IntN(4)),
	}
	if g.chance(4) {
		c.RangeEnd = g.end(c.Key)
	}
	switch c.Target {
	case pb.Compare_VERSION:
		c.TargetUnion = &pb.Compare_Version{Version: g.rng.Int64N(4)}
	case pb.Compare_CREATE:
		c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: g.someRevision()}
	case pb.Compare_MOD:
		c.TargetUnion = &pb.Compare_ModRevision{ModRevision: g.someRevision()}
	case pb.Compare_VALUE:
		c.TargetUnion = &pb.Compare_Value{Value: bytes.Clone(g.value())}
	case pb.Compare_LEASE:
		c.TargetUnion = &pb.Compare_Lease{Lease: g.rng.Int64N(2)}
	}
	switch {
	case g.chance(20):
		c.TargetUnion = nil // as zero or empty
	case g.bad(50):
		c.TargetUnion = &pb.Compare_Version{Version: 1} // not the one that the target asks for
	case g.bad(50):
		c.Target = 9
	case g.bad(50):
		c.Result = 9
	}
	return c
}
