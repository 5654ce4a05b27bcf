package command_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "quoin.dev/api/etcdserverpb"
)

func TestRequestsOfKVCommands(t *testing.T) {
	s := startServer(t)
	key := func(k string) []byte { return []byte(k) }
	for line, want := range map[string]proto.Message{
		"put k v":                                     &pb.PutRequest{Key: key("k"), Value: key("v")},
		"put k v ignored":                             &pb.PutRequest{Key: key("k"), Value: key("v")},
		"put --prev-kv k v":                           &pb.PutRequest{Key: key("k"), Value: key("v"), PrevKv: true},
		"put --lease=1f k v":                          &pb.PutRequest{Key: key("k"), Value: key("v"), Lease: 0x1f},
		"put --ignore-value --lease=1 k":              &pb.PutRequest{Key: key("k"), IgnoreValue: true, Lease: 1},
		"put --ignore-lease k v":                      &pb.PutRequest{Key: key("k"), Value: key("v"), IgnoreLease: true},
		"get k":                                       &pb.RangeRequest{Key: key("k")},
		"ge k":                                        &pb.RangeRequest{Key: key("k")},
		"get k z":                                     &pb.RangeRequest{Key: key("k"), RangeEnd: key("z")},
		"get k z ignored":                             &pb.RangeRequest{Key: key("k"), RangeEnd: key("z")},
		"get --prefix k":                              &pb.RangeRequest{Key: key("k"), RangeEnd: key("l")},
		"get --from-key k":                            &pb.RangeRequest{Key: key("k"), RangeEnd: key("\x00")},
		"get --consistency=s k":                       &pb.RangeRequest{Key: key("k"), Serializable: true},
		"get --rev=7 --limit=3 k":                     &pb.RangeRequest{Key: key("k"), Revision: 7, Limit: 3},
		"get --rev=-1 k":                              &pb.RangeRequest{Key: key("k")},
		"get --keys-only k":                           &pb.RangeRequest{Key: key("k"), KeysOnly: true},
		"get --count-only -w fields k":                &pb.RangeRequest{Key: key("k"), CountOnly: true},
		"get --stream k":                              &pb.RangeRequest{Key: key("k")},
		"get --order=descend k":                       &pb.RangeRequest{Key: key("k"), SortOrder: pb.RangeRequest_DESCEND},
		"get --sort-by=modify k":                      &pb.RangeRequest{Key: key("k"), SortTarget: pb.RangeRequest_MOD},
		"get --sort-by=VERSION k":                     &pb.RangeRequest{Key: key("k"), SortTarget: pb.RangeRequest_VERSION},
		"get --sort-by=CREATE k":                      &pb.RangeRequest{Key: key("k"), SortTarget: pb.RangeRequest_CREATE},
		"get --sort-by=VALUE --order=ASCEND k":        &pb.RangeRequest{Key: key("k"), SortTarget: pb.RangeRequest_VALUE, SortOrder: pb.RangeRequest_ASCEND},
		"get --min-mod-rev=1 --max-mod-rev=2 k":       &pb.RangeRequest{Key: key("k"), MinModRevision: 1, MaxModRevision: 2},
		"get --min-create-rev=3 --max-create-rev=4 k": &pb.RangeRequest{Key: key("k"), MinCreateRevision: 3, MaxCreateRevision: 4},
		"del k":                       &pb.DeleteRangeRequest{Key: key("k")},
		"del --range k z":             &pb.DeleteRangeRequest{Key: key("k"), RangeEnd: key("z")},
		"del --prefix --prev-kv k":    &pb.DeleteRangeRequest{Key: key("k"), RangeEnd: key("l"), PrevKv: true},
		"del --from-key k":            &pb.DeleteRangeRequest{Key: key("k"), RangeEnd: key("\x00")},
		"compaction 9":                &pb.CompactionRequest{Revision: 9},
		"compaction --physical 9":     &pb.CompactionRequest{Revision: 9, Physical: true},
		"member list":                 &pb.MemberListRequest{Linearizable: true},
		"member list --consistency=s": &pb.MemberListRequest{},
		"endpoint status":             &pb.StatusRequest{},
		"endpoint hashkv --rev=8":     &pb.HashKVRequest{Revision: 8},
	} {
		r := s.run("", strings.Fields(line)...)
		if r.code != 0 || r.stderr != "" || r.paused != 0 {
			t.Errorf("%s: exit code %d, stderr %q, paused %s", line, r.code, r.stderr, r.paused)
		}
		if asked := s.asked(); len(asked) != 1 || !proto.Equal(asked[0], want) {
			t.Errorf("%s: sent %v, want %v", line, asked, want)
		}
	}
}

func TestEveryKeyIsAnInterval(t *testing.T) {
	s := startServer(t)
	all := []byte{0}
	s.run("", "get", "", "--prefix")
	checkAsked(t, s, &pb.RangeRequest{Key: all, RangeEnd: all})
	s.run("", "get", "", "--from-key")
	checkAsked(t, s, &pb.RangeRequest{Key: all, RangeEnd: all})
	s.run("", "del", "", "--prefix")
	checkAsked(t, s, &pb.DeleteRangeRequest{Key: all, RangeEnd: all})
}

func TestPutReadsStdin(t *testing.T) {
	s := startServer(t)
	if r := s.run("line\n", "put", "k"); r.stdout != "OK\n" {
		t.Errorf("%+v", r)
	}
	checkAsked(t, s, &pb.PutRequest{Key: []byte("k"), Value: []byte("line\n")})

	if r := s.run("unread", "put", "k", ""); r.stdout != "OK\n" {
		t.Errorf("%+v", r)
	}
	checkAsked(t, s, &pb.PutRequest{Key: []byte("k")})
}

func TestKeysThatLookLikeFlags(t *testing.T) {
	s := startServer(t)
	if r := runWith(nil, "", "put", "--endpoints", s.address, "--", "-k", "-v"); r.stdout != "OK\n" {
		t.Errorf("%+v", r)
	}
	checkAsked(t, s, &pb.PutRequest{Key: []byte("-k"), Value: []byte("-v")})
}

func TestGetStreamIsPutTogether(t *testing.T) {
	s := startServer(t)
	r := s.run("", "get", "k", "--stream", "-w", "json")
	kv := `{"key":"aw==","create_revision":2,"mod_revision":3,"version":2,"value":"dg=="}`
	want := `{"header":{"cluster_id":1,"member_id":2,"revision":3,"raft_term":4},"kvs":[` + kv + "," + kv + `],"more":true,"count":5}` + "\n"
	if r.stdout != want {
		t.Errorf("got  %swant %s", r.stdout, want)
	}
}

func TestDelOfAnIntervalWarnsAndPauses(t *testing.T) {
	s := startServer(t)
	r := s.run("", "del", "a", "b")
	if r.code != 0 || r.paused != 2*time.Second || r.stdout != "1\n" {
		t.Errorf("%+v", r)
	}
	if !strings.HasPrefix(r.stderr, `Warning: Keys between "a" and "b" will be deleted.`) {
		t.Errorf("stderr %q", r.stderr)
	}
	checkAsked(t, s, &pb.DeleteRangeRequest{Key: []byte("a"), RangeEnd: []byte("b")})
}

func TestTxn(t *testing.T) {
	s := startServer(t)
	input := "val(\"a\") = \"x y\"\nmod(\"b\") > \"3\"\n\n" +
		"put a \"1 2\" --prev-kv\nge b --prefix --print-value-only\n\n" +
		"del c --from-key\ndel d e --range\n\n"
	r := s.run(input, "txn")
	if r.code != 0 || r.stdout != "SUCCESS\n" {
		t.Errorf("%+v", r)
	}
	checkAsked(t, s, &pb.TxnRequest{
		Compare: []*pb.Compare{
			{Key: []byte("a"), Target: pb.Compare_VALUE, TargetUnion: &pb.Compare_Value{Value: []byte("x y")}},
			{
				Key: []byte("b"), Target: pb.Compare_MOD, Result: pb.Compare_GREATER,
				TargetUnion: &pb.Compare_ModRevision{ModRevision: 3},
			},
		},
		Success: []*pb.RequestOp{
			{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte("a"), Value: []byte("1 2"), PrevKv: true}}},
			{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("b"), RangeEnd: []byte("c")}}},
		},
		Failure: []*pb.RequestOp{
			{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte("c"), RangeEnd: []byte{0}}}},
			{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte("d"), RangeEnd: []byte("e")}}},
		},
	})

	r = s.run("\r\nget a\r\n\r\n\r\n", "txn", "-i")
	if want := "compares:\nsuccess requests (get, put, del):\nfailure requests (get, put, del):\nSUCCESS\n"; r.stdout != want {
		t.Errorf("interactive: got %q", r.stdout)
	}
}
