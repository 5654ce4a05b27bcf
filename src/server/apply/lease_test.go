package apply

import (
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/server/lease"
	"quoin.dev/storage/backend"
)

func TestRevokeDeletesItsKeysAtOneRevision(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	w.Expect(must[pb.LeaseGrantResponse](t, m, entry(&pb.LeaseGrantRequest{ID: 7, TTL: -1}))).
		To(And(HaveField("ID", BeEquivalentTo(7)), HaveField("TTL", BeEquivalentTo(2)), HaveField("Header.Revision", BeEquivalentTo(1))))
	for _, key := range []string{"c", "a", "b"} {
		must[pb.PutResponse](t, m, entry(&pb.PutRequest{Key: []byte(key), Lease: 7}))
	}
	m.putAll(t, "d", "stays", "b", "without the lease")
	r := must[pb.LeaseRevokeResponse](t, m, entry(&pb.LeaseRevokeRequest{ID: 7}))
	w.Expect(r.Header.Revision).To(BeEquivalentTo(7))
	w.Expect(m.values(t)).To(Equal(map[string]string{"b": "without the lease", "d": "stays"}))

	must[pb.LeaseGrantResponse](t, m, entry(&pb.LeaseGrantRequest{ID: 8, TTL: 10}))
	w.Expect(must[pb.LeaseRevokeResponse](t, m, entry(&pb.LeaseRevokeRequest{ID: 8})).Header.Revision).To(BeEquivalentTo(7), "no keys, no revision")
}

// A key may change its lease inside of a transaction, also back to one that a delete took it from.
func TestTxnMovesKeysBetweenLeases(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	for id := range int64(2) {
		must[pb.LeaseGrantResponse](t, m, entry(&pb.LeaseGrantRequest{ID: id + 1, TTL: 10}))
	}
	on := func(key string, id int64) *pb.PutRequest { return &pb.PutRequest{Key: []byte(key), Lease: id} }
	m.apply(entry(on("a", 1)), entry(on("b", 1)))
	must[pb.TxnResponse](t, m, entry(txn(op(on("a", 2)), op(del("b")), op(on("c", 1)))))
	w.Expect(m.Leases.Keys(1)).To(Equal([][]byte{[]byte("c")}))
	w.Expect(m.Leases.Keys(2)).To(Equal([][]byte{[]byte("a")}))
	must[pb.LeaseRevokeResponse](t, m, entry(&pb.LeaseRevokeRequest{ID: 1}))
	w.Expect(m.values(t)).To(Equal(map[string]string{"a": ""}))
}

// etcd#14239: a lease whose id is negative has to come back from the file as the one it was.
func TestNegativeLeaseSurvivesARestart(t *testing.T) {
	w := NewWithT(t)
	path := t.TempDir() + "/db"
	m := openMachine(t, path, backend.Options{})
	must[pb.LeaseGrantResponse](t, m, entry(&pb.LeaseGrantRequest{ID: -1, TTL: 100}))
	must[pb.PutResponse](t, m, entry(&pb.PutRequest{Key: []byte("a"), Lease: -1}))
	m.apply(entry(&pb.LeaseCheckpointRequest{Checkpoints: []*pb.LeaseCheckpoint{{ID: -1, Remaining_TTL: 40}, {ID: 404, Remaining_TTL: 1}}}))
	before := m.fingerprint(t)
	m.close()

	m = openMachine(t, path, backend.Options{})
	w.Expect(m.fingerprint(t)).To(Equal(before))
	found, ok := m.Leases.Lookup(-1)
	w.Expect(ok).To(BeTrue())
	w.Expect(found).To(Equal(lease.Lease{ID: -1, TTL: 100, RemainingTTL: 40}))
	must[pb.LeaseRevokeResponse](t, m, entry(&pb.LeaseRevokeRequest{ID: -1}))
	w.Expect(m.values(t)).To(BeEmpty())
}
