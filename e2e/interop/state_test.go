package interop

import (
	"slices"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"quoin.dev/quoin/e2e/interop/lab"
)

// state is what clients can read of a store: everything at several revisions with the hash of each.
type state struct {
	revision  int64
	compacted int64
	hashes    map[int64]uint32
	kvs       map[int64]*pb.RangeResponse
}

// everything is the range of all keys.
func everything(revision int64) *pb.RangeRequest {
	return &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}, Revision: revision}
}

// readState reads at most five revisions between compacted, not included, and the present, which is read in any case: the last
// request may have been to compact it.
//
// The hash at exactly the compacted revision is not read: the process that compacted remembers the hash from before, and
// another one computes it anew.
func readState(t *testing.T, m *lab.Member, compacted int64) *state {
	t.Helper()
	conn := m.Conn(t)
	now, err := pb.NewKVClient(conn).Range(t.Context(), everything(0))
	if err != nil {
		t.Fatal(err)
	}
	s := &state{revision: now.Header.Revision, compacted: compacted, hashes: map[int64]uint32{}, kvs: map[int64]*pb.RangeResponse{}}
	const parts = 4
	behind := max(0, s.revision-compacted-1)
	for i := range int64(parts + 1) {
		rev := s.revision - behind*i/parts
		if rev > compacted {
			hash, err := pb.NewMaintenanceClient(conn).HashKV(t.Context(), &pb.HashKVRequest{Revision: rev})
			if err != nil {
				t.Fatalf("HashKV at %d: %v", rev, err)
			}
			s.hashes[rev] = hash.Hash
		}
		kvs, err := pb.NewKVClient(conn).Range(t.Context(), everything(rev))
		if err != nil {
			t.Fatalf("range at %d: %v", rev, err)
		}
		kvs.Header = nil
		s.kvs[rev] = kvs
	}
	return s
}

// expectState compares what a member holds now with what was read before.
func expectState(t *testing.T, m *lab.Member, want *state) {
	t.Helper()
	conn := m.Conn(t)
	for rev, kvs := range want.kvs {
		got, err := pb.NewKVClient(conn).Range(t.Context(), everything(rev))
		if err != nil {
			t.Fatalf("%s: range at revision %d: %v", m.Kind, rev, err)
		}
		if got.Header.Revision != want.revision {
			t.Fatalf("%s is at revision %d, expected %d", m.Kind, got.Header.Revision, want.revision)
		}
		got.Header = nil
		if !proto.Equal(got, kvs) {
			t.Errorf("%s: keys at revision %d differ: %d and %d of them", m.Kind, rev, len(got.Kvs), len(kvs.Kvs))
		}
		hash, err := pb.NewMaintenanceClient(conn).HashKV(t.Context(), &pb.HashKVRequest{Revision: rev})
		if err != nil {
			t.Fatalf("%s: HashKV at %d: %v", m.Kind, rev, err)
		}
		if w, ok := want.hashes[rev]; ok && hash.Hash != w {
			t.Errorf("%s: HashKV at revision %d is %d, expected %d", m.Kind, rev, hash.Hash, w)
		}
	}
}

// compareHashes compares HashKV of two members at the head and at some revisions back, errors included. Revisions up to
// the compacted one are left out: what is answered there changes when compactions end in the background. The head is asked
// for by its number, not as 0: once etcd has compacted revision 0 it takes 0 for that revision, and answers with the hash
// of nothing until it is started again. Quoin answers with the hash of the head.
func compareHashes(t *testing.T, a, b *lab.Member, compacted int64) {
	t.Helper()
	probe, err := pb.NewKVClient(a.Conn(t)).Range(t.Context(), everything(0))
	if err != nil {
		t.Fatal(err)
	}
	head := probe.Header.Revision
	ca, cb := pb.NewMaintenanceClient(a.Conn(t)), pb.NewMaintenanceClient(b.Conn(t))
	revisions := []int64{head, head - 1, head - 10, compacted + 1, head + 1}
	slices.Sort(revisions)
	for _, rev := range slices.Compact(revisions) {
		if rev <= compacted {
			continue
		}
		x, errX := ca.HashKV(t.Context(), &pb.HashKVRequest{Revision: rev})
		y, errY := cb.HashKV(t.Context(), &pb.HashKVRequest{Revision: rev})
		if errX != nil || errY != nil {
			if errX == nil || errY == nil || errX.Error() != errY.Error() {
				t.Fatalf("HashKV at %d: %v, %v", rev, errX, errY)
			}
			continue
		}
		if x.Hash != y.Hash || x.CompactRevision != y.CompactRevision || x.HashRevision != y.HashRevision || x.Header.Revision != y.Header.Revision {
			t.Fatalf("HashKV at %d differs: %v, %v", rev, x, y)
		}
	}
}
