package apply

import (
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
)

func TestTxnSeesItsOwnChanges(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	m.putAll(t, "a", "old", "b", "old")
	all := &pb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("z")}
	r := must[pb.TxnResponse](t, m, entry(txn(
		op(all), op(put("a", "new")), op(del("b")), op(put("c", "new")), op(all),
	)))
	w.Expect(r.Succeeded).To(BeTrue())
	w.Expect(r.Header.Revision).To(BeEquivalentTo(4), "all changes share one revision")
	before, after := r.Responses[0].GetResponseRange(), r.Responses[4].GetResponseRange()
	w.Expect(before.Header.Revision).To(BeEquivalentTo(3))
	w.Expect(before.Kvs).To(HaveLen(2))
	w.Expect(after.Header.Revision).To(BeEquivalentTo(4))
	w.Expect(after.Kvs).To(HaveLen(2))
	w.Expect(after.Kvs[0].Value).To(BeEquivalentTo("new"))
	w.Expect(after.Kvs[1]).To(And(HaveField("Key", BeEquivalentTo("c")), HaveField("ModRevision", BeEquivalentTo(4))))
	w.Expect(r.Responses[1].GetResponsePut().Header.Revision).To(BeEquivalentTo(4))
	w.Expect(r.Responses[2].GetResponseDeleteRange().Deleted).To(BeEquivalentTo(1))

	past := must[pb.TxnResponse](t, m, entry(txn(op(put("a", "newer")), op(get("a", 4)))))
	w.Expect(past.Responses[1].GetResponseRange().Kvs[0].Value).To(BeEquivalentTo("new"), "a past revision is not touched by the own changes")
}

func TestTxnWithoutChangesMakesNoRevision(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	m.putAll(t, "a", "1")
	for _, request := range []*pb.TxnRequest{
		txn(), txn(op(del("none"))), txn(op(txn())), {Failure: []*pb.RequestOp{op(put("a", "2"))}},
		{Compare: []*pb.Compare{compare("a", "", eq, version(9))}, Success: []*pb.RequestOp{op(put("a", "2"))}},
	} {
		w.Expect(must[pb.TxnResponse](t, m, entry(request)).Header.Revision).To(BeEquivalentTo(2))
	}
	w.Expect(m.values(t)).To(Equal(map[string]string{"a": "1"}))
}

// TestNestedComparisonsLookAtTheStateBefore: what a transaction writes does not decide what its nested ones do.
func TestNestedComparisonsLookAtTheStateBefore(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	missing := func(key string) []*pb.Compare { return []*pb.Compare{compare(key, "", eq, created(0))} }
	r := must[pb.TxnResponse](t, m, entry(&pb.TxnRequest{
		Compare: missing("a"),
		Success: []*pb.RequestOp{
			op(put("a", "outer")),
			op(&pb.TxnRequest{
				Compare: missing("a"),
				Success: []*pb.RequestOp{op(put("b", "it was missing")), op(&pb.TxnRequest{
					Compare: missing("b"), Success: []*pb.RequestOp{op(put("c", "so was this"))},
				})},
				Failure: []*pb.RequestOp{op(put("b", "it was there"))},
			}),
			op(&pb.TxnRequest{
				Compare: []*pb.Compare{compare("a", "", gt, version(0))},
				Success: []*pb.RequestOp{op(put("d", "it was there"))},
				Failure: []*pb.RequestOp{op(put("d", "it was missing"))},
			}),
		},
	}))
	w.Expect(m.values(t)).To(Equal(map[string]string{"a": "outer", "b": "it was missing", "c": "so was this", "d": "it was missing"}))
	w.Expect(m.KV.Revision()).To(BeEquivalentTo(2))
	first, second := r.Responses[1].GetResponseTxn(), r.Responses[2].GetResponseTxn()
	w.Expect(first.Succeeded).To(BeTrue())
	w.Expect(second.Succeeded).To(BeFalse())
	w.Expect(first.Header.Revision).To(BeZero(), "a nested transaction has no revision of its own")
	w.Expect(first.Responses[1].GetResponseTxn().Responses[0].GetResponsePut().Header.Revision).To(BeEquivalentTo(2))
}

// TestOnlyTheBranchThatRunsIsChecked: what the other branch would do wrong does not matter.
func TestOnlyTheBranchThatRunsIsChecked(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	bad := op(&pb.PutRequest{Key: []byte("x"), Lease: 404})
	must[pb.TxnResponse](t, m, entry(&pb.TxnRequest{Success: []*pb.RequestOp{op(put("a", "1"))}, Failure: []*pb.RequestOp{bad, op(txn(bad))}}))
	no := []*pb.Compare{compare("a", "", eq, version(9))}
	must[pb.TxnResponse](t, m, entry(txn(op(&pb.TxnRequest{Compare: no, Success: []*pb.RequestOp{bad}}), op(put("b", "1")))))
	w.Expect(m.apply(entry(&pb.TxnRequest{Compare: no, Failure: []*pb.RequestOp{op(put("c", "1")), bad}})).Err).To(MatchError(lease.ErrNotFound))
	w.Expect(m.values(t)).To(Equal(map[string]string{"a": "1", "b": "1"}))
}

// A delete "from key on" and a put behind it are not told apart from strangers by the check for duplicate keys, so a put
// may be asked to keep the value of a key that its own transaction has deleted.
func TestKeepingTheValueOfAKeyDeletedBefore(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	m.putAll(t, "a", "1")
	r := m.apply(entry(txn(op(&pb.DeleteRangeRequest{Key: []byte("a"), RangeEnd: []byte{0}}), op(&pb.PutRequest{Key: []byte("a"), IgnoreValue: true}))))
	w.Expect(r.Err).NotTo(HaveOccurred())
	w.Expect(m.values(t)).To(Equal(map[string]string{"a": ""}))
}

// etcd#18667: a range at a revision that is compacted here and not yet there must end the transaction on both, or on
// neither. What counts is the compaction in the log, not how far its removal has come, nor who waits.
func TestCompactedRangeInTxnIsDecidedByTheLogAlone(t *testing.T) {
	for _, wanted := range []bool{true, false} {
		for _, waits := range []bool{true, false} {
			w := NewWithT(t)
			m := newMachine(t)
			m.putAll(t, "a", "1", "a", "2", "a", "3", "a", "4")
			result := m.apply(entry(&pb.CompactionRequest{Revision: 4}))
			if waits {
				removed(t, result)
			}
			w.Expect(m.Apply(entry(txn(op(put("a", "5")), op(get("a", 3)))), m.index+1, wanted).Err).To(HaveOccurred())
			m.commit()
			w.Expect(m.Apply(entry(txn(op(put("b", "1")), op(get("a", 4)))), m.index+1, wanted).Err).NotTo(HaveOccurred())
			m.commit()
			w.Expect(m.KV.Revision()).To(BeEquivalentTo(6))
			w.Expect(m.values(t)).To(Equal(map[string]string{"a": "4", "b": "1"}))
		}
	}
}

func TestUnwantedReadsAreSkipped(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	m.putAll(t, "a", "1")
	r := m.Apply(entry(txn(op(get("a", 0)), op(put("b", "1")), op(txn(op(get("a", 0)))))), m.index+1, false)
	w.Expect(r.Err).NotTo(HaveOccurred())
	responses := r.Response.(*pb.TxnResponse).Responses
	w.Expect(responses).To(HaveLen(3))
	w.Expect(responses[0].Response).To(BeNil())
	w.Expect(responses[1].GetResponsePut().Header.Revision).To(BeEquivalentTo(3))
	w.Expect(responses[2].GetResponseTxn().Responses[0].Response).To(BeNil())
}
