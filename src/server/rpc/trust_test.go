package rpc

import (
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
)

// A member of which the log says that it is corrupt shows nothing of what it holds, whatever is under way, until the
// operator clears the alarm.
func TestCorruptMemberShowsNothing(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, nil)
	s.put(t, "k", "v")
	maintenance, health := pb.NewMaintenanceClient(s.conn), healthpb.NewHealthClient(s.conn)
	alarm := func(action pb.AlarmRequest_AlarmAction) {
		t.Helper()
		_, err := maintenance.Alarm(t.Context(), &pb.AlarmRequest{Action: action, MemberID: s.m.ID(), Alarm: pb.AlarmType_CORRUPT})
		w.Expect(err).NotTo(HaveOccurred())
	}
	serving := func() healthpb.HealthCheckResponse_ServingStatus {
		r, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{})
		w.Expect(err).NotTo(HaveOccurred())
		return r.Status
	}
	refused := func(err error) {
		t.Helper()
		w.Expect(status.Code(err)).To(Equal(codes.Unavailable), "%v", err)
		w.Expect(err).To(MatchError(ContainSubstring("holds something else than the others")))
	}
	watch, err := pb.NewWatchClient(s.conn).Watch(t.Context())
	w.Expect(err).NotTo(HaveOccurred())
	create := &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{Key: []byte("k")}}}
	w.Expect(watch.Send(create)).To(Succeed())
	_, err = watch.Recv()
	w.Expect(err).NotTo(HaveOccurred())

	alarm(pb.AlarmRequest_ACTIVATE)
	_, err = watch.Recv()
	refused(err)
	for _, serializable := range []bool{true, false} {
		_, err = s.kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("k"), Serializable: serializable})
		refused(err)
	}
	stream, err := s.kv.RangeStream(t.Context(), &pb.RangeRequest{Key: []byte("k")})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = stream.Recv()
	refused(err)
	read := &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("k")}}}
	_, err = s.kv.Txn(t.Context(), &pb.TxnRequest{Success: []*pb.RequestOp{read}})
	refused(err)
	_, err = s.kv.DeleteRange(t.Context(), &pb.DeleteRangeRequest{Key: []byte("k"), PrevKv: true})
	refused(err)
	_, err = pb.NewLeaseClient(s.conn).LeaseLeases(t.Context(), &pb.LeaseLeasesRequest{})
	refused(err)
	again, err := pb.NewWatchClient(s.conn).Watch(t.Context())
	w.Expect(err).NotTo(HaveOccurred())
	_, err = again.Recv()
	refused(err)
	backup, err := maintenance.Snapshot(t.Context(), &pb.SnapshotRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = backup.Recv()
	refused(err)
	w.Expect(serving()).To(Equal(healthpb.HealthCheckResponse_NOT_SERVING))

	// What an operator looks at goes on.
	_, err = maintenance.HashKV(t.Context(), &pb.HashKVRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	st, err := maintenance.Status(t.Context(), &pb.StatusRequest{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(st.Errors).To(ConsistOf(ContainSubstring("holds something else"), ContainSubstring("CORRUPT")))

	alarm(pb.AlarmRequest_DEACTIVATE)
	r, err := s.kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("k")})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(r.Kvs).To(HaveLen(1))
	w.Eventually(serving, "30s").Should(Equal(healthpb.HealthCheckResponse_SERVING))
}

// The alarm of another member stops writes, as in etcd, and no reads.
func TestCorruptAlarmOfAnotherStopsWrites(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, nil)
	s.put(t, "k", "v")
	raise := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: s.m.ID() + 1, Alarm: pb.AlarmType_CORRUPT}
	_, err := pb.NewMaintenanceClient(s.conn).Alarm(t.Context(), raise)
	w.Expect(err).NotTo(HaveOccurred())
	_, err = s.kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("k")})
	w.Expect(err).NotTo(HaveOccurred())
	_, err = s.kv.Put(t.Context(), &pb.PutRequest{Key: []byte("k")})
	w.Expect(status.Code(err)).To(Equal(codes.DataLoss))
	w.Expect(err).To(MatchError(ContainSubstring("etcdserver: corrupt cluster")))
}
