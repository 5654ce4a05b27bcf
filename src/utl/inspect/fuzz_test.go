package inspect

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/leasepb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/storage/roster"
	"quoin.dev/storage/wal"
)

// shown holds what was rendered to its form.
func shown(t *testing.T, p Pairs) {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil || !json.Valid(b) || p.String() == "" {
		t.Errorf("%q, as JSON %s, %v", p, b, err)
	}
}

// FuzzRow: a row of any bucket is shown, whatever is in it.
func FuzzRow(f *testing.F) {
	buckets := slices.Sorted(maps.Keys(decoders))
	at := func(bucket string) int { return slices.Index(buckets, bucket) }
	f.Add(at("key"), 6, revision(7, false), encode(f, &mvccpb.KeyValue{Key: []byte("k"), ModRevision: 7}))
	f.Add(at("key"), 0, revision(8, true), encode(f, &mvccpb.KeyValue{Key: []byte{0xff, 0}}))
	f.Add(at("meta"), 0, []byte("consistent_index"), []byte{0, 0, 0, 0, 0, 0, 2, 1})
	f.Add(at("meta"), 0, []byte("confState"), []byte(`{"voters":[1]}`))
	f.Add(at("lease"), 0, []byte{0, 0, 0, 0, 0, 0, 0, 5}, encode(f, &leasepb.Lease{ID: 5}))
	f.Add(at("alarm"), 0, encode(f, &pb.AlarmMember{MemberID: 1, Alarm: pb.AlarmType_CORRUPT}), []byte{})
	f.Add(at("members"), 0, []byte("1f"), []byte(`{"id":1}`))
	f.Add(at("auth"), 0, []byte("authEnabled"), []byte{1})
	f.Add(at("authUsers"), 1, []byte("bob"), encode(f, &authpb.User{Name: []byte("bob"), Password: []byte("hash")}))
	f.Add(at("authRoles"), 0, []byte("r"), encode(f, &authpb.Role{Name: []byte("r"), KeyPermission: []*authpb.Permission{{Key: []byte("k")}}}))
	f.Fuzz(func(t *testing.T, bucket, valueBytes int, key, value []byte) {
		shown(t, Style{ValueBytes: max(valueBytes, 0)}.Row(buckets[uint(bucket)%uint(len(buckets))], key, value))
	})
}

// FuzzRecord: so is what the log and the snapshots hold.
func FuzzRecord(f *testing.F) {
	f.Add(uint8(0), encode(f, &pb.InternalRaftRequest{Header: &pb.RequestHeader{ID: 9}, Put: &pb.PutRequest{Key: []byte("k")}}))
	f.Add(uint8(1), encode(f, roster.AddChange(roster.Member{ID: 1, PeerURLs: []string{"http://h:1"}})))
	f.Add(uint8(2), []byte{})
	f.Add(uint8(3), encode(f, &pb.Metadata{NodeID: new(uint64(1))}))
	f.Add(uint8(4), roster.EncodeImage([]roster.Member{{ID: 1, Name: "a"}}, []uint64{2}, "3.7.0"))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		s := Style{}
		switch kind {
		case 0, 1, 2:
			entry := &raftpb.Entry{Index: new(uint64(4)), Term: new(uint64(2)), Type: raftpb.EntryType(kind).Enum(), Data: data}
			shown(t, s.Record(wal.Record{Entry: entry}))
		case 3:
			shown(t, s.Record(wal.Record{Metadata: data}))
		default:
			shown(t, s.Snapshot("a.snap", &raftpb.Snapshot{Data: data}))
		}
	})
}
