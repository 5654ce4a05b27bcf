package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"quoin.dev/quoin/e2e/interop/lab"
)

// agreeWithin bounds how long members may need to agree once nobody writes any more.
const agreeWithin = 2 * time.Minute

// settle repeats a question to all members until the answers are equal, and returns the answer of all.
func settle(t *testing.T, what string, members []*lab.Member, ask func(*lab.Member) (string, error)) string {
	t.Helper()
	for end := time.Now().Add(agreeWithin); ; time.Sleep(50 * time.Millisecond) {
		var said []string
		equal := true
		for _, m := range members {
			answer, err := ask(m)
			equal = equal && err == nil && (len(said) == 0 || answer == said[0])
			if err != nil {
				answer += err.Error()
			}
			said = append(said, answer)
		}
		if equal {
			return said[0]
		}
		if time.Now().After(end) {
			for i, m := range members {
				t.Logf("%s (%s) says %s", m.Name, m.Kind, said[i])
			}
			t.Fatalf("the members do not agree about %s", what)
		}
	}
}

// headOf waits until every member has applied what any of them had applied, and returns that revision.
func headOf(t *testing.T, members []*lab.Member) (revision int64) {
	t.Helper()
	read := func(m *lab.Member) int64 {
		return succeeding(t, func() (*pb.RangeResponse, error) {
			return pb.NewKVClient(m.Conn(t)).Range(deadline(t), &pb.RangeRequest{Key: []byte("head?"), CountOnly: true})
		}).Header.Revision
	}
	for _, m := range members {
		revision = max(revision, read(m))
	}
	for _, m := range members { // the first may have been asked before that revision was made, as when a lease ran out
		read(m)
	}
	return revision
}

// hashOf is what a member says of its keys at a revision.
func hashOf(t *testing.T, m *lab.Member, revision int64) (*pb.HashKVResponse, error) {
	t.Helper()
	r, err := pb.NewMaintenanceClient(m.Conn(t)).HashKV(deadline(t), &pb.HashKVRequest{Revision: revision})
	if r != nil {
		r.Header = nil
	}
	return r, err
}

// expectAlike compares everything that members of one cluster must hold alike while nobody writes: hashes at several revisions,
// keys with their versions and leases, leases, alarms, members. Leases may run out while it does so. Alarms are taken back, and one
// key is put, so that the newest revision is not the compacted one.
func expectAlike(t *testing.T, members []*lab.Member) {
	t.Helper()
	settle(t, "alarms", members, alarmsAt(t))
	expectEqualLists(t, members...)
	clearAlarms(t, members[0])
	putUntil(t, lab.Client(t, members...), "compared")
	head := headOf(t, members)
	compacted := max(must[*pb.HashKVResponse](t)(hashOf(t, members[0], head)).CompactRevision, 0)
	for _, revision := range []int64{head, head - 1, (head + compacted) / 2, compacted + 1} {
		if revision > compacted {
			expectSameHash(t, members, revision)
		}
	}
	expectSameKeys(t, members, head)
	settle(t, "leases", members, func(m *lab.Member) (string, error) {
		r, err := pb.NewLeaseClient(m.Conn(t)).LeaseLeases(deadline(t), &pb.LeaseLeasesRequest{})
		var ids []int64
		for _, l := range r.GetLeases() {
			ids = append(ids, l.ID)
		}
		slices.Sort(ids)
		return fmt.Sprint(ids), err
	})
}

// expectSameHash asks all members once: a revision that all have applied, and that is not compacted, has one hash.
func expectSameHash(t *testing.T, members []*lab.Member, revision int64) {
	t.Helper()
	want := must[*pb.HashKVResponse](t)(hashOf(t, members[0], revision))
	for _, m := range members[1:] {
		got, err := hashOf(t, m, revision)
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("hash at revision %d: %s (%s) says %v, %s (%s) says %v %v", revision,
				members[0].Name, members[0].Kind, want, m.Name, m.Kind, got, err)
		}
	}
}

func expectSameKeys(t *testing.T, members []*lab.Member, revision int64) {
	t.Helper()
	var want []string
	for i, m := range members {
		r := succeeding(t, func() (*pb.RangeResponse, error) {
			return pb.NewKVClient(m.Conn(t)).Range(deadline(t), everything(revision))
		})
		var got []string
		for _, kv := range r.Kvs {
			got = append(got, show(kv))
		}
		if i == 0 {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("at revision %d %s (%s) and %s (%s) hold different keys: %d and %d\n%s", revision, members[0].Name, members[0].Kind,
				m.Name, m.Kind, len(want), len(got), firstDifference(want, got))
		}
	}
}

func firstDifference(a, b []string) string {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return strings.Join(append(slices.Clone(a[min(i, len(a)):min(i+1, len(a))]), b[min(i, len(b)):min(i+1, len(b))]...), "\n")
		}
	}
	return ""
}

// alarmsAt returns what asks a member for the alarms.
func alarmsAt(t *testing.T) func(*lab.Member) (string, error) {
	return func(m *lab.Member) (string, error) {
		r, err := pb.NewMaintenanceClient(m.Conn(t)).Alarm(deadline(t), &pb.AlarmRequest{Action: pb.AlarmRequest_GET})
		var alarms []string
		for _, a := range r.GetAlarms() {
			alarms = append(alarms, fmt.Sprintf("%x %s", a.MemberID, a.Alarm))
		}
		slices.Sort(alarms)
		return strings.Join(alarms, ", "), err
	}
}

// compactAlike compacts through one member, so many revisions back from the newest if those are not compacted yet, and compares the
// hashes that all have afterwards. At the compacted revision itself a member answers with the hash that its compaction took, which it
// does beside everything else.
func compactAlike(t *testing.T, members []*lab.Member, by *lab.Member, back int64) {
	t.Helper()
	head := headOf(t, members)
	revision := max(head-back, must[*pb.HashKVResponse](t)(hashOf(t, members[0], head)).CompactRevision+1)
	succeeding(t, func() (*pb.CompactionResponse, error) {
		r, err := pb.NewKVClient(by.Conn(t)).Compact(deadline(t), &pb.CompactionRequest{Revision: revision, Physical: true})
		if err != nil && strings.Contains(err.Error(), "has been compacted") { // the answer to an earlier attempt was lost
			return &pb.CompactionResponse{}, nil
		}
		return r, err
	})
	if head := headOf(t, members); head > revision {
		expectSameHash(t, members, head)
		expectSameHash(t, members, revision+1)
	}
	settle(t, fmt.Sprintf("the hash at the compacted revision %d", revision), members, func(m *lab.Member) (string, error) {
		r, err := hashOf(t, m, revision)
		return fmt.Sprint(r), err
	})
}

// clearAlarms takes back every alarm.
func clearAlarms(t *testing.T, m *lab.Member) {
	t.Helper()
	r := must[*pb.AlarmResponse](t)(pb.NewMaintenanceClient(m.Conn(t)).Alarm(deadline(t), &pb.AlarmRequest{Action: pb.AlarmRequest_GET}))
	for _, a := range r.Alarms {
		succeeding(t, func() (*pb.AlarmResponse, error) {
			return pb.NewMaintenanceClient(m.Conn(t)).Alarm(deadline(t), &pb.AlarmRequest{
				Action: pb.AlarmRequest_DEACTIVATE, MemberID: a.MemberID, Alarm: a.Alarm,
			})
		})
	}
}

// raise raises the alarm about space for a member.
func raise(t *testing.T, at *lab.Member, id uint64) {
	t.Helper()
	succeeding(t, func() (*pb.AlarmResponse, error) {
		return pb.NewMaintenanceClient(at.Conn(t)).Alarm(deadline(t), &pb.AlarmRequest{
			Action: pb.AlarmRequest_ACTIVATE, MemberID: id, Alarm: pb.AlarmType_NOSPACE,
		})
	})
}
