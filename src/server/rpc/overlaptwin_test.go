package rpc

import (
	"fmt"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
)

// slowWrites is the twin of branchWrites: lists, and everything is compared with everything.
type slowWrites struct {
	puts    []string
	deletes [][2]string
}

func (w *slowWrites) put(key string) bool {
	for _, other := range w.puts {
		if key == other {
			return false
		}
	}
	for _, d := range w.deletes {
		if d[0] <= key && key < d[1] {
			return false
		}
	}
	w.puts = append(w.puts, key)
	return true
}

func slowBranch(ops []*pb.RequestOp) (w slowWrites, ok bool) {
	for _, op := range ops {
		if d := op.GetRequestDeleteRange(); d != nil {
			end := string(d.RangeEnd)
			if end == "" {
				end = string(d.Key) + "\x00"
			}
			w.deletes = append(w.deletes, [2]string{string(d.Key), end})
		}
	}
	for _, op := range ops {
		if nested := op.GetRequestTxn(); nested != nil && !slowNested(&w, nested) {
			return w, false
		}
	}
	for _, op := range ops {
		if put := op.GetRequestPut(); put != nil && !w.put(string(put.Key)) {
			return w, false
		}
	}
	return w, true
}

func slowNested(w *slowWrites, r *pb.TxnRequest) bool {
	success, ok := slowBranch(r.Success)
	failure, ok2 := slowBranch(r.Failure)
	if !ok || !ok2 {
		return false
	}
	both := map[string]bool{}
	for _, key := range append(success.puts, failure.puts...) {
		if !both[key] && !w.put(key) {
			return false
		}
		both[key] = true
	}
	w.deletes = append(append(w.deletes, success.deletes...), failure.deletes...)
	return true
}

func randomOps(rng *rand.Rand, depth int) (ops []*pb.RequestOp) {
	key := func() string { return fmt.Sprintf("%02d", rng.IntN(60)) }
	for range rng.IntN(4) {
		switch rng.IntN(4) {
		case 0:
			ops = append(ops, put(key()))
		case 1:
			ops = append(ops, del(key(), [...]string{"", "\x00", key(), key()}[rng.IntN(4)]))
		case 2:
			ops = append(ops, op(&pb.RangeRequest{Key: []byte(key())}))
		case 3:
			if depth > 0 {
				ops = append(ops, op(&pb.TxnRequest{Success: randomOps(rng, depth-1), Failure: randomOps(rng, depth-1)}))
			}
		}
	}
	return ops
}

func TestOverlapAgainstTwin(t *testing.T) {
	w := NewWithT(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var accepted, refused int
	for range 20000 {
		ops := randomOps(rng, 3)
		_, want := slowBranch(ops)
		_, err := branchWrites(ops)
		w.Expect(err == nil).To(Equal(want), "%v", ops)
		if want {
			accepted++
		} else {
			refused++
		}
	}
	w.Expect(min(accepted, refused)).To(BeNumerically(">", 1000))
}

// The most that a request of the usual size has room for: puts and deletes by the tens of thousands, three levels deep.
func largeTxn() *pb.TxnRequest {
	n := 0
	var build func(level int) *pb.TxnRequest
	build = func(level int) *pb.TxnRequest {
		r := &pb.TxnRequest{}
		for range 42 {
			n++
			switch {
			case level > 0:
				r.Success = append(r.Success, op(build(level-1)))
			case n < 42*42*21:
				r.Success = append(r.Success, del(fmt.Sprintf("d%06d", n), ""))
			default:
				r.Success = append(r.Success, put(fmt.Sprintf("p%06d", n)))
			}
		}
		return r
	}
	return build(2)
}

// A request that is allowed must not keep a processor busy for long, or a few of them would keep all others waiting.
func BenchmarkLargeTxn(b *testing.B) {
	r := largeTxn()
	for b.Loop() {
		if err := validateTxn(r, 128); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(r.SizeVT()), "request-bytes")
}
