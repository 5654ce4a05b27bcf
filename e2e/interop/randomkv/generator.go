// Package randomkv makes random requests of the KV service, good and bad ones, and compares two servers' answers to them.
package randomkv

import (
	"fmt"
	"math/rand/v2"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

// Generator draws requests. The same seed and the same observed answers give the same requests.
type Generator struct {
	rng       *rand.Rand
	revision  int64 // newest that was seen in an answer
	compacted int64

	// Valid leaves out requests that fail on purpose, for tests that only want content.
	Valid bool
}

// New returns a generator for a server with an empty store.
func New(seed uint64) *Generator {
	return &Generator{rng: rand.New(rand.NewPCG(seed, 0x6b76)), revision: 1}
}

// Observe tells the generator what a server answered, so that it can aim at existing revisions.
func (g *Generator) Observe(request, response proto.Message) {
	h, ok := response.(interface{ GetHeader() *pb.ResponseHeader })
	if ok && h.GetHeader() != nil {
		g.revision = max(g.revision, h.GetHeader().GetRevision())
	}
	if c, ok := request.(*pb.CompactionRequest); ok && response != nil {
		g.compacted = c.Revision
	}
}

// chance is true once in n.
func (g *Generator) chance(n int) bool { return g.rng.IntN(n) == 0 }

// bad is true once in n, unless only valid requests are wanted.
func (g *Generator) bad(n int) bool { return !g.Valid && g.chance(n) }

// Next draws a request: *RangeRequest, *PutRequest, *DeleteRangeRequest, *TxnRequest or *CompactionRequest.
func (g *Generator) Next() proto.Message {
	switch n := g.rng.IntN(100); {
	case n < 35:
		return g.put()
	case n < 65:
		return g.Range()
	case n < 73:
		return g.deleteRange()
	case n < 98:
		return g.transaction()
	default:
		return g.compaction()
	}
}

// key draws from a small tree of keys, so that requests meet each other; now and then bytes that are special.
func (g *Generator) key() []byte {
	switch {
	case g.bad(150):
		return nil
	case g.chance(60):
		return []byte{0}
	case g.chance(60):
		return []byte{0xff}
	case g.chance(40):
		return []byte{'a', 0}
	}
	k := make([]byte, 1+g.rng.IntN(3))
	for i := range k {
		k[i] = "abcd"[g.rng.IntN(4)]
	}
	return k
}

// end draws the end of an interval that starts at key: none, a prefix, from-key, any other.
func (g *Generator) end(key []byte) []byte {
	switch g.rng.IntN(6) {
	case 0, 1:
		return nil
	case 2:
		return []byte{0}
	case 3:
		if len(key) == 0 || key[len(key)-1] == 0xff {
			return []byte{0}
		}
		end := append([]byte(nil), key...)
		end[len(end)-1]++
		return end
	}
	return g.key()
}

func (g *Generator) value() []byte {
	if g.chance(10) {
		return nil
	}
	if g.chance(100) {
		return make([]byte, g.rng.IntN(20_000))
	}
	return fmt.Appendf(nil, "v%d", g.rng.IntN(30))
}

// someRevision aims around what is known: at the edges of the compacted part and of the present, and beyond.
func (g *Generator) someRevision() int64 {
	switch {
	case g.bad(12):
		return g.revision + 1 + g.rng.Int64N(3)
	case g.bad(12):
		return g.compacted - g.rng.Int64N(3)
	case g.bad(60):
		return -1
	case g.chance(10):
		return g.compacted
	case g.chance(5):
		return g.revision
	}
	return g.compacted + 1 + g.rng.Int64N(max(g.revision-g.compacted, 1))
}

// Range draws a range request with any of its options.
func (g *Generator) Range() *pb.RangeRequest {
	r := &pb.RangeRequest{Key: g.key(), Serializable: g.chance(3)}
	r.RangeEnd = g.end(r.Key)
	if g.chance(3) {
		r.Revision = g.someRevision()
	}
	if g.chance(3) {
		r.Limit = g.rng.Int64N(12)
		if g.bad(20) {
			r.Limit = -1
		}
	}
	r.CountOnly = g.chance(8)
	r.KeysOnly = g.chance(6)
	if g.chance(3) {
		r.SortOrder = pb.RangeRequest_SortOrder(g.rng.IntN(3))
		r.SortTarget = pb.RangeRequest_SortTarget(g.rng.IntN(5))
	}
	if g.bad(100) {
		r.SortOrder = 7
	}
	if g.bad(100) {
		r.SortTarget = -1
	}
	if g.chance(8) {
		r.MinModRevision = g.someRevision()
	}
	if g.chance(8) {
		r.MaxModRevision = g.someRevision()
	}
	if g.chance(8) {
		r.MinCreateRevision = g.someRevision()
	}
	if g.chance(8) {
		r.MaxCreateRevision = g.someRevision()
	}
	return r
}

func (g *Generator) put() *pb.PutRequest {
	r := &pb.PutRequest{Key: g.key(), Value: g.value(), PrevKv: g.chance(4)}
	switch {
	case g.bad(25):
		r.Lease = 1 + g.rng.Int64N(100)
	case g.bad(15):
		r.IgnoreValue, r.Value = true, nil
		if g.chance(4) {
			r.Value = []byte("both")
		}
	case g.bad(15):
		r.IgnoreLease = true
		r.Lease = g.rng.Int64N(2)
	case g.bad(400):
		r.Value = make([]byte, 1_600_000) // over the default of --max-request-bytes
	case g.bad(800):
		r.Value = make([]byte, 2_200_000) // over the receive limit of gRPC too
	}
	return r
}

func (g *Generator) deleteRange() *pb.DeleteRangeRequest {
	r := &pb.DeleteRangeRequest{Key: g.key(), PrevKv: g.chance(3)}
	if g.chance(3) {
		r.RangeEnd = g.end(r.Key)
	}
	return r
}

func (g *Generator) compaction() *pb.CompactionRequest {
	rev := g.compacted + g.rng.Int64N(max(g.revision-g.compacted+1, 1))
	if g.Valid {
		rev = max(rev, g.compacted+1)
	}
	switch {
	case g.bad(5):
		rev = g.revision + g.rng.Int64N(3)
	case g.bad(10):
		rev = -g.rng.Int64N(3)
	}
	return &pb.CompactionRequest{Revision: rev, Physical: g.chance(2)}
}
