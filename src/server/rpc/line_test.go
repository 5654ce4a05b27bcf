package rpc

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/v3lockpb"
)

// TestALockIsNotTakenFromBehindWhoGaveUp: three stand in line, the second leaves. The third has nobody directly in front of it any
// more then, but the first still holds the lock.
func TestALockIsNotTakenFromBehindWhoGaveUp(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, nil)
	locks, leases := v3lockpb.NewLockClient(s.conn), pb.NewLeaseClient(s.conn)
	lock := func(ctx context.Context) (*v3lockpb.LockResponse, error) {
		lease, err := leases.LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: 60})
		if err != nil {
			return nil, err
		}
		return locks.Lock(ctx, &v3lockpb.LockRequest{Name: []byte("l"), Lease: lease.ID})
	}
	inLine := func(g Gomega) int64 {
		r, err := s.kv.Range(t.Context(), &pb.RangeRequest{Key: []byte("l/"), RangeEnd: []byte("l0"), CountOnly: true})
		g.Expect(err).NotTo(HaveOccurred())
		return r.Count
	}
	first, err := lock(t.Context())
	w.Expect(err).NotTo(HaveOccurred())
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	second, third := make(chan error, 1), make(chan *v3lockpb.LockResponse, 1)
	go func() { _, err := lock(ctx); second <- err }()
	w.Eventually(inLine, "30s").Should(BeEquivalentTo(2))
	go func() { r, err := lock(t.Context()); w.Expect(err).NotTo(HaveOccurred()); third <- r }()
	w.Eventually(inLine, "30s").Should(BeEquivalentTo(3))
	giveUp()
	w.Expect(<-second).To(HaveOccurred())
	w.Eventually(inLine, "30s").Should(BeEquivalentTo(2))
	freed, err := locks.Unlock(t.Context(), &v3lockpb.UnlockRequest{Key: first.Key})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect((<-third).Header.Revision).To(BeNumerically(">=", freed.Header.Revision))
}

// TestATransactionIsOneResponse: a watcher that heard of a part could not tell that there is more.
func TestATransactionIsOneResponse(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, nil)
	watches, err := pb.NewWatchClient(s.conn).Watch(t.Context())
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(watches.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{Key: []byte("k"), RangeEnd: []byte("l")},
	}})).To(Succeed())
	created, err := watches.Recv()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(created.Created).To(BeTrue())
	put := func(key string) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte("v")}}}
	}
	_, err = s.kv.Txn(t.Context(), &pb.TxnRequest{Success: []*pb.RequestOp{put("k1"), put("k2"), put("k3")}})
	w.Expect(err).NotTo(HaveOccurred())
	heard, err := watches.Recv()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(heard.Events).To(HaveLen(3))
}
