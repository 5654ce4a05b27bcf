package randomkv

import (
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func kv(key string, version, lease int64) *mvccpb.KeyValue {
	return &mvccpb.KeyValue{Key: []byte(key), Version: version, Lease: lease}
}

func TestDifference(t *testing.T) {
	plain := &pb.RangeRequest{Key: []byte("a")}
	byVersion := &pb.RangeRequest{Key: []byte("a"), SortTarget: pb.RangeRequest_VERSION}
	keysOnly := &pb.RangeRequest{Key: []byte("a"), KeysOnly: true}
	response := func(more bool, member uint64, kvs ...*mvccpb.KeyValue) Answer {
		return Answer{Response: &pb.RangeResponse{Header: &pb.ResponseHeader{MemberId: member, Revision: 3}, Kvs: kvs, More: more}}
	}
	fail := func(code codes.Code, text string) Answer { return Answer{Err: status.Error(code, text)} }
	for _, c := range []struct {
		name    string
		request *pb.RangeRequest
		a, b    Answer
		equal   bool
	}{
		{"ids are not compared", plain, response(false, 1, kv("a", 1, 0)), response(false, 2, kv("a", 1, 0)), true},
		{"order without sorting", plain, response(false, 1, kv("a", 1, 0), kv("b", 1, 0)), response(false, 1, kv("b", 1, 0), kv("a", 1, 0)), false},
		{"order of ties", byVersion, response(false, 1, kv("a", 1, 0), kv("b", 1, 0)), response(false, 1, kv("b", 1, 0), kv("a", 1, 0)), true},
		{"order by target", byVersion, response(false, 1, kv("a", 1, 0), kv("b", 2, 0)), response(false, 1, kv("b", 2, 0), kv("a", 1, 0)), false},
		{"ties at the cut", byVersion, response(true, 1, kv("a", 1, 0), kv("b", 2, 0)), response(true, 1, kv("a", 1, 0), kv("c", 2, 0)), true},
		{"ties before the cut", byVersion, response(true, 1, kv("a", 1, 0), kv("b", 2, 0)), response(true, 1, kv("c", 1, 0), kv("b", 2, 0)), false},
		{"lease", plain, response(false, 1, kv("a", 1, 7)), response(false, 1, kv("a", 1, 0)), false},
		{"lease of keys only", keysOnly, response(false, 1, kv("a", 1, 7)), response(false, 1, kv("a", 1, 0)), true},
		{"error and none", plain, fail(codes.Unknown, "x"), response(false, 1), false},
		{"error text", plain, fail(codes.Unknown, "x"), fail(codes.Unknown, "y"), false},
		{"error code", plain, fail(codes.Unknown, "x"), fail(codes.NotFound, "x"), false},
		{"same error", plain, fail(codes.NotFound, "x"), fail(codes.NotFound, "x"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Difference(c.request, c.a, c.b); (got == "") != c.equal {
				t.Errorf("difference = %q", got)
			}
		})
	}
}

func TestSameSeedSameRequests(t *testing.T) {
	a, b := New(7), New(7)
	kinds := map[string]int{}
	for range 2000 {
		x, y := a.Next(), b.Next()
		if !proto.Equal(x, y) {
			t.Fatalf("%v and %v", x, y)
		}
		kinds[string(x.ProtoReflect().Descriptor().Name())]++
		answer := &pb.PutResponse{Header: &pb.ResponseHeader{Revision: a.revision + 1}}
		a.Observe(x, answer)
		b.Observe(y, answer)
	}
	if len(kinds) != 5 {
		t.Errorf("kinds = %v", kinds)
	}
}
