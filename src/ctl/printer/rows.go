package printer

import (
	"fmt"
	"strings"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/pkg/human"
)

// The simple and the table format show the same columns.
var (
	memberHeader = []string{"ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"}
	healthHeader = []string{"endpoint", "health", "took", "error"}
	hashHeader   = []string{"endpoint", "hash", "hash revision"}
	statusHeader = []string{
		"endpoint", "ID", "version", "storage version", "db size", "in use", "percentage not in use", "quota",
		"is leader", "is learner", "raft term", "raft index", "raft applied index", "errors",
		"downgrade target version", "downgrade enabled",
	}
)

// memberRows calls a member without a name unstarted: it was added, and has not published itself yet.
func memberRows(r *pb.MemberListResponse) [][]string {
	var rows [][]string
	for _, m := range r.GetMembers() {
		status := "started"
		if m.GetName() == "" {
			status = "unstarted"
		}
		rows = append(rows, []string{
			id(m.GetID()), status, m.GetName(),
			strings.Join(m.GetPeerURLs(), ","), strings.Join(m.GetClientURLs(), ","),
			fmt.Sprint(m.GetIsLearner()),
		})
	}
	return rows
}

func healthRows(list []Health) [][]string {
	var rows [][]string
	for _, h := range list {
		rows = append(rows, []string{h.Endpoint, fmt.Sprint(h.Healthy), h.Took, h.Error})
	}
	return rows
}

func hashRows(list []HashKV) [][]string {
	var rows [][]string
	for _, h := range list {
		rows = append(rows, []string{
			h.Endpoint, fmt.Sprint(h.Response.GetHash()), fmt.Sprint(h.Response.GetHashRevision()),
		})
	}
	return rows
}

func statusRows(list []Status) [][]string {
	var rows [][]string
	for _, s := range list {
		r := s.Response
		rows = append(rows, []string{
			s.Endpoint,
			id(r.GetHeader().GetMemberId()),
			r.GetVersion(),
			r.GetStorageVersion(),
			human.Bytes(uint64(r.GetDbSize())),
			human.Bytes(uint64(r.GetDbSizeInUse())),
			percentNotInUse(r.GetDbSize(), r.GetDbSizeInUse()),
			human.Bytes(uint64(r.GetDbSizeQuota())),
			fmt.Sprint(r.GetLeader() == r.GetHeader().GetMemberId()),
			fmt.Sprint(r.GetIsLearner()),
			fmt.Sprint(r.GetRaftTerm()),
			fmt.Sprint(r.GetRaftIndex()),
			fmt.Sprint(r.GetRaftAppliedIndex()),
			strings.Join(r.GetErrors(), ", "),
			r.GetDowngradeInfo().GetTargetVersion(),
			fmt.Sprint(r.GetDowngradeInfo().GetEnabled()),
		})
	}
	return rows
}
