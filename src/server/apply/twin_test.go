package apply

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/membershippb"

	"quoin.dev/server/lease"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/mvcc"
)

// fingerprint is everything two members have to agree on.
type fingerprint struct {
	Revision, Compacted int64
	Hash                mvcc.HashKV
	File                uint32 // over all rows but the consistent index
	Leases              []lease.Lease
	Attached            map[lease.ID][]string
	Alarms              string
	Members             string
}

func (m *machine) fingerprint(t testing.TB) fingerprint {
	t.Helper()
	w := NewWithT(t)
	hash, err := m.KV.HashKV(0)
	w.Expect(err).NotTo(HaveOccurred())
	file, err := m.b.Hash(func(bucket, key []byte) bool {
		return string(bucket) == backend.Meta.Name() && (string(key) == "consistent_index" || string(key) == "term")
	})
	w.Expect(err).NotTo(HaveOccurred())
	f := fingerprint{
		Revision: m.KV.Revision(), Compacted: m.KV.CompactRevision(), Hash: hash, File: file,
		Leases: m.Leases.List(), Attached: map[lease.ID][]string{},
		Alarms: fmt.Sprint(m.Alarms.List(pb.AlarmType_NONE)), Members: m.Members.String() + m.Members.Version(),
	}
	for _, l := range f.Leases {
		for _, key := range m.Leases.Keys(l.ID) {
			f.Attached[l.ID] = append(f.Attached[l.ID], string(key))
		}
	}
	return f
}

// scribe makes up requests, sensible ones and others, that the API would let into the log.
type scribe struct {
	r        *rand.Rand
	revision int64 // about where the store is
}

func (s *scribe) key() string { return fmt.Sprintf("k%d", s.r.IntN(12)) }

func (s *scribe) end() []byte {
	switch s.r.IntN(4) {
	case 0:
		return []byte{0}
	case 1:
		return []byte(s.key())
	}
	return nil
}

func (s *scribe) lease() int64 { return []int64{0, 0, 0, 1, 2, -3, 404}[s.r.IntN(7)] }

func (s *scribe) put() *pb.PutRequest {
	p := put(s.key(), fmt.Sprint(s.r.IntN(5)))
	p.Lease, p.PrevKv = s.lease(), s.r.IntN(3) == 0
	switch s.r.IntN(8) {
	case 0:
		p.Value, p.IgnoreValue = nil, true
	case 1:
		p.Lease, p.IgnoreLease = 0, true
	}
	return p
}

func (s *scribe) delete() *pb.DeleteRangeRequest {
	return &pb.DeleteRangeRequest{Key: []byte(s.key()), RangeEnd: s.end(), PrevKv: s.r.IntN(2) == 0}
}

func (s *scribe) rang() *pb.RangeRequest {
	r := &pb.RangeRequest{Key: []byte(s.key()), RangeEnd: s.end(), Limit: int64(s.r.IntN(3))}
	if s.r.IntN(4) == 0 {
		r.Revision = s.revision - int64(s.r.IntN(20)) + 2
	}
	r.SortOrder, r.SortTarget = pb.RangeRequest_SortOrder(s.r.IntN(3)), pb.RangeRequest_SortTarget(s.r.IntN(5))
	return r
}

func (s *scribe) compare() *pb.Compare {
	c := &pb.Compare{
		Key: []byte(s.key()), RangeEnd: s.end(),
		Result: pb.Compare_CompareResult(s.r.IntN(4)), Target: pb.Compare_CompareTarget(s.r.IntN(5)),
	}
	switch c.Target {
	case pb.Compare_VALUE:
		c.TargetUnion = &pb.Compare_Value{Value: []byte(fmt.Sprint(s.r.IntN(5)))}
	case pb.Compare_LEASE:
		c.TargetUnion = &pb.Compare_Lease{Lease: s.lease()}
	case pb.Compare_VERSION:
		c.TargetUnion = &pb.Compare_Version{Version: int64(s.r.IntN(4))}
	}
	return c
}

func (s *scribe) txn(depth int) *pb.TxnRequest {
	t := new(pb.TxnRequest)
	for range s.r.IntN(3) {
		t.Compare = append(t.Compare, s.compare())
	}
	for _, ops := range []*[]*pb.RequestOp{&t.Success, &t.Failure} {
		for range s.r.IntN(4) {
			switch n := s.r.IntN(6); {
			case n < 2:
				*ops = append(*ops, op(s.rang()))
			case n == 2:
				*ops = append(*ops, op(s.delete()))
			case n == 3 && depth > 0:
				*ops = append(*ops, op(s.txn(depth-1)))
			default:
				*ops = append(*ops, op(s.put()))
			}
		}
	}
	return t
}

func (s *scribe) next() *pb.InternalRaftRequest {
	switch n := s.r.IntN(100); {
	case n < 35:
		return entry(s.put())
	case n < 45:
		return entry(s.delete())
	case n < 75:
		return entry(s.txn(2))
	case n < 79:
		return entry(s.rang())
	case n < 83:
		return entry(&pb.CompactionRequest{Revision: s.revision - int64(s.r.IntN(30))})
	case n < 88:
		return entry(&pb.LeaseGrantRequest{ID: s.lease(), TTL: int64(s.r.IntN(1000)) - 10})
	case n < 92:
		return entry(&pb.LeaseRevokeRequest{ID: s.lease()})
	case n < 94:
		return entry(&pb.LeaseCheckpointRequest{Checkpoints: []*pb.LeaseCheckpoint{{ID: s.lease(), Remaining_TTL: 5}, {ID: s.lease()}}})
	case n < 97:
		action := []pb.AlarmRequest_AlarmAction{pb.AlarmRequest_GET, pb.AlarmRequest_ACTIVATE, pb.AlarmRequest_DEACTIVATE, pb.AlarmRequest_DEACTIVATE}[s.r.IntN(4)]
		return entry(&pb.AlarmRequest{Action: action, MemberID: 1, Alarm: pb.AlarmType(s.r.IntN(3))})
	case n < 98:
		return &pb.InternalRaftRequest{ClusterVersionSet: &membershippb.ClusterVersionSetRequest{Ver: "3.7.0"}}
	default:
		return &pb.InternalRaftRequest{DowngradeInfoSet: &membershippb.DowngradeInfoSetRequest{Enabled: n == 99, Ver: "3.6.0"}}
	}
}

// TestTheStateIsAFunctionOfTheLog applies one list of requests to three states that share nothing else: one on which
// somebody waits for every result and every batch goes to the file at once, one that nobody listens to and that writes
// late, and one that is closed and opened again all the time.
//
// etcd#13766: a file that says it covers an entry must hold its changes. etcd#18667: members that skip reads, or have
// compacted at another pace, must decide alike.
func TestTheStateIsAFunctionOfTheLog(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := NewWithT(t)
			s := scribe{r: rand.New(rand.NewPCG(seed, 7))}
			path := filepath.Join(t.TempDir(), "db")
			listened := openMachine(t, filepath.Join(t.TempDir(), "db"), backend.Options{BatchInterval: time.Millisecond, BatchLimit: 1})
			lonely := openMachine(t, filepath.Join(t.TempDir(), "db"), backend.Options{BatchInterval: time.Hour, BatchLimit: 1 << 20})
			restarted := openMachine(t, path, backend.Options{})
			var physical []Result
			for n := range 400 {
				s.revision = listened.KV.Revision()
				r := s.next()
				first := listened.Apply(proto.CloneOf(r), 1, true)
				second := lonely.Apply(proto.CloneOf(r), 1, false)
				third := restarted.Apply(proto.CloneOf(r), 1, true)
				listened.commit()
				if n%64 == 63 {
					lonely.commit()
				}
				restarted.commit()
				// A read that nobody waits for is not done, so that its refusal shows on one side only.
				if r.Range == nil {
					w.Expect(errors.Is(second.Err, first.Err)).To(BeTrue(), "request %d %v: %v and %v", n, r, first.Err, second.Err)
				}
				w.Expect(errors.Is(third.Err, first.Err)).To(BeTrue(), "request %d %v: %v and %v", n, r, first.Err, third.Err)
				if response, ok := first.Response.(proto.Message); ok {
					w.Expect(proto.Equal(response, third.Response.(proto.Message))).To(BeTrue(), "request %d %v: %v and %v", n, r, response, third.Response)
				}
				if first.Physical != nil {
					physical = append(physical, first, second)
				}
				if n%50 == 49 {
					restarted.close()
					restarted = openMachine(t, path, backend.Options{})
				}
			}
			lonely.commit()
			for _, result := range physical {
				removed(t, result)
			}
			restarted.close()
			restarted = openMachine(t, path, backend.Options{})
			want := listened.fingerprint(t)
			w.Expect(lonely.fingerprint(t)).To(Equal(want))
			w.Eventually(func() fingerprint { return restarted.fingerprint(t) }, "10s").Should(Equal(want), "its last compaction is resumed")
			for revision := max(want.Compacted, 1); revision <= want.Revision; revision++ {
				w.Expect(fmt.Sprint(lonely.all(t, revision))).To(Equal(fmt.Sprint(listened.all(t, revision))))
			}
		})
	}
}
