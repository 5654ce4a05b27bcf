package printer

import (
	"fmt"
	"strings"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
)

// The sentences about changes of the cluster pad ids to 16 places, which scripts that cut columns count on.

// MemberAdd ends with the variables under which the new member is started. Its peer URLs are as they were given: the answer
// has them in another order.
func (s *simple) MemberAdd(name string, peerURLs []string, r *pb.MemberAddResponse) error {
	added := r.GetMember()
	as := ""
	if added.GetIsLearner() {
		as = "as learner "
	}
	fmt.Fprintf(s.out, "Member %16x added %sto cluster %16x\n", added.GetID(), as, r.GetHeader().GetClusterId())
	var founders []string
	for _, m := range r.GetMembers() {
		called := m.GetName()
		if m.GetID() == added.GetID() {
			called = name
		}
		for _, u := range m.GetPeerURLs() {
			founders = append(founders, called+"="+u)
		}
	}
	fmt.Fprintf(s.out, "\nETCD_NAME=%q\n", name)
	fmt.Fprintf(s.out, "ETCD_INITIAL_CLUSTER=%q\n", strings.Join(founders, ","))
	fmt.Fprintf(s.out, "ETCD_INITIAL_ADVERTISE_PEER_URLS=%q\n", strings.Join(peerURLs, ","))
	fmt.Fprintf(s.out, "ETCD_INITIAL_CLUSTER_STATE=%q\n", "existing")
	return s.out.Flush()
}

func (s *simple) MemberRemove(id uint64, r *pb.MemberRemoveResponse) error {
	return s.member(id, "removed from", r.GetHeader())
}

func (s *simple) MemberUpdate(id uint64, r *pb.MemberUpdateResponse) error {
	return s.member(id, "updated in", r.GetHeader())
}

func (s *simple) MemberPromote(id uint64, r *pb.MemberPromoteResponse) error {
	return s.member(id, "promoted in", r.GetHeader())
}

func (s *simple) member(id uint64, what string, h *pb.ResponseHeader) error {
	fmt.Fprintf(s.out, "Member %16x %s cluster %16x\n", id, what, h.GetClusterId())
	return s.out.Flush()
}

func (s *simple) MoveLeader(leader, target uint64, _ *pb.MoveLeaderResponse) error {
	fmt.Fprintf(s.out, "Leadership transferred from %s to %s\n", id(leader), id(target))
	return s.out.Flush()
}

// Alarm has two spaces between the parts, as etcdctl most often prints them: its text form of a message leaves open whether
// it is one or two.
func (s *simple) Alarm(r *pb.AlarmResponse) error {
	for _, a := range r.GetAlarms() {
		var parts []string
		if a.GetMemberID() != 0 {
			parts = append(parts, fmt.Sprintf("memberID:%d", a.GetMemberID()))
		}
		if a.GetAlarm() != pb.AlarmType_NONE {
			parts = append(parts, "alarm:"+a.GetAlarm().String())
		}
		fmt.Fprintln(s.out, strings.Join(parts, "  "))
	}
	return s.out.Flush()
}

func (s *simple) Downgrade(action client.DowngradeAction, r *pb.DowngradeResponse) error {
	fmt.Fprintf(s.out, "Downgrade %s success, cluster version %s\n", strings.ToLower(action.String()), r.GetVersion())
	return s.out.Flush()
}
