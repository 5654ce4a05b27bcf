package inspect

import (
	"encoding/json"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/leasepb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/roster"
	"quoin.dev/storage/wal"
)

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func revision(main int64, tombstone bool) []byte {
	return backend.AppendRevisionKey(nil, backend.Revision{Main: main, Sub: 1}, tombstone)
}

func TestRows(t *testing.T) {
	kv := &mvccpb.KeyValue{Key: []byte("a key"), CreateRevision: 3, ModRevision: 7, Version: 2, Lease: 0xabc, Value: []byte("a long value")}
	s := Style{ValueBytes: 6}
	for _, c := range []struct {
		bucket, want string
		key, value   []byte
	}{
		{"key", `bucket=key revision=7.1 key="a key" create=3 version=2 lease=0000000000000abc bytes=12 value="a long… (12 bytes)"`, revision(7, false), encode(t, kv)},
		{"key", `bucket=key revision=8.1 deleted="a key"`, revision(8, true), encode(t, &mvccpb.KeyValue{Key: kv.Key})},
		{"key", `bucket=key revision=9.1 bump=true`, revision(9, false), nil},
		{"key", `bucket=key key=x value=0xff00 problem="revision key 78 has 1 bytes, expected 17 or 18"`, []byte("x"), []byte{0xff, 0}},
		{"meta", `bucket=meta key=consistent_index value=513`, []byte("consistent_index"), []byte{0, 0, 0, 0, 0, 0, 2, 1}},
		{"meta", `bucket=meta key=term value=short problem="5 bytes, expected the 8 of a number"`, []byte("term"), []byte("short")},
		{"meta", `bucket=meta key=finishedCompactRev value=5`, []byte("finishedCompactRev"), revision(5, false)},
		{"meta", `bucket=meta key=storageVersion value=3.7.0`, []byte("storageVersion"), []byte("3.7.0")},
		{"lease", `bucket=lease lease=0000000000000005 ttl=60 remaining=7`, []byte{0, 0, 0, 0, 0, 0, 0, 5}, encode(t, &leasepb.Lease{ID: 5, TTL: 60, RemainingTTL: 7})},
		{"alarm", `bucket=alarm member=1f alarm=NOSPACE`, encode(t, &pb.AlarmMember{MemberID: 31, Alarm: pb.AlarmType_NOSPACE}), nil},
		{"members", `bucket=members key=1f value={"id":10276657743932975437}`, []byte("1f"), []byte(`{"id":10276657743932975437}`)},
		{"auth", `bucket=auth key=authEnabled value=true`, []byte("authEnabled"), []byte{1}},
		{"authUsers", `bucket=authUsers key=bob name=bob password="(not shown)" roles=[r1 r2]`, []byte("bob"),
			encode(t, &authpb.User{Name: []byte("bob"), Password: []byte("$2a$hash"), Roles: []string{"r1", "r2"}})},
		{"future", `bucket=future key=k value=v`, []byte("k"), []byte("v")},
	} {
		row := s.Row(c.bucket, c.key, c.value)
		if got := row.String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if b, err := json.Marshal(row); err != nil || !json.Valid(b) || !strings.HasPrefix(string(b), `{"bucket":"`+c.bucket+`"`) {
			t.Errorf("%s: as JSON %s, %v", c.want, b, err)
		}
	}
}

func TestRecords(t *testing.T) {
	put := &pb.InternalRaftRequest{Header: &pb.RequestHeader{ID: 9}, Put: &pb.PutRequest{Key: []byte("k"), Value: []byte("é\xff")}}
	normal := func(data []byte) *raftpb.Entry {
		return &raftpb.Entry{Index: new(uint64(4)), Term: new(uint64(2)), Type: raftpb.EntryNormal.Enum(), Data: data}
	}
	change := normal(encode(t, roster.AddChange(roster.Member{ID: 1, PeerURLs: []string{"http://h:1"}})))
	change.Type = raftpb.EntryConfChange.Enum()
	place := `segment=0-1.wal offset=80 type=`
	for _, c := range []struct {
		record wal.Record
		want   string
	}{
		{wal.Record{CRC: 0xab}, `crc crc=000000ab`},
		{wal.Record{Metadata: encode(t, &pb.Metadata{NodeID: new(uint64(0x1f)), ClusterID: new(uint64(0xcd))})}, `metadata member=1f cluster=cd`},
		{wal.Record{Entry: normal(encode(t, put))}, `entry index=4 term=2 header={ID=9} put={key=k value=0xc3a9ff}`},
		{wal.Record{Entry: normal(nil)}, `entry index=4 term=2 request="none: a leader began its term"`},
		{wal.Record{Entry: change}, `entry index=4 term=2 change=ConfChangeAddNode member=1 context={"id":1,"peerURLs":["http://h:1"]}`},
		{wal.Record{HardState: &raftpb.HardState{Term: new(uint64(2)), Vote: new(uint64(31)), Commit: new(uint64(3))}}, `state term=2 vote=1f commit=3`},
		{wal.Record{Mark: &wal.Mark{Index: 3, Term: 2, ConfState: &raftpb.ConfState{Voters: []uint64{1, 31}, Learners: []uint64{5}}}},
			`snapshot index=3 term=2 voters=[1 1f] learners=[5]`},
	} {
		c.record.Path, c.record.Offset = "/d/0-1.wal", 80
		if got := (Style{}).Record(c.record).String(); got != place+c.want {
			t.Errorf("got  %s\nwant %s", got, place+c.want)
		}
	}
}

func TestSnapshot(t *testing.T) {
	image := roster.EncodeImage([]roster.Member{{ID: 31, Name: "n", PeerURLs: []string{"http://h:1"}, ClientURLs: []string{"http://c:1"}}}, []uint64{7}, "3.7.0")
	s := &raftpb.Snapshot{Data: image, Metadata: &raftpb.SnapshotMetadata{Index: new(uint64(9)), Term: new(uint64(2)),
		ConfState: &raftpb.ConfState{Voters: []uint64{31}}}}
	want := `file=x.snap index=9 term=2 voters=[1f] version=3.7.0 members=[{id=1f name=n peerURLs=[http://h:1] clientURLs=[http://c:1] learner=false}] removed=[7]`
	if got := (Style{}).Snapshot("/d/x.snap", s).String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Whatever a request or a row holds that could be used to log in must not be shown. A new field has to be thought of here.
func TestSecretsAreKnown(t *testing.T) {
	harmless := map[protoreflect.FullName]bool{
		"authpb.UserAddOptions.no_password":                          true,
		"etcdserverpb.InternalRaftRequest.auth_user_change_password": true,
	}
	seen := map[protoreflect.FullName]bool{}
	var look func(m protoreflect.MessageDescriptor)
	look = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			name := strings.ToLower(string(f.Name()))
			if (strings.Contains(name, "password") || strings.Contains(name, "token")) && !secret[f.Name()] && !harmless[f.FullName()] {
				t.Errorf("%s is shown", f.FullName())
			}
			if f.Message() != nil {
				look(f.Message())
			}
		}
	}
	look((*pb.InternalRaftRequest)(nil).ProtoReflect().Descriptor())
	look((*authpb.User)(nil).ProtoReflect().Descriptor())
	look((*authpb.Role)(nil).ProtoReflect().Descriptor())
	if len(seen) < 30 {
		t.Errorf("only %d messages were looked at", len(seen))
	}
	request := &pb.InternalRaftRequest{Authenticate: &pb.InternalAuthenticateRequest{Name: "bob", Password: "geheim", SimpleToken: "geheim"}}
	e := &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Data: encode(t, request)}
	if got := (Style{}).Entry(e).String(); strings.Contains(got, "geheim") || !strings.Contains(got, "bob") {
		t.Errorf("it shows %s", got)
	}
}
