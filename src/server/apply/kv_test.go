package apply

import (
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
	"quoin.dev/storage/mvcc"
)

func TestPutAndDeleteMakeRevisions(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	w.Expect(m.KV.Revision()).To(BeEquivalentTo(1), "of an empty store")
	w.Expect(must[pb.PutResponse](t, m, entry(put("a", "1"))).Header.Revision).To(BeEquivalentTo(2))
	w.Expect(must[pb.PutResponse](t, m, entry(put("a", "1"))).Header.Revision).To(BeEquivalentTo(3), "the same value is a change too")
	w.Expect(must[pb.DeleteRangeResponse](t, m, entry(del("b")))).To(HaveField("Header.Revision", BeEquivalentTo(3)), "of nothing")

	m.putAll(t, "b", "2", "c", "3")
	r := must[pb.DeleteRangeResponse](t, m, entry(&pb.DeleteRangeRequest{Key: []byte("a"), RangeEnd: []byte("c"), PrevKv: true}))
	w.Expect(r.Deleted).To(BeEquivalentTo(2))
	w.Expect(r.Header.Revision).To(BeEquivalentTo(6))
	w.Expect(r.PrevKvs).To(HaveLen(2))
	w.Expect(r.PrevKvs[0]).To(And(HaveField("Version", BeEquivalentTo(2)), HaveField("CreateRevision", BeEquivalentTo(2)), HaveField("ModRevision", BeEquivalentTo(3))))
	w.Expect(m.values(t)).To(Equal(map[string]string{"c": "3"}))

	m.putAll(t, "a", "again")
	w.Expect(m.all(t, 0)[0]).To(And(HaveField("Version", BeEquivalentTo(1)), HaveField("CreateRevision", BeEquivalentTo(7))), "a delete ends the versions")
	w.Expect(m.all(t, 5)).To(HaveLen(3), "the past stays readable")
}

func TestPutKeepsWhatItIsToldTo(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	must[pb.LeaseGrantResponse](t, m, entry(&pb.LeaseGrantRequest{ID: 7, TTL: 100}))
	must[pb.LeaseGrantResponse](t, m, entry(&pb.LeaseGrantRequest{ID: 8, TTL: 100}))
	must[pb.PutResponse](t, m, entry(&pb.PutRequest{Key: []byte("k"), Value: []byte("first"), Lease: 7}))

	r := must[pb.PutResponse](t, m, entry(&pb.PutRequest{Key: []byte("k"), Value: []byte("second"), IgnoreLease: true, PrevKv: true}))
	w.Expect(r.PrevKv).To(And(HaveField("Value", BeEquivalentTo("first")), HaveField("Lease", BeEquivalentTo(7)), HaveField("Version", BeEquivalentTo(1))))
	w.Expect(m.all(t, 0)[0]).To(And(HaveField("Value", BeEquivalentTo("second")), HaveField("Lease", BeEquivalentTo(7))))

	must[pb.PutResponse](t, m, entry(&pb.PutRequest{Key: []byte("k"), Lease: 8, IgnoreValue: true}))
	w.Expect(m.all(t, 0)[0]).To(And(HaveField("Value", BeEquivalentTo("second")), HaveField("Lease", BeEquivalentTo(8))))
	w.Expect(m.Leases.Keys(7)).To(BeEmpty())
	w.Expect(m.Leases.Keys(8)).To(HaveLen(1))

	must[pb.PutResponse](t, m, entry(put("k", "free")))
	w.Expect(m.Leases.Keys(8)).To(BeEmpty(), "lease 0 detaches")
	w.Expect(must[pb.PutResponse](t, m, entry(&pb.PutRequest{Key: []byte("new"), PrevKv: true})).PrevKv).To(BeNil())
}

// TestRefusedChangesLeaveNoTrace holds every refusal against the store around it: no revision, no row, no lease moves.
func TestRefusedChangesLeaveNoTrace(t *testing.T) {
	ignoreValue := &pb.PutRequest{Key: []byte("none"), IgnoreValue: true}
	ignoreLease := &pb.PutRequest{Key: []byte("none"), Value: []byte("x"), IgnoreLease: true}
	noLease := &pb.PutRequest{Key: []byte("a"), Value: []byte("x"), Lease: 404}
	nested := func(last any) *pb.TxnRequest {
		return txn(op(put("n", "x")), op(txn(op(put("m", "x")), op(last))))
	}
	for name, c := range map[string]struct {
		request any
		want    error
	}{
		"put: ignore_value without a key":            {ignoreValue, ErrKeyNotFound},
		"put: ignore_lease without a key":            {ignoreLease, ErrKeyNotFound},
		"put: unknown lease":                         {noLease, lease.ErrNotFound},
		"txn: ignore_value behind a put":             {txn(op(put("n", "x")), op(ignoreValue)), ErrKeyNotFound},
		"txn: ignore_lease behind a delete":          {txn(op(del("a")), op(ignoreLease)), ErrKeyNotFound},
		"txn: unknown lease behind a put":            {txn(op(put("n", "x")), op(noLease)), lease.ErrNotFound},
		"txn: range in the future":                   {txn(op(put("n", "x")), op(get("a", 99))), mvcc.ErrFutureRevision},
		"txn: range at the revision it makes":        {txn(op(put("n", "x")), op(get("a", 6))), mvcc.ErrFutureRevision},
		"txn: range at a compacted revision":         {txn(op(put("n", "x")), op(get("a", 2))), mvcc.ErrCompacted},
		"txn: range at a negative revision":          {txn(op(put("n", "x")), op(get("a", -1))), mvcc.ErrCompacted},
		"nested: ignore_value":                       {nested(ignoreValue), ErrKeyNotFound},
		"nested: unknown lease":                      {nested(noLease), lease.ErrNotFound},
		"nested: range in the future":                {nested(get("a", 99)), mvcc.ErrFutureRevision},
		"nested: range at a compacted revision":      {nested(get("a", 2)), mvcc.ErrCompacted},
		"key that only the transaction itself makes": {txn(op(put("none", "x")), op(txn(op(ignoreValue)))), ErrKeyNotFound},
		"compaction: behind the one before":          {&pb.CompactionRequest{Revision: 3}, mvcc.ErrCompacted},
		"compaction: in the future":                  {&pb.CompactionRequest{Revision: 6}, mvcc.ErrFutureRevision},
		"lease: id 0":                                {&pb.LeaseGrantRequest{TTL: 10}, lease.ErrNotFound},
		"lease: taken":                               {&pb.LeaseGrantRequest{ID: 7, TTL: 10}, lease.ErrExists},
		"lease: too long":                            {&pb.LeaseGrantRequest{ID: 9, TTL: lease.MaxTTL + 1}, lease.ErrTTLTooLarge},
		"lease: revoke of an unknown one":            {&pb.LeaseRevokeRequest{ID: 404}, lease.ErrNotFound},
		"range in the log: future revision":          {get("a", 99), mvcc.ErrFutureRevision},
		"range in the log: compacted revision":       {get("a", 2), mvcc.ErrCompacted},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			m := newMachine(t)
			must[pb.LeaseGrantResponse](t, m, entry(&pb.LeaseGrantRequest{ID: 7, TTL: 100}))
			m.putAll(t, "a", "1", "b", "2", "c", "3")
			must[pb.PutResponse](t, m, entry(&pb.PutRequest{Key: []byte("leased"), Lease: 7}))
			w.Expect(m.KV.Revision()).To(BeEquivalentTo(5))
			removed(t, m.apply(entry(&pb.CompactionRequest{Revision: 3})))
			before := m.fingerprint(t)

			result := m.apply(entry(c.request))
			w.Expect(result.Err).To(MatchError(c.want))
			w.Expect(result.Response).To(BeNil(), "what failed has no response")
			w.Expect(m.fingerprint(t)).To(Equal(before))
		})
	}
}

// TestCompactionsKeepWhatIsCurrent also asks at the edge: the compact revision itself stays readable.
func TestCompactionsKeepWhatIsCurrent(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	m.putAll(t, "a", "1", "a", "2", "b", "1")
	result := m.apply(entry(&pb.CompactionRequest{Revision: 3}))
	w.Expect(result.Err).NotTo(HaveOccurred())
	w.Expect(result.Response.(*pb.CompactionResponse).Header.Revision).To(BeEquivalentTo(4))
	removed(t, result)
	w.Expect(m.apply(entry(get("a", 2))).Err).To(MatchError(mvcc.ErrCompacted))
	w.Expect(must[pb.RangeResponse](t, m, entry(get("a", 3))).Kvs[0].Value).To(BeEquivalentTo("2"))
	w.Expect(m.values(t)).To(Equal(map[string]string{"a": "2", "b": "1"}))
}

func TestRangeInTheLogAnswersWhoWaits(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	m.putAll(t, "a", "1", "b", "2", "c", "3")
	request := entry(&pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte{0}, Limit: 2})
	r := must[pb.RangeResponse](t, m, request)
	w.Expect(r.Kvs).To(HaveLen(2))
	w.Expect(r.More).To(BeTrue())
	w.Expect(r.Count).To(BeEquivalentTo(3))
	w.Expect(r.Header.Revision).To(BeEquivalentTo(4))
	w.Expect(m.Apply(request, m.index+1, false).Err).NotTo(HaveOccurred())
}
