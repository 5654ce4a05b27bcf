package rpc

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"

	pb "quoin.dev/api/etcdserverpb"
)

// CVE-2021-28235: what is logged about a slow request holds no password, and no value either.
func TestSlowRequestsAreLogged(t *testing.T) {
	const secret = "s3cr3t"
	put := &pb.PutRequest{Key: []byte("k"), Value: []byte(secret)}
	var ops []*pb.RequestOp
	for range 6 {
		ops = append(ops, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}})
	}
	for _, tt := range []struct {
		request any
		want    string
	}{
		{put, `key:"k" value_size:6`},
		{&pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("b"), Limit: 3}, `key:"a" range_end:"b" limit:3 revision:0`},
		{&pb.DeleteRangeRequest{Key: []byte(strings.Repeat("x", 200))}, `key:"` + strings.Repeat("x", 128) + `"`},
		{&pb.TxnRequest{Success: ops}, `success:[put<key:"k" value_size:6> put<key:"k" value_size:6> put<key:"k" value_size:6> put<key:"k" value_size:6> and 2 more]`},
		{&pb.AuthenticateRequest{Name: "u", Password: secret}, ""},
		{&pb.AuthUserAddRequest{Name: "u", Password: secret}, ""},
	} {
		w := NewWithT(t)
		core, logs := observer.New(zap.WarnLevel)
		slow := slowLog{limit: 0, logger: zap.New(core)}
		handle := func(context.Context, any) (any, error) {
			time.Sleep(time.Microsecond)
			return nil, nil
		}
		_, err := slow.unary(t.Context(), tt.request, &grpc.UnaryServerInfo{FullMethod: "/m"}, handle)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(logs.FilterMessage("request stats").All()).To(HaveLen(1))
		fields := logs.All()[0].ContextMap()
		w.Expect(fields["request content"]).To(ContainSubstring(tt.want))
		w.Expect(fields["response type"]).To(Equal("/m"))
		for _, value := range fields {
			w.Expect(value).NotTo(BeEquivalentTo(secret))
		}
		w.Expect(fields["request content"]).NotTo(ContainSubstring(secret))

		quick := slowLog{limit: time.Hour, logger: zap.New(core)}
		_, err = quick.unary(t.Context(), tt.request, &grpc.UnaryServerInfo{FullMethod: "/m"}, handle)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(logs.Len()).To(Equal(1))
	}
}
