package words_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/api/v3lockpb"
	"quoin.dev/quoin/robustness/report/words"
)

var (
	head  = &pb.ResponseHeader{Revision: 17}
	putKV = &pb.PutRequest{Key: []byte("k"), Value: []byte("v")}
	getK  = &pb.RangeRequest{Key: []byte("k")}
)

func TestRequests(t *testing.T) {
	for want, request := range map[string]proto.Message{
		"nothing": nil,
		"put k=v": putKV,
		"put k=\"\" on lease 1f with what was there": &pb.PutRequest{Key: []byte("k"), Lease: 31, PrevKv: true},
		"put k keeping its value keeping its lease":  &pb.PutRequest{Key: []byte("k"), IgnoreValue: true, IgnoreLease: true},
		"get k": getK,
		"get keys of k* at rev 5, first 3, by mod descend (serializable)": &pb.RangeRequest{
			Key: []byte("k"), RangeEnd: []byte("l"), Revision: 5, Limit: 3, KeysOnly: true, Serializable: true,
			SortOrder: pb.RangeRequest_DESCEND, SortTarget: pb.RangeRequest_MOD,
		},
		"get number of all keys": &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}, CountOnly: true},
		"delete [a, c)":          &pb.DeleteRangeRequest{Key: []byte("a"), RangeEnd: []byte("c")},
		"delete [a, …)":          &pb.DeleteRangeRequest{Key: []byte("a"), RangeEnd: []byte{0}},
		"compact to rev 9":       &pb.CompactionRequest{Revision: 9},
		"grant lease a for 5 s":  &pb.LeaseGrantRequest{ID: 10, TTL: 5},
		"revoke lease a":         &pb.LeaseRevokeRequest{ID: 10},
		"renew lease a":          &pb.LeaseKeepAliveRequest{ID: 10},
		"watch k* from rev 3 nodelete with what was there": &pb.WatchCreateRequest{
			Key: []byte("k"), RangeEnd: []byte("l"), StartRevision: 3, PrevKv: true,
			Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NODELETE},
		},
		"auth user add name=ann":    &pb.AuthUserAddRequest{Name: "ann", Password: "secret"},
		"lock name=\"a b\" lease=7": &v3lockpb.LockRequest{Name: []byte("a b"), Lease: 7},
		"auth role grant permission name=r perm={permtype=readwrite key=a}": &pb.AuthRoleGrantPermissionRequest{
			Name: "r", Perm: &authpb.Permission{PermType: authpb.Permission_READWRITE, Key: []byte("a")},
		},
	} {
		if got := words.Request(request); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	for _, m := range []proto.Message{
		&pb.AuthenticateRequest{Name: "ann", Password: "secret"}, &pb.AuthUserChangePasswordRequest{Name: "ann", HashedPassword: "secret"},
	} {
		if got := words.Request(m); strings.Contains(got, "secret") || !strings.Contains(got, "ann") {
			t.Error(got)
		}
	}
	if got := words.Response(&pb.AuthenticateResponse{Header: head, Token: "secret"}); got != "rev 17" {
		t.Error(got)
	}
}

func TestTransactionsShowBothBranches(t *testing.T) {
	op := func(r *pb.RangeRequest) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
	}
	inner := &pb.TxnRequest{Success: []*pb.RequestOp{op(getK)}}
	got := words.Request(&pb.TxnRequest{
		Compare: []*pb.Compare{
			{Key: []byte("k"), Target: pb.Compare_VALUE, TargetUnion: &pb.Compare_Value{Value: []byte("v")}},
			{Key: []byte("k"), Target: pb.Compare_MOD, Result: pb.Compare_GREATER, TargetUnion: &pb.Compare_ModRevision{ModRevision: 3}},
		},
		Success: []*pb.RequestOp{
			{Request: &pb.RequestOp_RequestPut{RequestPut: putKV}},
			{Request: &pb.RequestOp_RequestTxn{RequestTxn: inner}},
		},
		Failure: []*pb.RequestOp{op(getK)},
	})
	if want := "if value(k) = v and mod(k) > 3 then put k=v; (do get k) else get k"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestResponses(t *testing.T) {
	kv := &mvccpb.KeyValue{Key: []byte("k"), Value: []byte("u"), ModRevision: 12}
	for want, response := range map[string]proto.Message{
		"nothing":                nil,
		"rev 17":                 &pb.PutResponse{Header: head},
		"rev 17, was k=u@12":     &pb.PutResponse{Header: head, PrevKv: kv},
		"k=u@12, rev 17":         &pb.RangeResponse{Header: head, Kvs: []*mvccpb.KeyValue{kv}, Count: 1},
		"1 of 9: k=u@12, rev 17": &pb.RangeResponse{Header: head, Kvs: []*mvccpb.KeyValue{kv}, Count: 9},
		"9 keys, rev 17":         &pb.RangeResponse{Header: head, Count: 9},
		"none, rev 17":           &pb.RangeResponse{Header: head},
		"2 deleted, rev 17":      &pb.DeleteRangeResponse{Header: head, Deleted: 2},
		"else: k=u@12, rev 17": &pb.TxnResponse{Header: head, Responses: []*pb.ResponseOp{
			{Response: &pb.ResponseOp_ResponseRange{ResponseRange: &pb.RangeResponse{Kvs: []*mvccpb.KeyValue{kv}, Count: 1}}},
		}},
		"then: put, rev 17": &pb.TxnResponse{Header: head, Succeeded: true, Responses: []*pb.ResponseOp{
			{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{}}},
		}},
		"lease a for 5 s, rev 17":             &pb.LeaseGrantResponse{Header: head, ID: 10, TTL: 5},
		"the lease is gone, rev 17":           &pb.LeaseKeepAliveResponse{Header: head, ID: 10},
		"no such lease, rev 17":               &pb.LeaseTimeToLiveResponse{Header: head, TTL: -1},
		"3 s of 5 s left, k, rev 17":          &pb.LeaseTimeToLiveResponse{Header: head, TTL: 3, GrantedTTL: 5, Keys: [][]byte{[]byte("k")}},
		"put k=u@12, delete k@13":             &pb.WatchResponse{Events: []*mvccpb.Event{{Kv: kv}, {Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: 13}}}},
		"canceled, compacted to rev 4":        &pb.WatchResponse{Canceled: true, CompactRevision: 4},
		"progress, rev 17":                    &pb.WatchResponse{Header: head},
		"done":                                &pb.CompactionResponse{},
		"enabled=true authrevision=3, rev 17": &pb.AuthStatusResponse{Header: head, Enabled: true, AuthRevision: 3},
	} {
		if got := words.Response(response); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestEventsAndKeys(t *testing.T) {
	kv := &mvccpb.KeyValue{Key: []byte("k"), Value: []byte("u"), ModRevision: 12}
	many := make([]*mvccpb.Event, 6)
	for i := range many {
		many[i] = &mvccpb.Event{Kv: kv}
	}
	for want, got := range map[string]string{
		"nothing":    words.Events(nil),
		"put k=u@12": words.Events(many[:1]),
		"k=u@12":     words.KeyValue(kv),
		"none":       words.KeyValue(nil),
		"put k=u@12, put k=u@12, put k=u@12, put k=u@12, 2 more events": words.Events(many),
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestWhateverIsInAKeyItIsShortAndPlain(t *testing.T) {
	for _, key := range []string{"\x00\xff", "a\u202eb", "<script>", strings.Repeat("\xf0", 1000), "\n\n", "ключ"} {
		got := words.Request(&pb.PutRequest{Key: []byte(key), Value: []byte(key)})
		for _, r := range got {
			if r > 126 && r != '…' || r < 32 {
				t.Errorf("%q holds %q", got, r)
			}
		}
		if utf8.RuneCountInString(got) > 400 {
			t.Errorf("%d runes for %d bytes", utf8.RuneCountInString(got), len(key))
		}
	}
	if got := words.Text("a\u202eb\xffc\x1b[31m\nd", 8); got != "a\ufffdb\ufffdc\ufffd[3…" {
		t.Errorf("%q", got)
	}
}
