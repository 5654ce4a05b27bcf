package rpc

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

func TestWhatALearnerServes(t *testing.T) {
	w := NewWithT(t)
	answered := func(ctx context.Context, r any) (any, error) { return r, nil }
	for _, c := range []struct {
		request any
		served  bool
	}{
		{&pb.RangeRequest{Key: key, Serializable: true}, true},
		{&pb.RangeRequest{Serializable: true}, true}, // what is wrong with it is for the handler to say
		{&pb.RangeRequest{Key: key}, false},
		{&pb.StatusRequest{}, true},
		{&pb.PutRequest{Key: key}, false},
		{&pb.PutRequest{}, false},
		{&pb.DeleteRangeRequest{Key: key}, false},
		{txn(op(&pb.RangeRequest{Key: key, Serializable: true})), false},
		{&pb.CompactionRequest{Revision: 1}, false},
		{&pb.MemberListRequest{}, false},
		{&pb.AlarmRequest{}, false},
		{&pb.HashRequest{}, false},
		{&pb.HashKVRequest{}, false},
		{&healthpb.HealthCheckRequest{}, false},
	} {
		for _, learner := range []bool{true, false} {
			guard := learnerGuard{func() bool { return learner }}
			response, err := guard.unary(t.Context(), c.request, nil, answered)
			if c.served || !learner {
				w.Expect(err).NotTo(HaveOccurred(), "%T", c.request)
				w.Expect(response).To(BeIdenticalTo(c.request))
			} else {
				w.Expect(err).To(BeIdenticalTo(rpctypes.ErrGRPCNotSupportedForLearner), "%T", c.request)
			}
		}
	}
	for method, served := range map[string]bool{pb.Maintenance_Snapshot_FullMethodName: true, pb.KV_RangeStream_FullMethodName: false, pb.Watch_Watch_FullMethodName: false, healthpb.Health_Watch_FullMethodName: false} {
		guard := learnerGuard{func() bool { return true }}
		err := guard.stream(nil, nil, &grpc.StreamServerInfo{FullMethod: method}, func(any, grpc.ServerStream) error { return nil })
		w.Expect(err == nil).To(Equal(served), method)
	}
}
