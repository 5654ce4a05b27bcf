package alarm

import (
	"path/filepath"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"

	"quoin.dev/storage/backend"
)

func newSet(t *testing.T) (*Set, *backend.Backend) {
	t.Helper()
	w := NewWithT(t)
	b, err := backend.Open(backend.Options{Path: filepath.Join(t.TempDir(), "db")})
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = b.Close() })
	view := b.View()
	defer view.Close()
	s, err := Load(view, b)
	w.Expect(err).NotTo(HaveOccurred())
	return s, b
}

func member(id uint64, a pb.AlarmType) *pb.AlarmMember {
	return &pb.AlarmMember{MemberID: id, Alarm: a}
}

func TestAlarmsAreASet(t *testing.T) {
	w := NewWithT(t)
	s, _ := newSet(t)
	w.Expect(s.Empty()).To(BeTrue())
	w.Expect(s.List(pb.AlarmType_NONE)).To(BeEmpty())
	w.Expect(s.Deactivate(member(1, pb.AlarmType_NOSPACE))).To(BeFalse())
	for range 2 {
		s.Activate(member(2, pb.AlarmType_NOSPACE))
		s.Activate(member(1, pb.AlarmType_CORRUPT))
		s.Activate(member(1, pb.AlarmType_NOSPACE))
	}
	w.Expect(s.Empty()).To(BeFalse())
	w.Expect(s.List(pb.AlarmType_NONE)).To(HaveExactElements(
		HaveField("String()", member(1, pb.AlarmType_NOSPACE).String()),
		HaveField("String()", member(1, pb.AlarmType_CORRUPT).String()),
		HaveField("String()", member(2, pb.AlarmType_NOSPACE).String()),
	), "by member, then type")
	w.Expect(s.List(pb.AlarmType_CORRUPT)).To(HaveLen(1))
	w.Expect(s.Deactivate(member(1, pb.AlarmType_NOSPACE))).To(BeTrue())
	w.Expect(s.Active(pb.AlarmType_NOSPACE)).To(BeTrue(), "another member's stands")
	w.Expect(s.Raised(1, pb.AlarmType_NOSPACE)).To(BeFalse())
	w.Expect(s.Raised(2, pb.AlarmType_NOSPACE)).To(BeTrue())
	w.Expect(s.Deactivate(member(2, pb.AlarmType_NOSPACE))).To(BeTrue())
	w.Expect(s.Active(pb.AlarmType_NOSPACE)).To(BeFalse())
	w.Expect(s.Active(pb.AlarmType_CORRUPT)).To(BeTrue())
}

func TestAlarmsAreLoadedAsTheyWere(t *testing.T) {
	w := NewWithT(t)
	s, b := newSet(t)
	s.Activate(member(1<<63, pb.AlarmType_CORRUPT))
	s.Activate(member(2, pb.AlarmType_NOSPACE))
	s.Activate(member(3, pb.AlarmType_NOSPACE))
	s.Deactivate(member(3, pb.AlarmType_NOSPACE))
	b.Commit(backend.Applied{Index: 1, Term: 1})
	view := b.View()
	defer view.Close()
	again, err := Load(view, b)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(again.active).To(Equal(s.active))
}

func TestAlarmsMayBeReadWhileTheyChange(t *testing.T) {
	s, _ := newSet(t)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 500 {
				_ = s.Empty() || s.Active(pb.AlarmType_NOSPACE)
				s.List(pb.AlarmType_NONE)
			}
		})
	}
	for id := range uint64(200) {
		s.Activate(member(id, pb.AlarmType_NOSPACE))
		s.Deactivate(member(id/2, pb.AlarmType_NOSPACE))
	}
	all.Wait()
}
