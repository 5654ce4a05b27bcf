package apply

import (
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/membershippb"

	"quoin.dev/server/membership"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

func raise(member uint64, a pb.AlarmType) *pb.InternalRaftRequest {
	return entry(&pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: member, Alarm: a})
}

func lower(member uint64, a pb.AlarmType) *pb.InternalRaftRequest {
	return entry(&pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: member, Alarm: a})
}

// TestAlarmsRefuse holds every kind of request against each alarm.
func TestAlarmsRefuse(t *testing.T) {
	growing := txn(op(del("a")), op(put("b", "2")))
	for name, c := range map[string]struct {
		request                   *pb.InternalRaftRequest
		refusedFull, refusedWrong bool
	}{
		"put":                     {entry(put("b", "2")), true, true},
		"delete":                  {entry(del("a")), false, true},
		"range":                   {entry(get("a", 0)), false, false},
		"txn with a put":          {entry(growing), true, true},
		"txn with a nested put":   {entry(txn(op(txn(op(put("b", "2")))))), true, true}, // etcd#22139
		"txn with an untaken put": {entry(&pb.TxnRequest{Failure: []*pb.RequestOp{op(put("b", "2"))}}), true, true},
		"txn that deletes":        {entry(txn(op(del("a")))), false, true},
		"txn that reads":          {entry(txn(op(get("a", 0)), op(txn()))), false, true},
		"compaction":              {entry(&pb.CompactionRequest{Revision: 2}), false, true},
		"lease grant":             {entry(&pb.LeaseGrantRequest{ID: 9, TTL: 10}), true, true},
		"lease revoke":            {entry(&pb.LeaseRevokeRequest{ID: 7}), false, true},
		"lease checkpoint":        {entry(&pb.LeaseCheckpointRequest{Checkpoints: []*pb.LeaseCheckpoint{{ID: 7, Remaining_TTL: 5}}}), false, false},
		"alarm":                   {entry(&pb.AlarmRequest{}), false, false},
		"attributes":              {&pb.InternalRaftRequest{ClusterMemberAttrSet: &membershippb.ClusterMemberAttrSetRequest{Member_ID: 1}}, false, false},
		"cluster version":         {&pb.InternalRaftRequest{ClusterVersionSet: &membershippb.ClusterVersionSetRequest{Ver: "3.7.0"}}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			for alarm, refused := range map[pb.AlarmType]bool{pb.AlarmType_NONE: false, pb.AlarmType_NOSPACE: c.refusedFull, pb.AlarmType_CORRUPT: c.refusedWrong} {
				m := newMachine(t)
				m.apply(entry(&pb.LeaseGrantRequest{ID: 7, TTL: 100}), entry(put("a", "1")), entry(put("a", "2")), raise(1, alarm))
				before := m.fingerprint(t)
				err := m.apply(c.request).Err
				if !refused {
					w.Expect(err).NotTo(HaveOccurred(), alarm.String())
					continue
				}
				want := map[pb.AlarmType]error{pb.AlarmType_NOSPACE: ErrNoSpace, pb.AlarmType_CORRUPT: ErrCorrupt}[alarm]
				w.Expect(err).To(MatchError(want))
				w.Expect(m.fingerprint(t)).To(Equal(before))
				m.apply(lower(1, alarm))
				w.Expect(m.apply(c.request).Err).NotTo(HaveOccurred(), "once the alarm is cleared")
			}
		})
	}
}

func TestAlarmsAreKeptByMemberAndType(t *testing.T) {
	w := NewWithT(t)
	path := t.TempDir() + "/db"
	m := openMachine(t, path, backend.Options{})
	m.putAll(t, "a", "1")
	list := func(a pb.AlarmType) []*pb.AlarmMember {
		r := must[pb.AlarmResponse](t, m, entry(&pb.AlarmRequest{Alarm: a}))
		w.Expect(r.Header.Revision).To(BeEquivalentTo(2))
		return r.Alarms
	}
	full := &pb.AlarmMember{MemberID: 1, Alarm: pb.AlarmType_NOSPACE}
	w.Expect(must[pb.AlarmResponse](t, m, raise(1, pb.AlarmType_NOSPACE)).Alarms).To(HaveExactElements(HaveField("String()", full.String())))
	m.apply(raise(1, pb.AlarmType_NOSPACE), raise(2, pb.AlarmType_NOSPACE), raise(1, pb.AlarmType_CORRUPT))
	w.Expect(list(pb.AlarmType_NONE)).To(HaveLen(3), "the same alarm twice is one")
	w.Expect(list(pb.AlarmType_CORRUPT)).To(HaveLen(1))
	w.Expect(must[pb.AlarmResponse](t, m, raise(3, pb.AlarmType_NONE)).Alarms).To(BeEmpty())
	w.Expect(must[pb.AlarmResponse](t, m, lower(3, pb.AlarmType_NOSPACE)).Alarms).To(BeEmpty())
	w.Expect(must[pb.AlarmResponse](t, m, lower(2, pb.AlarmType_NOSPACE)).Alarms).To(HaveLen(1))

	m.close()
	m = openMachine(t, path, backend.Options{})
	w.Expect(list(pb.AlarmType_NONE)).To(HaveLen(2), "after a restart")
	w.Expect(m.apply(entry(put("a", "2"))).Err).To(MatchError(ErrCorrupt), "the worse of the two")
	m.apply(lower(1, pb.AlarmType_CORRUPT))
	w.Expect(m.apply(entry(put("a", "2"))).Err).To(MatchError(ErrNoSpace))
}

func TestMembershipRequests(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	_, err := m.Members.Apply(membership.AddChange(membership.Member{ID: 5, PeerURLs: []string{"http://127.0.0.1:1"}}))
	w.Expect(err).NotTo(HaveOccurred())
	m.apply(
		&pb.InternalRaftRequest{ClusterMemberAttrSet: &membershippb.ClusterMemberAttrSetRequest{
			Member_ID: 5, MemberAttributes: &membershippb.Attributes{Name: "five", ClientUrls: []string{"http://127.0.0.1:2"}},
		}},
		&pb.InternalRaftRequest{ClusterVersionSet: &membershippb.ClusterVersionSetRequest{Ver: "3.7.0"}},
		&pb.InternalRaftRequest{DowngradeInfoSet: &membershippb.DowngradeInfoSetRequest{Enabled: true, Ver: "3.6.0"}},
		&pb.InternalRaftRequest{DowngradeVersionTest: &pb.DowngradeVersionTestRequest{Ver: "3.6.0"}},
	)
	five, ok := m.Members.Member(5)
	w.Expect(ok).To(BeTrue())
	w.Expect(five.Name).To(Equal("five"))
	w.Expect(five.ClientURLs).To(Equal([]string{"http://127.0.0.1:2"}))
	w.Expect(m.Members.Version()).To(Equal("3.7.0"))
	w.Expect(m.Members.Downgrade()).To(Equal(membership.Downgrade{Enabled: true, TargetVersion: "3.6.0"}))
	view := m.b.View()
	defer view.Close()
	w.Expect(schema.StorageVersion(view)).To(Equal("3.7.0"), "the file says what it may hold")
}

// TestUnknownRequestsEndTheMember: guessing would make this member differ from the others.
func TestUnknownRequestsEndTheMember(t *testing.T) {
	w := NewWithT(t)
	m := newMachine(t)
	w.Expect(func() { m.apply(&pb.InternalRaftRequest{Header: &pb.RequestHeader{ID: 0xabc}}) }).
		To(PanicWith(And(ContainSubstring("id abc"), ContainSubstring("start this member with a version that supports it"))))
}
